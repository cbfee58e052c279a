package handlers

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/connector"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) connectionRoutes() []web.Route {
	view, manage := model.Connections.View(), model.Connections.Manage()
	return append([]web.Route{
		web.Get(view, href.Connections(), h.listConnections),
		web.Get(manage, href.NewConnection(), h.pickConnectionType),
		web.Get(manage, href.NewConnectionOf(":type"), h.newConnection),
		web.Post(manage, href.Connections(), h.createConnection),
		web.Get(view, href.Connection(href.Pattern), h.showConnection),
		web.Get(manage, href.EditConnection(href.Pattern), h.editConnection),
		web.Post(manage, href.Connection(href.Pattern), h.updateConnection),
		web.Post(manage, href.ToggleConnection(href.Pattern), h.toggleConnection),
		web.Post(manage, href.TestConnection(href.Pattern), h.testConnection),
	}, deletes(h, manage, href.DeleteConnection(href.Pattern), h.connection, h.connectionDeletion)...)
}

var connectionsCrumb = crumb("Connections", href.Connections())

func connectionKind(t connector.Type) views.Kind {
	return views.Kind{Type: string(t.Type), Title: t.Title, Summary: t.Summary, Docs: t.Docs, Fields: t.Fields, Glyph: t.Glyph, Hue: t.Hue, Form: views.KindForm(t.Form),
		FindsURL: t.BaseURL != nil, UsualURL: t.UsualURL(), Alone: t.NoDestinations, Tests: t.Tests(), Guided: len(t.Guide) > 0}
}

func (h *Handlers) listConnections(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParam("q")
	list, next, err := h.Store.Connections(ctx, db.ConnectionFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	props := views.ConnectionsProps{Query: q, State: c.QueryParam("state"), CanEdit: h.may(c, model.Connections.Manage())}
	if props.State != views.NeedsAttention {
		props.State = ""
	} else { // few of many: all are looked at, and shown on one page
		list, next = slices.Collect(maps.Values(around.Connections)), ""
		slices.SortFunc(list, func(a, b model.Connection) int { return strings.Compare(string(b.ID), string(a.ID)) })
	}
	for _, x := range list {
		props.Items = append(props.Items, h.connectionItem(h.Reader(c), x, around))
	}
	if err := h.pulses(c, props.Items, around); err != nil {
		return err
	}
	if props.State == views.NeedsAttention {
		props.Items = slices.DeleteFunc(props.Items, func(x views.ConnectionItem) bool { return !x.NeedsAttention() })
		props.Items = props.Items[:min(len(props.Items), db.MaxPage)]
	}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Connections", Section: "connections"}, views.Connections(props))
}

// connectionItem is x with what stands around it.
func (h *Handlers) connectionItem(ctx context.Context, x model.Connection, around db.Routing) views.ConnectionItem {
	kind, _ := connector.ByType(x.Type)
	shown := around.Credentials[x.ClientCertificateID]
	refusal := h.o.Jobs.Refusal(ctx, x)
	return views.ConnectionItem{Connection: x, Partly: len(refusal.Of) > 0, Kind: cmp.Or(kind.Title, string(x.Type)), Mark: connectionKind(kind).Mark(), Alone: kind.NoDestinations, Refused: strings.Join(views.AllSaid(ctx, h.o.Jobs.Warnings(x)), " "),
		Handshake: views.AllSaid(ctx, jobs.HandshakeWarnings(x, shown, h.Now())), Certificate: shown, Authorities: shownCertificates(scheme.Authorities(x.CA)),
		Credential: around.Credentials[x.CredentialID].Name, Destinations: len(destinationsOf(around, x.ID))}
}

// connectionHead is x as the head of its pages shows it, with how it is doing.
func (h *Handlers) connectionHead(c echo.Context, x model.Connection, around db.Routing) (views.ConnectionItem, error) {
	items := []views.ConnectionItem{h.connectionItem(h.Reader(c), x, around)}
	if err := h.pulses(c, items, around); err != nil || x.Enabled || !h.may(c, model.Deliveries.View()) {
		return items[0], err
	}
	for _, d := range destinationsOf(around, x.ID) {
		n, err := h.Store.Held(c.Request().Context(), d.Target())
		if err != nil {
			return items[0], err
		}
		items[0].Held += n
	}
	return items[0], nil
}

// pulses adds how each connection is doing, for those who may see deliveries.
func (h *Handlers) pulses(c echo.Context, items []views.ConnectionItem, around db.Routing) error {
	ctx := c.Request().Context()
	if h.may(c, model.Deliveries.View()) {
		var ids []model.DestID
		at := map[model.ConnectionID]int{}
		for i, x := range items {
			at[x.ID] = i
			items[i].Pulse = &model.Pulse{}
		}
		for id, d := range around.Destinations {
			if _, shown := at[d.ConnectionID]; shown {
				ids = append(ids, id)
			}
		}
		beats, err := h.Store.Pulse(ctx, ids, h.Now())
		if err != nil {
			return err
		}
		for id, beat := range beats {
			items[at[around.Destinations[id].ConnectionID]].Pulse.Add(beat)
		}
		troubles, err := h.Store.Troubles(ctx, h.Now().Add(-24*time.Hour), db.MaxPage)
		if err != nil {
			return err
		}
		for _, t := range troubles {
			if i, shown := at[t.ConnectionID]; shown && !views.Over(t) && h.Now().Sub(t.Last) < failsNow {
				items[i].Failing = t.Error
			}
		}
	}
	return nil
}

// destinationsOf are the destinations of one connection by name.
func destinationsOf(around db.Routing, id model.ConnectionID) []model.Destination {
	var out []model.Destination
	for d := range maps.Values(around.Destinations) {
		if d.ConnectionID == id {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b model.Destination) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.ID), string(b.ID)))
	})
	return out
}

func (h *Handlers) pickConnectionType(c echo.Context) error {
	var kinds []views.Kind
	features, err := h.Store.Features(c.Request().Context())
	if err != nil {
		return err
	}
	for _, t := range connector.Types() {
		k := connectionKind(t)
		if f := model.FeatureOf(t.Type); !features.Has(f) {
			k.Off = views.Said(h.Reader(c), f.OffWords())
		}
		kinds = append(kinds, k)
	}
	bits := web.Bits{Title: "New connection", Section: "connections", Crumbs: under(connectionsCrumb, "New")}
	return h.Page(c, bits, views.ConnectionTypes(kinds))
}

func (h *Handlers) connection(c echo.Context) (model.Connection, error) {
	return h.Store.Connection(c.Request().Context(), web.ID[model.ConnectionID](c))
}

func (h *Handlers) showConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	return h.connectionPage(c, x, nil)
}

// testConnection makes the requests that show whether a connection works, and shows them whole.
func (h *Handlers) testConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	if err := h.o.Jobs.MayAct(c.Request().Context(), h.Actor(c).Rights, x.ID); err != nil {
		return err
	}
	steps, err := h.o.Jobs.TestConnection(c.Request().Context(), x.ID)
	if err != nil {
		return err
	}
	return h.connectionPage(c, x, steps)
}

func (h *Handlers) connectionPage(c echo.Context, x model.Connection, steps []jobs.Probed) error {
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	kind, _ := connector.ByType(x.Type)
	head, err := h.connectionHead(c, x, around)
	if err != nil {
		return err
	}
	props := views.ConnectionProps{Item: head, Kind: connectionKind(kind), Actions: len(actionsOf(around, destinationsOf(around, x.ID)...)),
		CanEdit: h.may(c, model.Connections.Manage()), SeeCredential: h.may(c, model.Credentials.View()), Now: h.Now()}
	props.Item.SeeNetwork = h.may(c, model.Settings.View())
	props.Item.SeeActivity = h.may(c, model.Deliveries.View())
	for _, p := range steps {
		props.Test = append(props.Test, views.TestStep{Title: p.Title, Attempt: p.Attempt})
	}
	if props.Delete, err = h.connectionDeletion(c, x).question(); err != nil {
		return err
	}
	if err := h.connectionInbound(c, x.ID, &props); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: x.Name, Section: "connections", Crumbs: underNamed(connectionsCrumb, x.Name)}, views.Connection(props))
}

// actionsOf are the actions that send to any of these destinations.
func actionsOf(around db.Routing, destinations ...model.Destination) []model.Action {
	var out []model.Action
	for _, a := range around.Actions {
		if slices.ContainsFunc(destinations, func(d model.Destination) bool { return d.ID == a.DestinationID }) {
			out = append(out, a)
		}
	}
	return out
}

func (h *Handlers) toggleConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	x.Enabled = switchedOn(c)
	if err := h.write(c, func(tx *db.Tx) error { return tx.UpdateConnection(&x) }); err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	return h.switched(c, href.Connection(x.ID), x.Name, x.Enabled, len(actionsOf(around, destinationsOf(around, x.ID)...)))
}

func (h *Handlers) connectionDeletion(c echo.Context, x model.Connection) deletion {
	return deletion{section: "connections", above: []ui.Crumb{connectionsCrumb}, drop: func(tx *db.Tx, force bool) error { return tx.DeleteConnection(x.ID, force) },
		needs: func(p *views.DeleteProps) error { return h.connectionNeeds(c, x.ID, p) },
		DeleteProps: views.DeleteProps{Noun: "connection", Name: x.Name, Action: href.DeleteConnection(x.ID), Cancel: href.Connection(x.ID), Force: true,
			OpenURL: href.Deliveries(), Consequence: "Nothing uses it. This cannot be undone."}}
}

// connectionNeeds adds what goes with a connection.
func (h *Handlers) connectionNeeds(c echo.Context, id model.ConnectionID, p *views.DeleteProps) error {
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	if e, err := h.Store.InboundOfConnection(c.Request().Context(), id); err == nil {
		p.Needs = append(p.Needs, views.Need{Kind: "Inbound URL", Name: e.Name, URL: href.InboundEndpoint(e.ID)})
	}
	destinations := destinationsOf(around, id)
	var ids []model.DestID
	for _, d := range destinations {
		p.Needs = append(p.Needs, views.Need{Kind: "Destination", Name: d.Name, URL: href.Destination(d.ID)})
		ids = append(ids, d.ID)
	}
	p.Needs = append(p.Needs, actionNeeds(actionsOf(around, destinations...))...)
	if p.Stay, err = h.alertNeeds(c, ids...); err != nil {
		return err
	}
	p.Open, err = h.open(c.Request().Context(), ids...)
	return err
}
