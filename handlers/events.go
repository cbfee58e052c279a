package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) eventRoutes() []web.Route {
	view, manage := model.Events.View(), model.Events.Manage()
	return []web.Route{
		web.Get(view, href.Events(), h.listEvents),
		web.Get(manage, href.NewEvent(), h.newEvent),
		web.Post(manage, href.Events(), h.createEvent),
		web.Get(view, href.Event(href.Pattern), h.showEvent),
	}
}

var eventsCrumb = crumb("Events", href.Events())

func (h *Handlers) listEvents(c echo.Context) error {
	ctx, name := c.Request().Context(), strings.TrimSpace(c.QueryParam("name"))
	list, next, err := h.Store.Events(ctx, db.EventFilter{Name: name}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	props := views.EventsProps{Items: list, Name: name, CanPublish: h.may(c, model.Events.Manage()), Now: h.Now()}
	if props.Names, err = h.Store.EventNames(ctx); err != nil {
		return err
	}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Events", Section: "events"}, views.Events(props))
}

func (h *Handlers) newEvent(c echo.Context) error {
	sample := jobs.SampleEvent(h.Now())
	var data bytes.Buffer
	if err := json.Indent(&data, sample.Data, "", "  "); err != nil {
		return err
	}
	return h.eventForm(c, http.StatusOK, views.NewEventProps{Form: views.EventForm{Name: sample.Name, Subject: sample.Subject, Data: data.String()}})
}

func (h *Handlers) eventForm(c echo.Context, status int, p views.NewEventProps) (err error) {
	if p.Names, err = h.Store.EventNames(c.Request().Context()); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Status: status, Title: "Publish an event", Section: "events", Crumbs: under(eventsCrumb, "Publish")}, views.NewEvent(p))
}

// createEvent publishes an event that was typed by hand.
func (h *Handlers) createEvent(c echo.Context) error {
	f, err := web.Bind[views.EventForm](c)
	if err != nil {
		return err
	}
	f.Data = strings.ReplaceAll(f.Data, "\r\n", "\n")
	data, line, err := readJSON(f.Data)
	var made []db.Published
	if w := model.CheckEventName(strings.TrimSpace(f.Name)); err != nil && w != "" {
		var bad fault.Check
		bad.Add("name", "%s", w)
		err = both(bad.Err(), err)
	}
	if err == nil {
		e := jobs.NewEvent{Name: strings.TrimSpace(f.Name), Subject: strings.TrimSpace(f.Subject), Data: data}
		made, err = h.o.Jobs.Publish(c.Request().Context(), h.Actor(c), "", false, []jobs.NewEvent{e})
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.eventForm(c, status, views.NewEventProps{Form: f, Problems: p, ErrorLine: line})
	}
	if err != nil {
		return err
	}
	words, err := h.cameOf(c, made[0].ID)
	if err != nil {
		return err
	}
	if n := made[0].Deliveries; n > 0 {
		words = h.T(c, "Published: {deliveries}.", "deliveries", ui.Many(h.Reader(c), n, "delivery"))
	}
	return h.Done(c, href.Event(made[0].ID), words)
}

// cameOf says what an event without deliveries led to, as far as it is known and may be told.
func (h *Handlers) cameOf(c echo.Context, id model.EventID) (string, error) {
	runs, more, err := h.started(c, id)
	if err != nil {
		return "", err
	}
	around, err := h.Store.Routing(c.Request().Context())
	switch {
	case len(runs) == 1 && !more:
		return h.T(c, "Published; it started a run."), err
	case len(runs) > 0:
		return h.T(c, "Published; it started several runs."), err
	case around.Awaits:
		return h.T(c, "Published; no action sends it anywhere. Runs that wait for it go on."), err
	}
	return h.T(c, "Published; no action sends it anywhere."), err
}

// started are the runs that an event started, for those who may see them.
func (h *Handlers) started(c echo.Context, id model.EventID) ([]model.Run, bool, error) {
	if !h.may(c, model.Workflows.View()) {
		return nil, false, nil
	}
	list, next, err := h.Store.Runs(c.Request().Context(), db.RunFilter{EventID: id}, db.Page{Limit: shownDeliveries})
	return list, next != "", err
}

// readJSON checks that text is one JSON value, and says where it stops being one. Nothing typed is null.
func readJSON(text string) (json.RawMessage, int, error) {
	if strings.TrimSpace(text) == "" {
		return json.RawMessage("null"), 0, nil
	}
	var data json.RawMessage
	dec := json.NewDecoder(strings.NewReader(text))
	err := dec.Decode(&data)
	at := int(dec.InputOffset())
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		at = int(syntax.Offset) - 1
	case err != nil:
		at = len(text)
	default:
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return data, 0, nil
		}
		err = errors.New("there is something after the value")
	}
	before := text[:max(0, min(at, len(text)))]
	line, column := 1+strings.Count(before, "\n"), len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))+1
	var bad fault.Check
	bad.Add("data", "Line %d, column %d: this is not JSON (%s).", line, column, strings.TrimPrefix(err.Error(), "json: "))
	return nil, line, bad.Err()
}

// shownDeliveries is how many deliveries the page of an event lists.
const shownDeliveries = 20

func (h *Handlers) showEvent(c echo.Context) error {
	ctx := c.Request().Context()
	e, err := h.Store.Event(ctx, web.ID[model.EventID](c))
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	props := views.EventProps{Event: e, Awaits: around.Awaits, SeeDeliveries: h.may(c, model.Deliveries.View()), Now: h.Now()}
	if props.Met, err = h.traced(c, around, e); err != nil {
		return err
	}
	if props.Runs, props.MoreRuns, err = h.started(c, e.ID); err != nil {
		return err
	}
	if e.Name == jobs.EventAlert && e.Depth > 0 { // what a client publishes has none
		if props.Rule, props.RuleURL, err = h.alertSender(c, e); err != nil {
			return err
		}
	}
	if props.SeeDeliveries {
		list, next, err := h.deliveries(c, around, db.DeliveryFilter{EventID: e.ID}, db.Page{Limit: shownDeliveries})
		if err != nil {
			return err
		}
		if props.Deliveries = list; next != "" {
			props.More = href.DeliveriesOfEvent(e.ID)
		}
	}
	return h.Page(c, web.Bits{Title: e.Name, Section: "events", Crumbs: underNamed(eventsCrumb, e.Name)}, views.Event(props))
}

// alertSender is the alert rule that sent an event, with its page where that is there and may be seen.
func (h *Handlers) alertSender(c echo.Context, e model.Event) (name, url string, err error) {
	rules, err := h.Store.EveryAlertRule(c.Request().Context())
	if h.may(c, model.Settings.View()) {
		for _, r := range rules {
			if r.Name == e.Subject {
				url = href.AlertRule(r.ID)
			}
		}
	}
	return e.Subject, url, err
}

// traced is what every action decided about an event, as far as who asks may see it.
func (h *Handlers) traced(c echo.Context, around db.Routing, e model.Event) ([]views.MetItem, error) {
	list, err := h.o.Jobs.Trace(c.Request().Context(), e)
	var out []views.MetItem
	for _, t := range list {
		m := views.MetItem{Met: t.Met, URL: h.actionURL(c, around, t.Action), Changed: t.Changed}
		if _, there := around.Workflows[t.Workflow]; there && h.may(c, model.Workflows.View()) {
			m.URL, m.Changed = href.Workflow(t.Workflow), false
		}
		if h.may(c, model.Connections.View()) {
			m.Rule = t.Rule
			for _, v := range t.Values {
				text, err := json.Marshal(v.Value)
				if err != nil {
					return nil, err
				}
				m.Values = append(m.Values, ui.Pair{Name: v.Path, Value: string(text)})
			}
		}
		if h.may(c, model.Deliveries.View()) {
			m.Delivery = t.Delivery
			for _, g := range t.Gates {
				m.Gates = append(m.Gates, views.Gate{Kind: g.Kind, Result: g.Result, Words: g.Words, Took: g.Took})
			}
		}
		out = append(out, m)
	}
	return out, err
}

// actionURL leads to an action, "" when it is gone or may not be seen.
func (h *Handlers) actionURL(c echo.Context, around db.Routing, id model.ActionID) string {
	for _, a := range around.Actions {
		if a.ID == id && h.may(c, model.Connections.View()) {
			return href.Action(id)
		}
	}
	return ""
}
