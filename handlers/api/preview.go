package api

import (
	"encoding/json"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs"
)

// trialInput says what a preview or a test is made of. Everything is optional: without anything it is the stored
// destination and a sample event.
type trialInput struct {
	EventID     string            `json:"event_id" doc:"A stored event"`
	Event       *trialEvent       `json:"event" doc:"An event that is not stored; event_id wins"`
	Destination *destinationInput `json:"destination" doc:"The destination as it is being edited, in place of the stored one"`
}

type trialEvent struct {
	Name    string          `json:"name"`
	Subject string          `json:"subject"`
	Time    string          `json:"time" format:"date-time"`
	Data    json.RawMessage `json:"data"`
}

type trial struct {
	ByID
	Body *trialInput
}

// prepare gives the destination and the event of a trial.
func (a *API) prepare(c call, in *trial) (d model.Destination, e model.Event, err error) {
	if d, err = a.store.Destination(c, model.DestID(in.ID)); err != nil {
		return d, e, err
	}
	what := or(in.Body, trialInput{})
	if what.Destination != nil {
		x, err := a.store.Connection(c, d.ConnectionID)
		if err != nil {
			return d, e, err
		}
		draft := what.Destination.destination(x)
		draft.ID, draft.ConnectionID = d.ID, d.ConnectionID
		if err := a.jobs.CheckDestination(&draft); err != nil {
			return d, e, under("destination.", err)
		}
		d = draft
	}
	e, err = a.trialEvent(c, what)
	return d, e, err
}

func (a *API) trialEvent(c call, what trialInput) (model.Event, error) {
	e := jobs.SampleEvent(a.web.Now())
	switch {
	case what.EventID != "":
		if !c.actor.Rights.Has(model.Events.View()) {
			return e, fault.Missing(string(model.Events.View()))
		}
		stored, err := a.store.Event(c, model.EventID(what.EventID))
		if fault.Is(err, fault.NotFound) {
			var bad fault.Check
			bad.Add("event_id", "There is no such event.")
			return e, bad.Err()
		}
		return stored, err
	case what.Event != nil:
		var bad fault.Check
		if what.Event.Name != "" {
			e.Name = what.Event.Name
		}
		e.Subject = what.Event.Subject
		if t := parseTime(&bad, "event.time", what.Event.Time); !t.IsZero() {
			e.Time = t
		}
		if len(what.Event.Data) > model.MaxEvent {
			bad.Add("event.data", "At most 1 MiB.")
		}
		if deeper(what.Event.Data, mostDepth) {
			return e, deepFault("event.data")
		}
		if e.Data = what.Event.Data; len(e.Data) == 0 {
			e.Data = json.RawMessage("null")
		}
		return e, bad.Err()
	}
	return e, nil
}

// under names complaints by the object that they are about.
func under(prefix string, err error) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	var bad fault.Check
	bad.Join(prefix, f.Fields)
	return bad.Err()
}

// Preview is a request as it would be sent, secrets masked.
type Preview struct {
	Method       string         `json:"method"`
	URL          string         `json:"url"`
	Headers      []model.Header `json:"headers"`
	Body         string         `json:"body"`
	BodyEncoding string         `json:"body_encoding" enum:"text,base64" doc:"base64 when the body is not UTF-8 text"`
	Skipped      string         `json:"skipped" doc:"Why the template says that there is nothing to send"`
	Error        string         `json:"error" doc:"Why there is no request"`
	Problem      *problemAt     `json:"problem" doc:"Where a template is at fault"`
	Warnings     []string       `json:"warnings" doc:"The request can be made, but look at this"`
	TookMS       float64        `json:"took_ms" doc:"Spent in the template"`
}

type problemAt struct {
	Part    string `json:"part"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

func showPreview(p jobs.Preview) Preview {
	out := Preview{Method: p.Method, URL: p.URL, Headers: full(p.Headers), Skipped: p.Skipped, Error: p.Error, Warnings: fault.Texts(p.Warnings),
		TookMS: float64(p.Took) / float64(time.Millisecond)}
	out.Body, out.BodyEncoding = bodyText(p.Body)
	if p.Problem != nil {
		out.Problem = &problemAt{p.Problem.Part, p.Problem.Line, p.Problem.Column, p.Problem.Message}
	}
	return out
}

func (a *API) previewDestination(c call, in *trial) (*body[Preview], error) {
	d, e, err := a.prepare(c, in)
	if err != nil {
		return nil, err
	}
	p, err := a.jobs.Preview(c, d, e)
	return single(showPreview(p), err)
}

func (a *API) testDestination(c call, in *trial) (*body[attempt], error) {
	d, e, err := a.prepare(c, in)
	if err != nil {
		return nil, err
	}
	if err := a.jobs.MayAct(c, c.actor.Rights, d.ConnectionID); err != nil {
		return nil, err
	}
	x, err := a.jobs.Test(c, d, e)
	return single(showAttempt(x), err)
}
