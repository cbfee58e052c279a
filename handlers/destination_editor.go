package handlers

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/connector"
	"waybill/jobs/script"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

// editor is a destination as it is being edited: what is stored, what is typed, and what its form shows around it.
type editor struct {
	connection model.Connection
	saved      model.Destination // ID empty for one that is to be made
	draft      model.Destination // as typed
	stateOnly  bool              // nothing but its state is asked for
	views.DestinationProps
}

func (h *Handlers) newEditor(c echo.Context) (*editor, error) {
	x, err := h.connection(c)
	if err != nil {
		return nil, err
	}
	t, _ := connector.ByType(x.Type)
	if t.NoDestinations != "" {
		return nil, fault.New(fault.Conflict, "%s", t.NoDestinations)
	}
	d := model.Destination{ConnectionID: x.ID, Enabled: true, Sign: t.Sign}
	connector.Start(x, &d)
	d.Clean()
	return &editor{connection: x, draft: d}, nil
}

func (h *Handlers) savedEditor(c echo.Context) (*editor, error) {
	d, err := h.Store.Destination(c.Request().Context(), web.ID[model.DestID](c))
	if err != nil {
		return nil, err
	}
	x, err := h.Store.Connection(c.Request().Context(), d.ConnectionID)
	if err != nil {
		return nil, err
	}
	return &editor{connection: x, saved: d, draft: d}, nil
}

// stored puts into the form what is stored.
func (e *editor) stored() {
	d := e.draft
	e.Form = views.DestinationForm{Version: d.Version, Name: d.Name, Description: d.Description, Method: d.Method, Path: d.Path, ContentType: d.ContentType,
		Template: d.Template, Enabled: d.Enabled, Sign: d.Sign, RetrySchedule: views.Schedule(d.RetrySchedule), MaxInFlight: strconv.Itoa(d.MaxInFlight),
		RetryOn: string(d.RetryOn), Ordered: d.Ordered}
	e.Form.Rate, e.Form.RateUnit = views.Rate(d.Rate)
	e.Form.Settings = views.SettingValues(e.fields(), d.Settings)
	if d.BatchSize > 1 {
		e.Form.BatchSize, e.Form.BatchWait = strconv.Itoa(d.BatchSize), strconv.Itoa(d.BatchWaitMS)
	}
	for _, x := range d.Headers {
		e.Form.HeaderNames, e.Form.HeaderValues = append(e.Form.HeaderNames, x.Name), append(e.Form.HeaderValues, x.Value)
	}
}

// fields are the settings that the type of the connection asks of a destination.
func (e *editor) fields() []model.Field {
	t, _ := connector.ByType(e.connection.Type)
	return t.DestinationFields(e.connection)
}

// samples are the templates that the type offers, and where the editor shows with them.
func (e *editor) samples(t connector.Type) []views.Sample {
	at := href.NewDestination(e.connection.ID)
	if e.saved.ID != "" {
		at = href.Destination(e.saved.ID)
	}
	out := samplesOf(t)
	for i := range out {
		out[i].URL = href.With(at, "sample", strconv.Itoa(i+1))
	}
	return out
}

// sampled puts the sample that is asked for into the editor; it is not saved.
func (e *editor) sampled(c echo.Context) {
	t, _ := connector.ByType(e.connection.Type)
	if i, err := strconv.Atoi(c.QueryParam("sample")); err == nil && i > 0 && i <= len(t.Samples) {
		e.Form.Template, e.draft.Template, e.Typed = t.Samples[i-1].Template, t.Samples[i-1].Template, true
	}
}

// typed reads the posted form into the draft; the error lists what of it could not even be read.
func (e *editor) typed(c echo.Context) error {
	f, err := web.Bind[views.DestinationForm](c)
	if err != nil {
		return err
	}
	var bad fault.Check
	f.Template = strings.ReplaceAll(f.Template, "\r\n", "\n") // browsers send line breaks as CR LF
	e.Form, e.Typed = f, true
	d := &e.draft
	d.Version, d.Name, d.Description, d.Method, d.Path, d.ContentType = f.Version, f.Name, f.Description, f.Method, f.Path, f.ContentType
	d.Template, d.Enabled, d.Sign, d.Headers = f.Template, f.Enabled, f.Sign, nil
	for i, name := range f.HeaderNames {
		if name = strings.TrimSpace(name); i < len(f.HeaderValues) && name+f.HeaderValues[i] != "" {
			d.Headers = append(d.Headers, model.Header{Name: name, Value: f.HeaderValues[i]})
		}
	}
	d.MaxInFlight = number(&bad, "max_in_flight", f.MaxInFlight)
	if d.RetrySchedule, err = views.ParseSchedule(f.RetrySchedule); err != nil {
		bad.Add("retry_schedule", "%s", err)
	}
	if d.Rate, err = views.ParseRate(f.Rate, f.RateUnit); err != nil {
		bad.Add("rate_per_second", "%s", err)
	}
	d.RetryOn, d.Ordered = model.RetryOn(f.RetryOn), f.Ordered
	e.Form.Settings, d.Settings = typedSettings(c, e.fields())
	d.BatchSize, d.BatchWaitMS = number(&bad, "batch_size", f.BatchSize), number(&bad, "batch_wait_ms", f.BatchWait)
	return bad.Err()
}

// editorPage shows the editor with a preview of what is typed.
func (h *Handlers) editorPage(c echo.Context, status int, e *editor) error {
	ctx := c.Request().Context()
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	e.Connection, e.Saved = h.connectionItem(h.Reader(c), e.connection, around), e.saved
	e.Connection.Refused, e.Connection.SeeNetwork = strings.Join(views.AllSaid(h.Reader(c), h.o.Jobs.DestinationWarnings(ctx, e.connection, e.saved.ID)), " "), h.may(c, model.Settings.View())
	e.Now, e.CanEdit, e.SeeDeliveries = h.Now(), h.may(c, model.Connections.Manage()), h.may(c, model.Deliveries.View())
	for _, x := range script.Helpers() {
		e.Helpers = append(e.Helpers, views.Helper{Signature: x.Signature, Doc: x.Doc, Example: x.Example, Gives: x.Gives})
	}
	t, _ := connector.ByType(e.connection.Type)
	e.Methods, e.Fields, e.Samples, e.Makes = t.Methods, e.fields(), e.samples(t), t.Makes()
	e.Fixed, e.Records = t.Fixed, t.Records
	title, last := "New destination", "New"
	if e.saved.ID != "" {
		title, last = e.saved.Name, e.saved.Name
		e.Actions, e.Health = actionsOf(around, e.saved), h.o.Jobs.Health(e.saved.Target())
		if e.Held, err = h.Store.Held(ctx, e.saved.Target()); err != nil {
			return err
		}
		if e.Waiting, err = h.o.Jobs.WaitFor(ctx, e.saved.Target()); err != nil {
			return err
		}
		e.Delete = h.destinationDeletion(c, e).DeleteProps
		if err := h.destinationNeeds(c, e.saved.ID, e.Actions, &e.Delete); err != nil {
			return err
		}
	}
	if !e.stateOnly {
		if err := h.previewInto(c, e); err != nil {
			return err
		}
	}
	bits := web.Bits{Status: status, Title: title, Section: "connections", Crumbs: destinationCrumbs(e.connection, ui.Crumb{Label: last})}
	return h.Page(c, bits, views.Destination(e.DestinationProps))
}

// previewInto renders the draft with the event that is chosen, and lists those that can be.
func (h *Handlers) previewInto(c echo.Context, e *editor) error {
	ctx := c.Request().Context()
	if !e.CanEdit {
		return nil
	}
	var err error
	if h.may(c, model.Events.View()) {
		if e.Events, err = h.pickedEvents(ctx, e.saved.ID); err != nil {
			return err
		}
	}
	event, err := h.chosenEvent(c, e)
	if err != nil {
		return err
	}
	e.It, e.Words = shape(event, e.draft, e.connection), helperWords()
	p, err := h.o.Jobs.Preview(ctx, e.draft, event)
	switch {
	case fault.Of(err) != nil:
		e.Preview = views.Preview{Error: h.Said(c, err).Message}
	case err != nil:
		return err
	default:
		e.Preview = previewShown(h.Reader(c), p)
		t, _ := connector.ByType(e.connection.Type)
		if e.Preview.Where = t.Title; p.Error == "" && p.Skipped == "" {
			e.Preview.Look = connector.Look(e.connection, p.Body)
		}
	}
	return nil
}

// offeredEvents is how many stored events a preview offers.
const offeredEvents = 20

// pickedEvents are those to try a template with: of the last deliveries of its destination, then the newest of all.
func (h *Handlers) pickedEvents(ctx context.Context, id model.DestID) ([]model.Event, error) {
	page, own := db.Page{Limit: offeredEvents}, []model.EventID{}
	if id != "" {
		list, _, err := h.Store.Deliveries(ctx, db.DeliveryFilter{DestinationID: id}, page)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			own = append(own, d.EventID)
		}
	}
	out, _, err := h.Store.Events(ctx, db.EventFilter{IDs: own}, page)
	if err != nil || len(out) == offeredEvents {
		return out, err
	}
	others, _, err := h.Store.Events(ctx, db.EventFilter{}, page)
	for _, x := range others {
		if len(out) < offeredEvents && !slices.Contains(own, x.ID) {
			out = append(out, x)
		}
	}
	return out, err
}

func previewShown(ctx context.Context, p jobs.Preview) views.Preview {
	out := views.Preview{Method: p.Method, URL: p.URL, Headers: p.Headers, Body: string(p.Body), Skipped: p.Skipped, Error: p.Error, Warnings: views.AllSaid(ctx, p.Warnings), Took: p.Took}
	if p.Problem != nil {
		out.Error, out.Part, out.Line, out.Column = p.Problem.Message, p.Problem.Part, p.Problem.Line, p.Problem.Column
	}
	return out
}

// chosenEvent is the stored event that the form names, else the sample.
func (h *Handlers) chosenEvent(c echo.Context, e *editor) (model.Event, error) {
	if e.Form.EventID != "" && h.may(c, model.Events.View()) {
		event, err := h.Store.Event(c.Request().Context(), model.EventID(e.Form.EventID))
		if err == nil && event.Data == nil {
			event.Data = json.RawMessage("null")
		}
		if !fault.Is(err, fault.NotFound) {
			return event, err
		}
	}
	e.Form.EventID = ""
	return jobs.SampleEvent(h.Now()), nil
}
