package handlers

import (
	"context"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) overviewRoutes() []web.Route {
	return []web.Route{web.Get(model.SignedIn, href.Home(), h.showOverview)}
}

func (h *Handlers) showOverview(c echo.Context) error {
	ctx := c.Request().Context()
	me, _ := h.User(c)
	p := views.OverviewProps{Name: me.Name, SeeLatest: h.may(c, model.Deliveries.View()), Now: h.Now()}
	var err error
	if p.Steps, err = h.firstSteps(ctx, h.Actor(c).Rights); err != nil {
		return err
	}
	if p.SeeLatest {
		if p.Latest, _, err = h.Store.Deliveries(ctx, db.DeliveryFilter{}, db.Page{Limit: 10}); err != nil {
			return err
		}
	}
	return h.Page(c, web.Bits{Title: "Overview", Section: "home"}, views.Overview(p))
}

// firstSteps are the steps of the main job and how far it has got; a step that these rights do not allow has no button.
func (h *Handlers) firstSteps(ctx context.Context, rights model.Rights) ([]views.FirstStep, error) {
	one := db.Page{Limit: 1}
	credentials, _, err := h.Store.Credentials(ctx, db.CredentialFilter{}, one)
	if err != nil {
		return nil, err
	}
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
	destination := href.Connections()
	if len(connections) > 0 {
		destination = href.NewDestination(connections[0].ID)
	}
	steps := []struct {
		views.FirstStep
		right model.Right
	}{
		{views.FirstStep{Title: "Store a credential", Text: "How requests prove who sends them. The built-in receiver needs none: a connection alone will do.", Label: "New credential",
			URL: href.NewCredential(), Done: len(credentials) > 0 || len(destinations) > 0}, model.Credentials.Manage()},
		{views.FirstStep{Title: "Describe a connection", Text: "The system that events go to. Try " + href.Receiver("") + ", which is built in.", Label: "New connection",
			URL: href.NewConnection(), Done: len(connections) > 0}, model.Connections.Manage()},
		{views.FirstStep{Title: "Add a destination", Text: "One request of that system: method, path and a template, previewed while you write it.", Label: "New destination",
			URL: destination, Done: len(destinations) > 0}, model.Connections.Manage()},
		{views.FirstStep{Title: "Make an action", Text: "When which event arrives, what is sent where.", Label: "New action", URL: href.NewAction(), Done: len(actions) > 0}, model.Connections.Manage()},
		{views.FirstStep{Title: "Publish an event", Text: "By hand here, or from a program with an API key.", Label: "Publish event", URL: href.NewEvent(), Done: len(events) > 0}, model.Events.Manage()},
		{views.FirstStep{Title: "See it delivered", Text: "Every attempt can be read: what was sent, and what came back.", Label: "Deliveries", URL: href.Deliveries(), Done: len(delivered) > 0}, model.Deliveries.View()},
	}
	var out []views.FirstStep
	for _, s := range steps {
		if !rights.Has(s.right) {
			s.URL = ""
		}
		out = append(out, s.FirstStep)
	}
	return out, nil
}
