package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/connector"
	"waybill/jobs/scheme"
	"waybill/jobs/script"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) destinationRoutes() []web.Route {
	view, manage := model.Connections.View(), model.Connections.Manage()
	return []web.Route{
		web.Get(view, href.Destinations(href.Pattern), h.listDestinations),
		web.Get(manage, href.NewDestination(href.Pattern), h.newDestination),
		web.Post(manage, href.Destinations(href.Pattern), h.createDestination),
		web.Post(manage, href.PreviewNewDestination(href.Pattern), h.previewNewDestination),
		web.Get(view, href.Destination(href.Pattern), h.showDestination),
		web.Post(manage, href.Destination(href.Pattern), h.updateDestination),
		web.Post(manage, href.PreviewDestination(href.Pattern), h.previewDestination),
		web.Post(manage, href.TestDestination(href.Pattern), h.testDestination),
		web.Get(manage, href.DestinationSecret(href.Pattern), h.showSigningSecret),
		web.Post(manage, href.RotateSecret(href.Pattern), h.rotateSecret),
		web.Post(manage, href.EndSecrets(href.Pattern), h.endSecrets),
		web.Post(manage, href.ToggleDestination(href.Pattern), h.toggleDestination),
		web.Post(manage, href.DropHeld(href.Pattern), h.dropHeld),
		web.Get(manage, href.DeleteDestination(href.Pattern), h.askDeleteDestination),
		web.Post(manage, href.DeleteDestination(href.Pattern), h.deleteDestination),
	}
}

func destinationCrumbs(x model.Connection, more ...ui.Crumb) []ui.Crumb {
	return append([]ui.Crumb{connectionsCrumb, crumb(x.Name, href.Connection(x.ID)), crumb("Destinations", href.Destinations(x.ID))}, more...)
}

func (h *Handlers) listDestinations(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	if kind, _ := connector.ByType(x.Type); kind.NoDestinations != "" {
		return web.Redirect(c, href.Connection(x.ID))
	}
	props := views.DestinationsProps{Connection: h.connectionItem(x, around), CanEdit: h.may(c, model.Connections.Manage()), Now: h.Now()}
	props.Connection.SeeActivity = h.may(c, model.Deliveries.View())
	for _, d := range destinationsOf(around, x.ID) {
		props.Items = append(props.Items, views.DestinationItem{Destination: d, Actions: len(actionsOf(around, d))})
	}
	crumbs := []ui.Crumb{connectionsCrumb, crumb(x.Name, href.Connection(x.ID)), {Label: "Destinations"}}
	return h.Page(c, web.Bits{Title: h.T(c, "Destinations of {name}", "name", x.Name), Section: "connections", Crumbs: crumbs}, views.Destinations(props))
}

// editor is a destination as it is being edited: what is stored, what is typed, and what its form shows around it.
type editor struct {
	connection model.Connection
	saved      model.Destination // ID empty for one that is to be made
	draft      model.Destination // as typed
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
	e.Connection, e.Saved = h.connectionItem(e.connection, around), e.saved
	e.Connection.Refused, e.Connection.SeeNetwork = strings.Join(h.o.Jobs.DestinationWarnings(ctx, e.connection, e.saved.ID), " "), h.may(c, model.Settings.View())
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
		if e.Delete, err = h.destinationDeletion(c, e.saved, e.Actions); err != nil {
			return err
		}
	}
	if err := h.previewInto(c, e); err != nil {
		return err
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
		if e.Events, _, err = h.Store.Events(ctx, db.EventFilter{}, db.Page{Limit: 20}); err != nil {
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
		e.Preview = views.Preview{Error: fault.Of(err).Message}
	case err != nil:
		return err
	default:
		e.Preview = previewShown(p)
		t, _ := connector.ByType(e.connection.Type)
		if e.Preview.Where = t.Title; p.Error == "" && p.Skipped == "" {
			e.Preview.Look = connector.Look(e.connection, p.Body)
		}
	}
	return nil
}

func previewShown(p jobs.Preview) views.Preview {
	out := views.Preview{Method: p.Method, URL: p.URL, Headers: p.Headers, Body: string(p.Body), Skipped: p.Skipped, Error: p.Error, Warnings: p.Warnings, Took: p.Took}
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

func (h *Handlers) newDestination(c echo.Context) error {
	e, err := h.newEditor(c)
	if err != nil {
		return err
	}
	e.stored()
	e.sampled(c)
	return h.editorPage(c, http.StatusOK, e)
}

func (h *Handlers) showDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	e.stored()
	if err := h.restored(c, e); err != nil {
		return err
	}
	e.sampled(c)
	return h.editorPage(c, http.StatusOK, e)
}

func (h *Handlers) createDestination(c echo.Context) error {
	e, err := h.newEditor(c)
	if err != nil {
		return err
	}
	if err = both(e.typed(c), h.o.Jobs.CheckDestination(&e.draft)); err == nil {
		err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.CreateDestination(&e.draft, scheme.NewSigningSecret()) })
	}
	return h.destinationSaved(c, e, err, " is ready. An action decides which events go there.")
}

func (h *Handlers) updateDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	if err = both(e.typed(c), h.o.Jobs.CheckDestination(&e.draft)); err == nil {
		err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.UpdateDestination(&e.draft) })
	}
	return h.destinationSaved(c, e, err, " is saved.")
}

// destinationSaved leads on, or shows the editor again with what was typed.
func (h *Handlers) destinationSaved(c echo.Context, e *editor, err error, words string) error {
	if p, status, ok := wrong(err, href.Destination(e.saved.ID)); ok {
		if e.Problems = p; p.Theirs != "" {
			clash := collision{noun: "destination", id: string(e.saved.ID), saw: e.Form.Version, now: e.saved.Version, diff: db.DestinationDiff(e.saved, e.draft)}
			if err := h.conflict(c, &e.Problems, clash); err != nil {
				return err
			}
			e.Form.Version = e.saved.Version
		}
		return h.editorPage(c, status, e)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Destination(e.draft.ID), e.draft.Name+words)
}

func (h *Handlers) previewNewDestination(c echo.Context) error {
	e, err := h.newEditor(c)
	if err != nil {
		return err
	}
	return h.preview(c, e)
}

func (h *Handlers) previewDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	return h.preview(c, e)
}

// preview shows the editor again; htmx takes the preview alone. An error goes above the last good preview, which stays.
func (h *Handlers) preview(c echo.Context, e *editor) error {
	if p, _, ok := wrong(e.typed(c), ""); ok {
		e.Problems = p
	}
	if !web.Htmx(c) {
		return h.editorPage(c, http.StatusOK, e)
	}
	e.CanEdit, e.Now = true, h.Now()
	if err := h.previewInto(c, e); err != nil {
		return err
	}
	if e.Preview.Error != "" {
		c.Request().Header.Set("HX-Target", "preview-error")
		c.Response().Header().Set("HX-Retarget", "#preview-error")
	}
	return h.Page(c, web.Bits{}, views.Destination(e.DestinationProps))
}

// testDestination makes one real exchange with what is typed; nothing is saved.
func (h *Handlers) testDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	e.TestAsked = true
	if err := both(e.typed(c), h.o.Jobs.CheckDestination(&e.draft)); err != nil {
		return h.destinationSaved(c, e, err, "")
	}
	event, err := h.chosenEvent(c, e)
	if err != nil {
		return err
	}
	if err := h.o.Jobs.MayAct(c.Request().Context(), h.Actor(c).Rights, e.connection.ID); err != nil {
		return err
	}
	a, err := h.o.Jobs.Test(c.Request().Context(), e.draft, event)
	if err != nil {
		return err
	}
	e.Test = &a
	e.TestNote = a.UserMessage
	return h.editorPage(c, http.StatusOK, e)
}

func (h *Handlers) showSigningSecret(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	x, err := h.o.Jobs.Signing(c.Request().Context(), e.saved.ID)
	if err != nil {
		return err
	}
	bits := web.Bits{Title: h.T(c, "Signing secret of {name}", "name", e.saved.Name), Section: "connections",
		Crumbs: destinationCrumbs(e.connection, crumb(e.saved.Name, href.Destination(e.saved.ID)), ui.Crumb{Label: "Signing secret"})}
	return h.Page(c, bits, views.SigningSecret(signingProps(e.saved, x, h.Now())))
}

func (h *Handlers) toggleDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	d := e.saved
	d.Enabled = switchedOn(c)
	if err := h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.UpdateDestination(&d) }); err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	return h.switched(c, href.Destination(d.ID), d.Name, d.Enabled, len(actionsOf(around, d)))
}

// dropHeld cancels what is held for a destination that is off, and switches it on when that was asked for.
func (h *Handlers) dropHeld(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	n, err := h.o.Jobs.DropHeld(c.Request().Context(), h.Actor(c), e.saved.ID)
	if err != nil {
		return err
	}
	words := h.T(c, "{deliveries} dropped.", "deliveries", ui.Many(h.Reader(c), int(n), "delivery"))
	if d := e.saved; switchedOn(c) {
		d.Enabled = true
		if err := h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.UpdateDestination(&d) }); err != nil {
			return err
		}
		words += " " + h.T(c, "{name} is on.", "name", d.Name)
	}
	return h.Done(c, href.Destination(e.saved.ID), words)
}

// destinationDeletion is what deleting a destination means.
func (h *Handlers) destinationDeletion(c echo.Context, d model.Destination, users []model.Action) (views.DeleteProps, error) {
	n, err := h.open(c.Request().Context(), d.ID)
	return views.DeleteProps{Noun: "destination", Name: d.Name, Action: href.DeleteDestination(d.ID), Cancel: href.Destination(d.ID), Needs: actionNeeds(users),
		Open: n, OpenURL: href.DeliveriesOfDestination(d.ID), Force: true, Consequence: "No action sends to it. This cannot be undone."}, err
}

func (h *Handlers) askDeleteDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	return h.askDestination(c, http.StatusOK, e, "")
}

func (h *Handlers) askDestination(c echo.Context, status int, e *editor, conflict string) error {
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	p, err := h.destinationDeletion(c, e.saved, actionsOf(around, e.saved))
	if err != nil {
		return err
	}
	p.Conflict = conflict
	bits := web.Bits{Status: status, Title: "Delete " + e.saved.Name, Section: "connections",
		Crumbs: destinationCrumbs(e.connection, crumb(e.saved.Name, href.Destination(e.saved.ID)), ui.Crumb{Label: "Delete"})}
	return h.Page(c, bits, views.Delete(p))
}

func (h *Handlers) deleteDestination(c echo.Context) error {
	e, err := h.savedEditor(c)
	if err != nil {
		return err
	}
	force := typed(c, "force") == "true"
	err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.DeleteDestination(e.saved.ID, force) })
	if words, yes := inTheWay(err); yes {
		return h.askDestination(c, http.StatusConflict, e, words)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Destinations(e.connection.ID), h.T(c, "{name} is deleted.", "name", e.saved.Name))
}
