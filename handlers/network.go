package handlers

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

func (h *Handlers) networkRoutes() []web.Route {
	view, manage := model.Settings.View(), model.Settings.Manage()
	return append([]web.Route{
		web.Get(view, href.Network(), h.showNetwork),
		web.Post(manage, href.Proxy(), h.updateProxy),
		web.Get(manage, href.NewNetworkRule(), h.newNetworkRule),
		web.Post(manage, href.NetworkRules(), h.createNetworkRule),
		web.Get(manage, href.NetworkRule(href.Pattern), h.editNetworkRule),
		web.Post(manage, href.NetworkRule(href.Pattern), h.updateNetworkRule),
	}, deletes(h, manage, href.DeleteNetworkRule(href.Pattern), h.networkRule, networkRuleDeletion)...)
}

var networkCrumb = crumb("Network", href.Network())

func (h *Handlers) showNetwork(c echo.Context) error {
	n, _, err := h.o.Jobs.Network(c.Request().Context())
	if err != nil {
		return err
	}
	form := views.ProxyForm{Version: n.Version, URL: n.ProxyURL, User: n.ProxyUser, Bypass: strings.Join(n.ProxyBypass, ", ")}
	return h.networkPage(c, http.StatusOK, form, views.Problems{})
}

func (h *Handlers) networkPage(c echo.Context, status int, form views.ProxyForm, problems views.Problems) error {
	ctx := c.Request().Context()
	p := views.NetworkProps{URL: strings.TrimSpace(c.QueryParam("url")), For: c.QueryParam("for"), From: cameFrom(c.QueryParam("from")), Fixed: h.o.Jobs.FixedRules(), Form: form, Problems: problems,
		CanEdit: h.may(c, model.Settings.Manage()), Now: h.Now()}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	p.Scopes, p.Rules = networkScopes(h.Reader(c), around), around.Network
	if p.Network, p.Locked, err = h.o.Jobs.Network(ctx); err != nil {
		return err
	}
	if !slices.ContainsFunc(p.Scopes, func(s views.NetworkScope) bool { return s.ID == p.For }) {
		p.For = ""
	}
	if p.URL != "" {
		con, dst := scopeIDs(p.For)
		r, err := h.o.Jobs.Simulate(ctx, p.URL, con, dst)
		if err != nil {
			return err
		}
		p.Result = &r
	}
	return h.Page(c, web.Bits{Status: status, Title: "Network", Section: "settings", Crumbs: under(settingsCrumb, "Network")}, views.Network(p))
}

// networkScopes are whom rules can be for: connections by name, each before its destinations.
func networkScopes(ctx context.Context, around db.Routing) []views.NetworkScope {
	var out []views.NetworkScope
	for _, c := range around.Connections {
		out = append(out, views.NetworkScope{ID: string(c.ID), Name: texts.T(ctx, "{name} (all of it)", "name", c.Name), URL: href.Connection(c.ID)})
	}
	for _, d := range around.Destinations {
		out = append(out, views.NetworkScope{ID: string(d.ID), Name: around.Connections[d.ConnectionID].Name + " → " + d.Name, URL: href.Destination(d.ID)})
	}
	slices.SortFunc(out, func(a, b views.NetworkScope) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	return out
}

// scopeIDs tells the id of a connection from that of a destination.
func scopeIDs(whose string) (model.ConnectionID, model.DestID) {
	if strings.HasPrefix(whose, "con_") {
		return model.ConnectionID(whose), ""
	}
	return "", model.DestID(whose)
}

// cameFrom is the page that a refusal was seen on, "" = none of ours.
func cameFrom(path string) string {
	if path = web.SafeNext(path); path == "/" {
		return ""
	}
	return path
}

func (h *Handlers) updateProxy(c echo.Context) error {
	f, err := web.Bind[views.ProxyForm](c)
	if err != nil {
		return err
	}
	n := model.Network{ProxyURL: f.URL, ProxyUser: f.User, ProxyBypass: []string{f.Bypass}, Version: f.Version}
	err = h.o.Jobs.UpdateNetwork(c.Request().Context(), h.Actor(c), n, model.Secret(f.Password))
	if p, status, ok := h.wrong(c, err, href.Network()); ok {
		f.Password = ""
		return h.networkPage(c, status, f, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Network(), "Saved. It holds from the next request on.")
}

func (h *Handlers) newNetworkRule(c echo.Context) error {
	f := views.NetworkRuleForm{Effect: string(model.NetworkAllow), Pattern: c.QueryParam("pattern"), For: c.QueryParam("for"), Back: c.QueryParam("back"), From: c.QueryParam("from")}
	return h.networkRuleForm(c, http.StatusOK, views.NetworkRuleProps{Form: f})
}

func (h *Handlers) networkRuleForm(c echo.Context, status int, p views.NetworkRuleProps) error {
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	p.Scopes = networkScopes(h.Reader(c), around)
	title := "New network rule"
	if p.Saved.ID != "" {
		title, p.Delete = p.Saved.Pattern, networkRuleDeletion(c, p.Saved).DeleteProps
	}
	return h.Page(c, web.Bits{Status: status, Title: title, Section: "settings", Crumbs: []ui.Crumb{settingsCrumb, networkCrumb, {Label: title}}}, views.EditNetworkRule(p))
}

// networkRuleTyped is the posted form and the rule that it describes over old.
func (h *Handlers) networkRuleTyped(c echo.Context, old model.NetworkRule) (views.NetworkRuleForm, model.NetworkRule, error) {
	f, err := web.Bind[views.NetworkRuleForm](c)
	if err != nil {
		return f, old, err
	}
	r := old
	r.Version, r.Effect, r.Pattern, r.Note = f.Version, model.NetworkEffect(f.Effect), f.Pattern, f.Note
	r.ConnectionID, r.DestinationID = scopeIDs(f.For)
	return f, r, h.o.Jobs.CheckNetworkRule(&r)
}

func (h *Handlers) createNetworkRule(c echo.Context) error {
	f, r, err := h.networkRuleTyped(c, model.NetworkRule{})
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateNetworkRule(&r) })
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.networkRuleForm(c, status, views.NetworkRuleProps{Form: f, Problems: ruleProblems(p)})
	}
	if err != nil {
		return err
	}
	url := href.NetworkRule(r.ID)
	if f.Back != "" { // a refusal led here: is it gone?
		url = href.TryNetwork(f.Back, f.For, cameFrom(f.From))
	}
	if f.Back != "" && r.Effect == model.NetworkAllow {
		return h.Done(c, url, h.T(c, "{name} is allowed now.", "name", r.Pattern))
	}
	return h.Done(c, url, h.T(c, "{name} is created. It holds from the next request on.", "name", r.Pattern))
}

// ruleProblems puts the complaint that there is such a rule to the pattern.
func ruleProblems(p views.Problems) views.Problems {
	if w := p.Fields["name"]; w != "" {
		delete(p.Fields, "name")
		p.Fields["pattern"] = w
	}
	return p
}

func (h *Handlers) networkRule(c echo.Context) (model.NetworkRule, error) {
	return h.Store.NetworkRule(c.Request().Context(), web.ID[model.NetworkRuleID](c))
}

func (h *Handlers) editNetworkRule(c echo.Context) error {
	r, err := h.networkRule(c)
	if err != nil {
		return err
	}
	f := views.NetworkRuleForm{Version: r.Version, Effect: string(r.Effect), Pattern: r.Pattern, For: cmp.Or(string(r.ConnectionID), string(r.DestinationID)), Note: r.Note}
	return h.networkRuleForm(c, http.StatusOK, views.NetworkRuleProps{Saved: r, Form: f})
}

func (h *Handlers) updateNetworkRule(c echo.Context) error {
	old, err := h.networkRule(c)
	if err != nil {
		return err
	}
	f, r, err := h.networkRuleTyped(c, old)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateNetworkRule(&r) })
	}
	clash := collision{noun: "rule", id: string(old.ID), now: old.Version, diff: db.NetworkRuleDiff(old, r), names: h.scopeNames}
	if p, status, ok := h.wrongOver(c, err, href.NetworkRule(old.ID), &f.Version, clash); ok {
		return h.networkRuleForm(c, status, views.NetworkRuleProps{Saved: old, Form: f, Problems: ruleProblems(p)})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.NetworkRule(r.ID), h.T(c, "{name} is saved. It holds from the next request on.", "name", r.Pattern))
}

func (h *Handlers) scopeNames(c echo.Context) map[string]string {
	names := map[string]string{}
	if around, err := h.Store.Routing(c.Request().Context()); err == nil { // else ids stand there
		for id, n := range around.Connections {
			names[string(id)] = n.Name
		}
		for id, n := range around.Destinations {
			names[string(id)] = n.Name
		}
	}
	return names
}

func networkRuleDeletion(_ echo.Context, r model.NetworkRule) deletion {
	words := texts.ID("From the next request on, what it allowed is refused again.")
	if r.Effect == model.NetworkDeny {
		words = texts.ID("From the next request on, what it denied may be called again, as far as nothing else is against it.")
	}
	return deletion{section: "settings", above: []ui.Crumb{settingsCrumb, networkCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteNetworkRule(r.ID) },
		DeleteProps: views.DeleteProps{Noun: "rule", Name: r.Pattern, Action: href.DeleteNetworkRule(r.ID), Cancel: href.NetworkRule(r.ID), Consequence: words}}
}
