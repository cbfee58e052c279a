package handlers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/connector"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

// The first event in one form: a connection, a destination and an action are made as their own forms would make them, and
// an event is published that they send.
func (h *Handlers) firstRoutes() []web.Route {
	manage := model.Connections.Manage()
	return []web.Route{web.Get(manage, href.FirstEvent(), h.newFirstEvent), web.Post(manage, href.FirstEvent(), h.sendFirstEvent)}
}

// mayBegin reports whether these rights reach from a connection to a published event.
func mayBegin(rights model.Rights) bool {
	return rights.Has(model.Connections.Manage()) && rights.Has(model.Events.Manage())
}

func (h *Handlers) newFirstEvent(c echo.Context) error {
	if !mayBegin(h.Actor(c).Rights) {
		return fault.Missing(string(model.Events.Manage()))
	}
	sample := jobs.SampleEvent(h.Now())
	var data bytes.Buffer
	if err := json.Indent(&data, sample.Data, "", "  "); err != nil {
		return err
	}
	f := views.FirstEventForm{BaseURL: href.Receiver(""), Event: sample.Name, Data: data.String()}
	return h.firstEventForm(c, http.StatusOK, views.FirstEventProps{Form: f})
}

// nameOf is what a connection to an address is called by itself, "" when that is no address.
func (h *Handlers) nameOf(c echo.Context, address string, around db.Routing) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Hostname() == "" {
		return ""
	}
	name := u.Hostname()
	if own, err := url.Parse(href.Receiver("")); err == nil && strings.EqualFold(name, own.Hostname()) {
		name = h.T(c, "Built-in receiver")
	}
	return unused(name, func(s string) bool {
		for _, x := range around.Connections {
			if strings.EqualFold(x.Name, s) {
				return true
			}
		}
		return false
	})
}

func (h *Handlers) firstEventForm(c echo.Context, status int, p views.FirstEventProps) error {
	return h.Page(c, web.Bits{Status: status, Title: "Send a first event", Section: "home"}, views.FirstEvent(p))
}

// unused is name, with a number after it when that is taken.
func unused(name string, taken func(string) bool) string {
	out := name
	for n := 2; taken(out); n++ {
		out = name + " " + strconv.Itoa(n)
	}
	return out
}

// sendFirstEvent makes what an event needs on its way, in one change, and publishes the event.
func (h *Handlers) sendFirstEvent(c echo.Context) error {
	ctx, actor := c.Request().Context(), h.Actor(c)
	if !mayBegin(actor.Rights) {
		return fault.Missing(string(model.Events.Manage()))
	}
	f, err := web.Bind[views.FirstEventForm](c)
	if err != nil {
		return err
	}
	f.Data = strings.ReplaceAll(f.Data, "\r\n", "\n")
	p := views.FirstEventProps{Form: f}
	if strings.TrimSpace(f.Name) == "" {
		around, err := h.Store.Routing(ctx)
		if err != nil {
			return err
		}
		f.Name = cmp.Or(h.nameOf(c, f.BaseURL, around), f.BaseURL)
	}
	event := jobs.NewEvent{Name: strings.TrimSpace(f.Event)}
	var there model.DestID
	if event.Data, p.ErrorLine, err = readJSON(f.Data); err == nil {
		there, err = h.prepareWay(c, f, event.Name)
	} else {
		err = both(err, h.o.Jobs.CheckConnection(&model.Connection{Name: f.Name, BaseURL: f.BaseURL, Type: firstType, TimeoutSeconds: model.DefaultTimeout}))
	}
	var made []db.Published
	if err == nil {
		made, err = h.o.Jobs.Publish(ctx, actor, "", false, []jobs.NewEvent{event})
	}
	if wrong, status, ok := h.wrong(c, err, ""); ok {
		p.Problems = wrong
		return h.firstEventForm(c, status, p)
	}
	if err != nil {
		return err
	}
	return h.firstSent(c, made[0].ID, there)
}

// How long the answer to a first event waits for the other side's, and how often it looks.
const (
	firstWait = time.Second
	firstLook = 40 * time.Millisecond
)

// firstSent leads to what an event caused at a destination, as far as whoever asks may see it. It waits a moment, so that the page can tell the
// end of it also to a browser without scripts.
func (h *Handlers) firstSent(c echo.Context, id model.EventID, there model.DestID) error {
	ctx := c.Request().Context()
	if !h.may(c, model.Deliveries.View()) {
		return h.Done(c, href.Event(id), h.T(c, "The event is published."))
	}
	for end := time.After(firstWait); ; {
		list, _, err := h.Store.Deliveries(ctx, db.DeliveryFilter{EventID: id, DestinationID: there}, db.Page{Limit: 1})
		if err != nil || len(list) == 0 {
			return h.Done(c, href.Event(id), h.T(c, "The event is published."))
		}
		d := list[0]
		if d.Status != model.Pending && d.Status != model.Sending {
			return h.firstSeen(c, d)
		}
		select {
		case <-end:
			return h.firstSeen(c, d)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(firstLook):
		}
	}
}

// firstSeen says what is known of a first delivery; why something failed, its page tells.
func (h *Handlers) firstSeen(c echo.Context, d model.Delivery) error {
	switch {
	case d.Status == model.Delivered:
		return h.Done(c, href.Delivery(d.ID), h.T(c, "Sent. This is what went out, and what came back."))
	case d.LastError != "":
		h.Flash(c, ui.Neutral, h.T(c, "The event is published, but it did not arrive. Here is why."))
	default:
		h.Flash(c, ui.Neutral, h.T(c, "The event is published. Here is what becomes of it."))
	}
	return web.Redirect(c, href.Delivery(d.ID))
}

const firstType = model.ConnectionType("webhook")

// prepareWay makes the connection, its destination and the action for events of this name.
func (h *Handlers) prepareWay(c echo.Context, f views.FirstEventForm, event string) (there model.DestID, err error) {
	ctx := c.Request().Context()
	kind, _ := connector.ByType(firstType)
	x := model.Connection{Name: f.Name, BaseURL: f.BaseURL, Type: firstType, TimeoutSeconds: model.DefaultTimeout, Enabled: true}
	var bad fault.Check
	if w := model.CheckEventName(event); w != "" {
		bad.Add("event", "%s", w)
	}
	if err := both(h.o.Jobs.CheckConnection(&x), bad.Err()); err != nil {
		return "", err
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return "", err
	}
	d := model.Destination{Name: h.T(c, "New events"), Enabled: true, Sign: kind.Sign}
	connector.Start(x, &d)
	if err := h.o.Jobs.CheckDestination(&d); err != nil {
		return "", err
	}
	a := model.Action{Event: event, Enabled: true, Name: unused(h.T(c, "Send {event}", "event", event), func(s string) bool {
		for _, other := range around.Actions {
			if strings.EqualFold(other.Name, s) {
				return true
			}
		}
		return false
	})}
	secret := scheme.NewSigningSecret()
	err = h.write(c, func(tx *db.Tx) error {
		x, d, a := x, d, a
		if err := tx.CreateConnection(&x); err != nil {
			return err
		}
		d.ConnectionID = x.ID
		if err := tx.CreateDestination(&d, secret); err != nil {
			return err
		}
		there, a.DestinationID = d.ID, d.ID
		a.Clean()
		return tx.CreateAction(&a)
	})
	return there, err
}
