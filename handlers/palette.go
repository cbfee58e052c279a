package handlers

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
)

// The palette finds every page, thing and command that whoever asks may use: /palette gives the dialog its list,
// /search is the same as a page.
func (h *Handlers) paletteRoutes() []web.Route {
	return []web.Route{
		web.Get(model.SignedIn, href.Palette(), h.suggest),
		web.Get(model.SignedIn, href.Search(), h.search),
		web.Post(model.SignedIn, href.Shortcuts(), h.SetShortcuts),
	}
}

// How many things of a kind are listed: in the dialog, where the next letter narrows them, and on the page.
const (
	paletteHits = 5
	searchHits  = 25
	recentHits  = 6
)

func (h *Handlers) suggest(c echo.Context) error {
	q := newQuery(c.QueryParam("q"))
	groups, err := h.find(c, q, paletteHits)
	if err == nil && q.text == "" {
		var recent []views.Hit
		if recent, err = h.recall(c, c.QueryParams()["recent"]); len(recent) > 0 {
			groups = slices.Insert(groups, 0, views.HitGroup{Label: texts.ID("Recent"), Hits: recent})
		}
	}
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := views.PaletteResults(q.text, groups).Render(h.Reader(c), &out); err != nil {
		return err
	}
	return c.HTMLBlob(http.StatusOK, out.Bytes())
}

func (h *Handlers) search(c echo.Context) error {
	q := newQuery(c.QueryParam("q"))
	groups, err := h.find(c, q, searchHits)
	if err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: "Search"}, views.Search(views.SearchProps{Query: q.text, Groups: groups}))
}

// ranked is a hit and how well it fits.
type ranked struct {
	views.Hit
	score int
}

// find is what fits the query, at most most of a kind, the kind with the best fit first. An empty query finds commands
// and pages.
func (h *Handlers) find(c echo.Context, q query, most int) ([]views.HitGroup, error) {
	ctx, rights := h.Reader(c), h.Actor(c).Rights
	var groups []views.HitGroup
	best := map[string]int{}
	add := func(label string, most int, hits []views.Hit) {
		list := rank(q, hits)
		if len(list) == 0 {
			return
		}
		g := views.HitGroup{Label: label}
		for _, r := range list[:min(most, len(list))] {
			g.Hits = append(g.Hits, r.Hit)
		}
		best[label] = list[0].score
		groups = append(groups, g)
	}
	if q.text == "" {
		most = len(commands) + len(subpages) + searchHits
	}
	add(texts.ID("Commands"), most, h.told(c, permitted(rights, commands)))
	add(texts.ID("Pages"), most, h.told(c, append(pagesOf(h.Reader(c), rights), permitted(rights, subpages)...)))
	if q.text != "" {
		for _, s := range h.sources() {
			if !rights.Has(s.right) {
				continue
			}
			hits, err := s.hits(ctx, q)
			if err != nil {
				return nil, err
			}
			add(s.label, most, hits)
		}
	}
	slices.SortStableFunc(groups, func(a, b views.HitGroup) int { return cmp.Compare(best[b.Label], best[a.Label]) })
	return groups, nil
}

// told are hits that are named in words of the product, in the language of whoever asks; the English words find them too.
func (h *Handlers) told(c echo.Context, hits []views.Hit) []views.Hit {
	for i, hit := range hits {
		if label := h.T(c, hit.Label); label != hit.Label {
			hits[i].Label, hits[i].Also = label, hit.Label+" "+hit.Also
		}
	}
	return hits
}

// rank keeps what fits, the best first.
func rank(q query, hits []views.Hit) []ranked {
	var out []ranked
	for _, hit := range hits {
		score, pieces := q.fit(hit.Label, hit.Also)
		if score > 0 {
			hit.Pieces = pieces
			out = append(out, ranked{hit, score})
		}
	}
	slices.SortStableFunc(out, func(a, b ranked) int { return cmp.Compare(b.score, a.score) })
	return out
}

// offer is a hit that needs a right.
type offer struct {
	right model.Right
	views.Hit
}

func permitted(rights model.Rights, offers []offer) []views.Hit {
	var out []views.Hit
	for _, o := range offers {
		if rights.Has(o.right) {
			out = append(out, o.Hit)
		}
	}
	return out
}

// commands are what can be begun or done from everywhere.
var commands = []offer{
	{model.Connections.Manage(), views.Hit{Icon: "plus", Label: "New connection", URL: href.NewConnection(), Also: "create add system"}},
	{model.Inbound.Manage(), views.Hit{Icon: "plus", Label: "New inbound URL", URL: href.NewInbound(), Also: "create add receive webhook endpoint"}},
	{model.Credentials.Manage(), views.Hit{Icon: "plus", Label: "New credential", URL: href.NewCredential(), Also: "create add secret password token"}},
	{model.Connections.Manage(), views.Hit{Icon: "plus", Label: "New action", URL: href.NewAction(), Also: "create add route rule"}},
	{model.Events.Manage(), views.Hit{Icon: "pulse", Label: "Publish event", URL: href.NewEvent(), Also: "create new send an event"}},
	{model.Events.Manage(), views.Hit{Icon: "plus", Label: "New event definition", URL: href.NewEventDefinition(), Also: "create add schema"}},
	{model.Workflows.Manage(), views.Hit{Icon: "plus", Label: "New workflow", URL: href.NewWorkflow(), Also: "create add process flow"}},
	{model.Workflows.Manage(), views.Hit{Icon: "plus", Label: "New integration", URL: href.NewIntegration(), Also: "create add request"}},
	{model.Workflows.Manage(), views.Hit{Icon: "plus", Label: "New audience", URL: href.NewAudience(), Also: "create add list records csv upload"}},
	{model.Users.Manage(), views.Hit{Icon: "plus", Label: "New user", URL: href.NewUser(), Also: "create add invite person"}},
	{model.Users.Manage(), views.Hit{Icon: "link", Label: "Invite somebody", URL: href.Invite(), Also: "create add new user person account"}},
	{model.Users.Manage(), views.Hit{Icon: "plus", Label: "New role", URL: href.NewRole(), Also: "create add rights permissions"}},
	{model.APIKeys.Manage(), views.Hit{Icon: "plus", Label: "New API key", URL: href.NewAPIKey(), Also: "create add token"}},
	{model.SignedIn, views.Hit{Icon: "sun", Label: "Light theme", URL: href.Theme(), Post: true, Name: "theme", Value: "light", Also: "appearance colour color"}},
	{model.SignedIn, views.Hit{Icon: "moon", Label: "Dark theme", URL: href.Theme(), Post: true, Name: "theme", Value: "dark", Also: "appearance colour color night"}},
	{model.SignedIn, views.Hit{Icon: "monitor", Label: "Theme of the system", URL: href.Theme(), Post: true, Name: "theme", Value: "system", Also: "appearance colour color"}},
	{model.SignedIn, views.Hit{Icon: "keyboard", Label: "Keyboard shortcuts", Dialog: "shortcuts", Aside: "?", Also: "help keys"}},
	{model.SignedIn, views.Hit{Icon: "logout", Label: "Sign out", URL: href.Logout(), Post: true, Also: "log out leave"}},
}

// subpages are pages that the navigation does not name.
var subpages = []offer{
	{model.Deliveries.View(), views.Hit{Icon: "x", Label: "Failed deliveries", URL: href.DeliveriesIn(string(model.Failed)), Also: "errors"}},
	{model.Deliveries.View(), views.Hit{Icon: "retry", Label: "Deliveries that are retried", URL: href.DeliveriesIn(string(model.Retrying)), Also: "retrying"}},
	{model.Deliveries.View(), views.Hit{Icon: "pause", Label: "Held deliveries", URL: href.DeliveriesIn(string(model.Held)), Also: "paused disabled"}},
	{model.Users.View(), views.Hit{Icon: "lock", Label: "Roles", URL: href.Roles(), Also: "rights permissions matrix"}},
	{model.Events.View(), views.Hit{Icon: "book", Label: "Event definitions", URL: href.EventDefinitions(), Also: "schema names"}},
	{model.Workflows.View(), views.Hit{Icon: "x", Label: "Failed runs", URL: href.With(href.Runs(), "status", string(model.RunFailed)), Also: "errors workflows"}},
	{model.Settings.View(), views.Hit{Icon: "download", Label: "Hourly export", URL: href.ExportSettings(), Also: "settings s3 bucket analytics ndjson csv gzip pattern"}},
	{model.Settings.View(), views.Hit{Icon: "copy", Label: "Files", URL: href.FileSettings(), Also: "settings uploads s3 bucket folder move"}},
	{model.Settings.View(), views.Hit{Icon: "shield", Label: "Network", URL: href.Network(), Also: "rules allow deny hosts addresses proxy settings refused"}},
	{model.Settings.View(), views.Hit{Icon: "alert", Label: "Alerts", URL: href.Alerts(), Also: "notify email failure rate backlog breaker disk told"}},
	{model.Settings.View(), views.Hit{Icon: "send", Label: "Mail", URL: href.MailSettings(), Also: "smtp email server letters"}},
	{model.SignedIn, views.Hit{Icon: "user", Label: "Account", URL: href.Account(), Also: "profile name password sessions"}},
	{model.SignedIn, views.Hit{Icon: "book", Label: "API reference", URL: href.Docs(), Also: "docs documentation rest openapi curl help"}},
}

// pagesOf is the navigation.
func pagesOf(ctx context.Context, rights model.Rights) []views.Hit {
	var out []views.Hit
	for _, g := range navigation(rights) {
		for _, p := range g.Items {
			out = append(out, views.Hit{Icon: p.Icon, Label: p.Label, URL: p.URL, Aside: views.GoKeys(ctx, p.Key), Also: g.Label})
		}
	}
	return out
}

// recall is what was looked at last, by its paths as the browser remembers them. Names are not kept in the browser: what
// is gone, or may no longer be seen, is left out, and what was renamed has its new name.
func (h *Handlers) recall(c echo.Context, paths []string) ([]views.Hit, error) {
	ctx, rights := h.Reader(c), h.Actor(c).Rights
	var out []views.Hit
	for _, p := range paths[:min(len(paths), 4*recentHits)] {
		i := strings.LastIndexByte(p, '/')
		hit, err := h.byID(ctx, rights, p[i+1:])
		if err != nil {
			return nil, err
		}
		if hit.URL != p || len(out) == recentHits {
			continue
		}
		_, hit.Pieces = newQuery("").fit(hit.Label, "")
		out = append(out, hit)
	}
	return out, nil
}

// source is one kind of thing that can be found.
type source struct {
	label string
	right model.Right
	hits  func(context.Context, query) ([]views.Hit, error)
}
