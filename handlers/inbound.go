package handlers

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/inbound"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) inboundRoutes() []web.Route {
	view, manage := model.Inbound.View(), model.Inbound.Manage()
	return slices.Concat(h.callRoutes(), h.partnerRoutes(), deletes(h, manage, href.DeleteInbound(href.Pattern), h.inboundEndpoint, inboundDeletion), []web.Route{
		web.Get(view, href.Inbound(), h.listInbound),
		web.Get(manage, href.NewInbound(), h.pickPreset),
		web.Get(manage, href.NewInboundOf(":preset"), h.newInbound),
		web.Post(manage, href.Inbound(), h.createInbound),
		web.Get(view, href.InboundEndpoint(href.Pattern), h.showInbound),
		web.Get(manage, href.EditInbound(href.Pattern), h.editInbound),
		web.Post(manage, href.InboundEndpoint(href.Pattern), h.updateInbound),
		web.Post(manage, href.ToggleInbound(href.Pattern), h.toggleInbound),
		web.Get(manage, href.RotateInbound(href.Pattern), h.askRotateInbound),
		web.Post(manage, href.RotateInbound(href.Pattern), h.rotateInbound),
		web.Get(manage, href.RevokeInbound(href.Pattern), h.askRevokeInbound),
		web.Post(manage, href.RevokeInbound(href.Pattern), h.revokeInbound),
		web.Post(manage, href.SampleInbound(href.Pattern), h.sampleInbound),
		web.Get(view, href.InboundCalls(href.Pattern), h.listInboundCalls),
		web.Get(view, href.InboundCallPage(href.Pattern, ":receipt"), h.showInboundCall),
		web.Post(manage, href.ReplayInboundCall(href.Pattern, ":receipt"), h.replayInboundCall),
		web.Get(view, href.MapInbound(href.Pattern), h.showMapping),
		web.Post(manage, href.MapInbound(href.Pattern), h.saveMapping),
		web.Post(view, href.PreviewInbound(href.Pattern), h.previewMapping),
		web.Get(view, href.LiveInbound(), h.streamInbound),
	})
}

var inboundCrumb = crumb("Inbound", href.Inbound())

func presetView(k inbound.Kind) views.InboundPreset {
	return views.InboundPreset{Preset: k.Preset, Title: k.Title, Summary: k.Summary, Icon: k.Icon, Docs: k.Docs, Fields: k.Fields}
}

func presetViews() []views.InboundPreset {
	var out []views.InboundPreset
	for _, k := range inbound.Kinds() {
		out = append(out, presetView(k))
	}
	return out
}

// inboundItem is e with what stands around it, as whoever asks may see it.
func (h *Handlers) inboundItem(c echo.Context, e model.InboundEndpoint) (views.InboundItem, error) {
	ctx := c.Request().Context()
	kind, _ := inbound.KindOf(e.Verification.Preset)
	out := views.InboundItem{InboundEndpoint: e, Preset: presetView(kind), Whole: h.may(c, model.Inbound.Manage())}
	u, err := h.Store.User(ctx, e.UserID)
	if err != nil {
		return out, err
	}
	out.User, out.UserOff = u.Name, u.Powerless()
	if e.ConnectionID != "" {
		x, err := h.Store.Connection(ctx, e.ConnectionID)
		if err != nil {
			return out, err
		}
		out.Connection = x.Name
	}
	if err := h.effectsOf(ctx, &out); err != nil {
		return out, err
	}
	if out.Today, err = h.Store.InboundCounts(ctx, e.ID, h.Now().Add(-24*time.Hour)); err != nil {
		return out, err
	}
	out.URL, err = h.inboundURL(ctx, e, out.Whole)
	return out, err
}

// effectsOf says which workflows calls start and move on.
func (h *Handlers) effectsOf(ctx context.Context, out *views.InboundItem) error {
	name := func(id string) (string, error) {
		w, err := h.Store.Workflow(ctx, model.WorkflowID(id))
		if fault.Is(err, fault.NotFound) {
			return "(deleted)", nil
		}
		return w.Name, err
	}
	var err error
	if id := out.Effects.StartsWorkflowID; id != "" {
		if out.Starts, err = name(id); err != nil {
			return err
		}
	}
	if x := out.Effects.Completes; x != nil {
		if out.Moves, err = name(x.WorkflowID); err != nil {
			return err
		}
		out.MovesStep = x.Step
	}
	return nil
}

// inboundURL is the URL with the newest live key, or its beginning; "" when none is live.
func (h *Handlers) inboundURL(ctx context.Context, e model.InboundEndpoint, whole bool) (string, error) {
	base, live := strings.TrimSuffix(h.BaseURL.String(), "/"), e.LiveKeys(h.Now())
	if len(live) == 0 {
		return "", nil
	}
	if !whole {
		return base + href.InboundCall(live[len(live)-1].Hint) + "…", nil
	}
	path, ok, err := h.o.Jobs.InboundURL(ctx, e)
	if err != nil || !ok {
		return "", err
	}
	return base + path, nil
}

func (h *Handlers) listInbound(c echo.Context) error {
	q := c.QueryParam("q")
	list, next, err := h.Store.InboundEndpoints(c.Request().Context(), db.InboundFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	props := views.InboundProps{Query: q, CanEdit: h.may(c, model.Inbound.Manage())}
	for _, e := range list {
		item, err := h.inboundItem(c, e)
		if err != nil {
			return err
		}
		props.Items = append(props.Items, item)
	}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Inbound", Section: "inbound"}, views.Inbound(props))
}

func (h *Handlers) pickPreset(c echo.Context) error {
	return h.Page(c, web.Bits{Title: "New inbound URL", Section: "inbound", Crumbs: under(inboundCrumb, "New")}, views.InboundPresets(presetViews()))
}

func (h *Handlers) newInbound(c echo.Context) error {
	k, ok := inbound.KindOf(model.Preset(c.Param("preset")))
	if !ok {
		return fault.Absent("way of verifying calls")
	}
	f := views.InboundForm{Preset: string(k.Preset), Enabled: true, Dedupe: "auto", Response: model.ResponseAck, ConnectionID: c.QueryParam("connection_id")}
	return h.inboundForm(c, http.StatusOK, views.InboundFormProps{Form: f})
}

// inboundForm shows the form of an endpoint, as it is typed in p.
func (h *Handlers) inboundForm(c echo.Context, status int, p views.InboundFormProps) error {
	ctx := c.Request().Context()
	p.Presets = presetViews()
	var err error
	if p.Users, err = h.servants(c, model.UserID(p.Form.UserID)); err != nil {
		return err
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	for x := range maps.Values(around.Connections) {
		e, err := h.Store.InboundOfConnection(ctx, x.ID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if e.ID == "" || e.ID == p.ID {
			p.Connections = append(p.Connections, x)
		}
	}
	slices.SortFunc(p.Connections, func(a, b model.Connection) int { return strings.Compare(a.Name, b.Name) })
	h.offerWorkflows(c, &p, around.Workflows)
	bits := web.Bits{Status: status, Title: "New inbound URL", Section: "inbound", Crumbs: []ui.Crumb{inboundCrumb, crumb("New", href.NewInbound()), {Label: "Settings"}}}
	if p.ID != "" {
		bits.Title, bits.Crumbs = h.T(c, "Edit {name}", "name", p.Saved), []ui.Crumb{inboundCrumb, named(p.Saved, href.InboundEndpoint(p.ID)), {Label: "Edit"}}
	}
	return h.Page(c, bits, views.EditInbound(p))
}

// servants are the active users as whom calls may act: those with no right that whoever asks does not hold, and the one
// who is chosen already.
func (h *Handlers) servants(c echo.Context, chosen model.UserID) ([]model.User, error) {
	var out []model.User
	for cursor := ""; ; {
		list, next, err := h.Store.Users(c.Request().Context(), "", db.Page{Limit: db.MaxPage, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, u := range list {
			if u.ID == chosen || !u.Powerless() && h.Actor(c).Rights.Lacks(u.Rights()) == "" {
				out = append(out, u)
			}
		}
		if cursor = next; next == "" {
			slices.SortFunc(out, func(a, b model.User) int {
				return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Email, b.Email))
			})
			return out, nil
		}
	}
}

func (h *Handlers) createInbound(c echo.Context) error {
	f, e, secrets, err := h.inboundTyped(c, model.InboundEndpoint{})
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateInbound(&e, secrets) })
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.inboundForm(c, status, views.InboundFormProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.InboundEndpoint(e.ID), h.T(c, "{name} is created. Give its URL to whoever is to call.", "name", e.Name))
}

func (h *Handlers) inboundEndpoint(c echo.Context) (model.InboundEndpoint, error) {
	return h.Store.InboundEndpoint(c.Request().Context(), web.ID[model.InboundID](c))
}

// recentCalls is how many calls the overview shows.
const recentCalls = 8

func (h *Handlers) showInbound(c echo.Context) error {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	item, err := h.inboundItem(c, e)
	if err != nil {
		return err
	}
	p := views.InboundEndpointProps{Item: item, CanEdit: h.may(c, model.Inbound.Manage()), Now: h.Now(), Delete: inboundDeletion(c, e).DeleteProps, Secrets: len(e.Verification.SecretNames()) > 0}
	if p.Recent, _, err = h.Store.InboundCalls(c.Request().Context(), e.ID, db.CallFilter{}, db.Page{Limit: recentCalls}); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: e.Name, Section: "inbound", Crumbs: underNamed(inboundCrumb, e.Name)}, views.InboundEndpoint(p))
}

func (h *Handlers) editInbound(c echo.Context) error {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	return h.inboundForm(c, http.StatusOK, views.InboundFormProps{ID: e.ID, Saved: e.Name, Form: inboundFilled(e), Stored: storedSecrets(e)})
}

func (h *Handlers) updateInbound(c echo.Context) error {
	old, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	f, e, secrets, err := h.inboundTyped(c, old)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateInbound(&e, secrets) })
	}
	clash := collision{noun: "inbound URL", id: string(old.ID), now: old.Version, diff: db.InboundDiff(old, e)}
	if p, status, ok := h.wrongOver(c, err, href.EditInbound(old.ID), &f.Version, clash); ok {
		return h.inboundForm(c, status, views.InboundFormProps{ID: old.ID, Saved: old.Name, Form: f, Stored: storedSecrets(old), Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.InboundEndpoint(e.ID), h.T(c, "{name} is saved.", "name", e.Name))
}

func (h *Handlers) toggleInbound(c echo.Context) error {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	e.Enabled = switchedOn(c)
	if err := h.write(c, func(tx *db.Tx) error { return tx.UpdateInbound(&e, nil) }); err != nil {
		return err
	}
	if e.Enabled {
		return h.Done(c, href.InboundEndpoint(e.ID), h.T(c, "{name} is on. It takes calls.", "name", e.Name))
	}
	h.Flash(c, ui.Warn, h.T(c, "{name} is off. Every call is refused.", "name", e.Name))
	return web.Redirect(c, href.InboundEndpoint(e.ID))
}

func inboundDeletion(_ echo.Context, e model.InboundEndpoint) deletion {
	return deletion{section: "inbound", above: []ui.Crumb{inboundCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteInbound(e.ID) },
		DeleteProps: views.DeleteProps{Noun: "inbound URL", Name: e.Name, Action: href.DeleteInbound(e.ID), Cancel: href.InboundEndpoint(e.ID),
			Consequence: "Its URL stops working at once, for good; the caller is told only that it is not valid. What came so far stays."}}
}

func (h *Handlers) askRotateInbound(c echo.Context) error {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	return h.rotateForm(c, http.StatusOK, e, views.RotateForm{What: "key", Overlap: "86400"}, views.Problems{})
}

func (h *Handlers) rotateForm(c echo.Context, status int, e model.InboundEndpoint, f views.RotateForm, p views.Problems) error {
	props := views.RotateProps{Name: e.Name, Action: href.RotateInbound(e.ID), Cancel: href.InboundEndpoint(e.ID), Secrets: len(e.Verification.SecretNames()) > 0, Form: f, Problems: p}
	bits := web.Bits{Status: status, Title: "Rotate", Section: "inbound", Crumbs: []ui.Crumb{inboundCrumb, named(e.Name, href.InboundEndpoint(e.ID)), {Label: "Rotate"}}}
	return h.Page(c, bits, views.RotateInbound(props))
}

func (h *Handlers) rotateInbound(c echo.Context) error {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	f, err := web.Bind[views.RotateForm](c)
	if err != nil {
		return err
	}
	words, err := h.rotate(c, e.ID, f, h.Actor(c))
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.rotateForm(c, status, e, f, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.InboundEndpoint(e.ID), words)
}

// rotate makes another key, or takes another secret, as the form says.
func (h *Handlers) rotate(c echo.Context, id model.InboundID, f views.RotateForm, actor model.Actor) (words string, err error) {
	var bad fault.Check
	seconds, err := strconv.Atoi(f.Overlap)
	if err != nil || seconds < 0 || seconds > 30*86400 {
		bad.Add("overlap_seconds", "Choose how long.")
	}
	secret, overlap := model.Secret(strings.TrimSpace(typed(c, "secret"))), time.Duration(seconds)*time.Second
	if f.What == "secret" && secret == "" {
		bad.Add("secret", "Type the new secret.")
	}
	if err := bad.Err(); err != nil {
		return "", err
	}
	err = h.Store.Write(c.Request().Context(), actor, func(tx *db.Tx) error {
		if f.What == "secret" {
			_, err := tx.RotateInboundSecret(id, secret, overlap)
			return err
		}
		_, err := tx.RotateInbound(id, overlap)
		return err
	})
	until := h.T(c, "What was good before has ended.")
	if overlap > 0 {
		until = h.T(c, "What was good before stays so for {time}.", "time", ui.Lasted(h.Reader(c), overlap))
	}
	if f.What == "secret" {
		return h.T(c, "The new secret is in use.") + " " + until, err
	}
	return h.T(c, "There is a new URL.") + " " + until, err
}

func (h *Handlers) askRevokeInbound(c echo.Context) error {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	for _, k := range e.Keys {
		if string(k.ID) == c.QueryParam("key_id") {
			bits := web.Bits{Title: h.T(c, "Revoke {name}", "name", k.Hint), Section: "inbound", Crumbs: []ui.Crumb{inboundCrumb, named(e.Name, href.InboundEndpoint(e.ID)), {Label: "Revoke"}}}
			return h.Page(c, bits, views.RevokeInboundKey(views.InboundItem{InboundEndpoint: e}, k))
		}
	}
	return fault.Absent("key")
}

func (h *Handlers) revokeInbound(c echo.Context) error {
	e, err := h.inboundEndpoint(c)
	if err != nil {
		return err
	}
	err = h.write(c, func(tx *db.Tx) error {
		_, err := tx.RevokeInbound(e.ID, model.InboundKeyID(typed(c, "key_id")))
		return err
	})
	if err != nil {
		return err
	}
	return h.Done(c, href.InboundEndpoint(e.ID), "The key is revoked.")
}
