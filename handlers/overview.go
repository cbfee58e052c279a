package handlers

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

func (h *Handlers) overviewRoutes() []web.Route {
	return []web.Route{web.Get(model.SignedIn, href.Home(), h.showOverview)}
}

func (h *Handlers) showOverview(c echo.Context) error {
	ctx := c.Request().Context()
	me, err := h.me(c)
	if err != nil {
		return err
	}
	p := views.OverviewProps{Name: me.Name, SeeSetup: h.may(c, model.Connections.View()), Now: h.Now()}
	if p.Steps, err = h.firstSteps(ctx, h.Actor(c).Rights); err != nil {
		return err
	}
	if p.Tasks, _, err = h.Store.Tasks(ctx, db.TaskFilter{Of: me.ID, Roles: me.Roles}, db.Page{Limit: shownTasks}); err != nil {
		return err
	}
	p.Begin = mayBegin(h.Actor(c).Rights)
	if h.may(c, model.Deliveries.View()) {
		if err := h.overviewDeliveries(c, &p); err != nil {
			return err
		}
	}
	if h.may(c, model.ViewAuditLog) {
		if p.Changes, err = h.recentChanges(ctx); err != nil {
			return err
		}
	}
	if p.Health, err = h.health(c, p.Troubles, p.Failed); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: "Overview", Section: "home"}, views.Overview(p))
}

// How much the overview shows of each.
const (
	shownTasks    = 5
	shownLatest   = 8
	shownTroubles = 5
	shownChanges  = 6
)

func (h *Handlers) overviewDeliveries(c echo.Context, p *views.OverviewProps) error {
	ctx := c.Request().Context()
	day, err := h.activity(c, "", href.Home())
	if err != nil {
		return err
	}
	day.Detailed = true
	p.Activity = &day
	if p.Troubles, err = h.Store.Troubles(ctx, p.Now.Add(-24*time.Hour), shownTroubles); err != nil {
		return err
	}
	p.Failed = map[model.DestID]model.Failures{}
	for _, t := range p.Troubles {
		if p.Failed[t.Destination], err = h.Store.FailedNow(ctx, t.Destination, p.Now.Add(-24*time.Hour)); err != nil {
			return err
		}
	}
	if p.Latest, _, err = h.Store.Deliveries(ctx, db.DeliveryFilter{}, db.Page{Limit: shownLatest}); err != nil {
		return err
	}
	if err := h.Store.NameSteps(ctx, p.Latest); err != nil {
		return err
	}
	for i := range p.Latest {
		h.o.Jobs.Now(&p.Latest[i])
	}
	return nil
}

// recentChanges are the last changes; that somebody signed in is none.
func (h *Handlers) recentChanges(ctx context.Context) ([]model.Audit, error) {
	rows, _, err := h.Store.AuditLog(ctx, db.AuditFilter{}, db.Page{Limit: 5 * shownChanges})
	rows = slices.DeleteFunc(rows, func(a model.Audit) bool { return a.Kind == "session" })
	return rows[:min(len(rows), shownChanges)], err
}

// health is what somebody should see to, the worst first, as far as who asks may know it.
func (h *Handlers) health(c echo.Context, troubles []model.Trouble, failed map[model.DestID]model.Failures) ([]views.Finding, error) {
	ctx := h.Reader(c)
	var out []views.Finding
	key, err := h.Key(ctx)
	if err != nil {
		return nil, err
	}
	if !key.OK {
		out = append(out, views.Finding{Tone: ui.Bad, Text: texts.T(ctx, "Nothing is accepted or delivered: {reason}", "reason", views.Said(ctx, key.Why))})
	}
	if why := h.o.Jobs.House().Blocked(); why != nil {
		f := views.Finding{Tone: ui.Bad, Text: views.Said(ctx, why) + " " + texts.T(ctx, "Nothing is accepted; deliveries go on.")}
		if h.may(c, model.Settings.View()) {
			f.Label, f.URL = "Storage", href.StorageSettings()
		}
		out = append(out, f)
	}
	if h.may(c, model.Connections.View()) {
		around, err := h.Store.Routing(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, destinationsOff(ctx, around)...)
		out = append(out, h.authoritiesEnding(ctx, around)...)
	}
	if h.may(c, model.Settings.View()) {
		around, err := h.Store.Routing(ctx)
		if err != nil {
			return nil, err
		}
		untold, err := h.untold(c, around)
		if err != nil {
			return nil, err
		}
		out = append(out, untold...)
	}
	if h.may(c, model.Credentials.View()) {
		ending, err := h.credentialsEnding(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, ending...)
	}
	if !h.may(c, model.Deliveries.View()) {
		return out, nil
	}
	failing, err := h.failing(ctx, troubles, failed)
	if err != nil {
		return nil, err
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, breakers(ctx, around, h.o.Jobs.Ailing(), h.may(c, model.Connections.View()))...)
	out = append(out, failing...)
	counts, err := h.Store.Tally(ctx, db.DeliveryFilter{}, nil)
	if n := counts[model.Held]; n > 0 {
		out = append(out, views.Finding{Tone: ui.Warn, Text: heldWords(ctx, n), Label: "Held deliveries", URL: href.DeliveriesIn(string(model.Held))})
	}
	return out, err
}

// failing are the destinations at which something went wrong just now: what has failed, and what is tried again, unless the
// destination is left alone: that is told by itself.
func (h *Handlers) failing(ctx context.Context, troubles []model.Trouble, failed map[model.DestID]model.Failures) (out []views.Finding, err error) {
	var lost, retried []string
	for _, t := range troubles {
		if views.Over(t) || h.Now().Sub(t.Last) >= failsNow {
			continue
		}
		if failed[t.Destination].Lately > 0 {
			lost = append(lost, t.Name)
		}
		w, err := h.o.Jobs.Waits(ctx, t.Destination)
		if err != nil {
			return nil, err
		}
		if w.N > 0 && w.Paused == 0 {
			retried = append(retried, t.Name)
		}
	}
	if len(lost) > 0 {
		out = append(out, views.Finding{Tone: ui.Bad, Text: texts.T(ctx, "Not delivered to {names}.", "names", strings.Join(lost, ", ")), Label: "Failed deliveries", URL: href.DeliveriesIn(string(model.Failed))})
	}
	if len(retried) > 0 {
		out = append(out, views.Finding{Tone: ui.Warn, Text: texts.T(ctx, "What goes to {names} fails and is tried again.", "names", strings.Join(retried, ", ")), Label: "Waiting deliveries", URL: href.DeliveriesIn(string(model.Retrying))})
	}
	return out, nil
}

// breakers are the destinations that are not sent to for a while, since they fail.
func breakers(ctx context.Context, around db.Routing, ailing []model.Health, see bool) (out []views.Finding) {
	for _, x := range ailing {
		d, ok := around.Destinations[model.DestID(x.ID)]
		if !ok || x.Breaker != model.BreakerOpen {
			continue
		}
		f := views.Finding{Tone: ui.Bad, Text: texts.T(ctx, "Nothing goes to {name} for now: it failed too often. {error}", "name", around.Connections[d.ConnectionID].Name+" → "+d.Name, "error", x.LastError)}
		if see {
			f.Label, f.URL = "Open it", href.Destination(d.ID)
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b views.Finding) int { return strings.Compare(a.Text, b.Text) })
	return out
}

func heldWords(ctx context.Context, n int) string {
	if n > model.MostCounted {
		return texts.T(ctx, "Many deliveries are held until a person sees to them.")
	}
	return texts.N(ctx, int64(n), "{n} delivery is held until a person sees to it.", "{n} deliveries are held until a person sees to them.", "n", ui.Number(ctx, n))
}

// failsNow is how long ago a failure is still news.
const failsNow = 2 * time.Hour

// destinationsOff are the destinations that Waybill switched off, each, and those in use that people did.
func destinationsOff(ctx context.Context, around db.Routing) (out []views.Finding) {
	for _, choice := range choices(around) {
		if d := around.Destinations[choice.ID]; !d.Enabled && d.DisabledReason != "" {
			out = append(out, views.Finding{Tone: ui.Bad, Text: texts.T(ctx, "{name} was switched off: {reason}", "name", choice.Connection+" → "+d.Name, "reason", d.DisabledReason), Label: "Open it", URL: href.Destination(d.ID)})
		}
	}
	return append(out, byHand(ctx, around)...)
}

// namedOff is how many of what people switched off are named; the rest is counted.
const namedOff = 3

// byHand are the destinations in use that people switched off; a connection that is off stands for all of its own.
func byHand(ctx context.Context, around db.Routing) (out []views.Finding) {
	used, connections, rest := map[model.DestID]bool{}, map[model.ConnectionID]bool{}, 0
	for _, a := range around.Actions {
		used[a.DestinationID] = used[a.DestinationID] || a.Enabled
	}
	for _, x := range choices(around) {
		d := around.Destinations[x.ID]
		con := around.Connections[d.ConnectionID]
		if !used[x.ID] || x.Off == "" || d.DisabledReason != "" || connections[con.ID] {
			continue
		}
		f := views.Finding{Tone: ui.Warn, Text: texts.T(ctx, "{name} is in use, but was switched off by hand.", "name", x.Connection+" → "+x.Name), Label: "Open it", URL: href.Destination(x.ID)}
		if !con.Enabled {
			f.Text, f.URL = texts.T(ctx, "The connection {name} is in use, but was switched off by hand.", "name", con.Name), href.Connection(con.ID)
		}
		if len(out) == namedOff {
			rest++
			continue
		}
		connections[con.ID] = !con.Enabled
		out = append(out, f)
	}
	if rest > 0 {
		out = append(out, views.Finding{Tone: ui.Warn, Text: texts.T(ctx, "Besides, {destinations} in use: switched off by hand.", "destinations", ui.Many(ctx, rest, "destination")), Label: "Connections", URL: href.Connections()})
	}
	return out
}

// firstSteps are the steps of the main job and how far it has got; a step that these rights do not allow has no button,
// and without any that they allow there are none.
func (h *Handlers) firstSteps(ctx context.Context, rights model.Rights) ([]views.FirstStep, error) {
	one := db.Page{Limit: 1}
	connections, _, err := h.Store.Connections(ctx, db.ConnectionFilter{}, one)
	if err != nil {
		return nil, err
	}
	destinations, _, err := h.Store.Destinations(ctx, "", one)
	if err != nil {
		return nil, err
	}
	actions, _, err := h.Store.Actions(ctx, db.ActionFilter{}, one)
	if err != nil {
		return nil, err
	}
	events, _, err := h.Store.Events(ctx, db.EventFilter{}, one)
	if err != nil {
		return nil, err
	}
	delivered, _, err := h.Store.Deliveries(ctx, db.DeliveryFilter{Status: model.Delivered}, one)
	if err != nil {
		return nil, err
	}
	destination := href.TryConnection()
	if len(connections) > 0 {
		destination = href.NewDestination(connections[0].ID)
	}
	action := href.NewAction()
	if len(destinations) > 0 {
		action = href.NewActionTo(destinations[0].ID)
	}
	steps := []struct {
		views.FirstStep
		right model.Right
	}{
		{views.FirstStep{Title: "Describe a connection", Text: "The system that events go to.", Label: "New connection",
			URL: href.TryConnection(), Done: len(connections) > 0}, model.Connections.Manage()},
		{views.FirstStep{Title: "Add a destination", Text: "One request of that system, with a template.", Label: "New destination",
			URL: destination, Done: len(destinations) > 0}, model.Connections.Manage()},
		{views.FirstStep{Title: "Make an action", Text: "Which event goes where.", Label: "New action", URL: action, Done: len(actions) > 0}, model.Connections.Manage()},
		{views.FirstStep{Title: "Publish an event", Text: "By hand, or from a program.", Label: "Publish event", URL: href.NewEvent(), Done: len(events) > 0}, model.Events.Manage()},
		{views.FirstStep{Title: "See it delivered", Text: "What was sent, and what came back.", Label: "Deliveries", URL: href.Deliveries(), Done: len(delivered) > 0}, model.Deliveries.View()},
	}
	var out []views.FirstStep
	allowed := false
	for _, s := range steps {
		if rights.Has(s.right) {
			allowed = true
		} else {
			s.URL = ""
		}
		out = append(out, s.FirstStep)
	}
	if !allowed {
		return nil, nil
	}
	return out, nil
}
