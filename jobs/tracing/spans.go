package tracing

import (
	"cmp"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"waybill/db/model"
)

// event is where the publishing of an event stands: under whoever sent it.
func (t *Tracer) event(e model.Event) place { return t.in(e.Traceparent, string(e.ID)) }

// Event is the traceparent of what an event causes besides deliveries.
func (t *Tracer) Event(e model.Event) string {
	if t == nil {
		return e.Traceparent
	}
	return t.event(e).text()
}

// Published tells that an event was stored, or recognised as one that was before.
func (t *Tracer) Published(e model.Event, deliveries int, duplicate bool, at time.Time) {
	if t == nil {
		return
	}
	p := t.event(e)
	if !p.told() {
		return
	}
	t.tell(p, span{name: "publish " + e.Name, kind: trace.SpanKindProducer, from: e.CreatedAt, to: at, attributes: []attribute.KeyValue{
		attribute.String("waybill.event.id", string(e.ID)), attribute.String("waybill.event.name", e.Name), attribute.Int("waybill.deliveries", deliveries),
		attribute.Bool("waybill.duplicate", duplicate), attribute.Int("messaging.message.body.size", len(e.Data))}})
}

// Call is the traceparent of what an inbound call causes; sent is the one that it came with.
func (t *Tracer) Call(id model.ReceiptID, sent string) string {
	if t == nil {
		return sent
	}
	return t.in(sent, string(id)).text()
}

// Called tells that an inbound call was answered with status.
func (t *Tracer) Called(c model.InboundCall, endpoint, sent string, status int, at time.Time) {
	if t == nil {
		return
	}
	p := t.in(sent, string(c.ID))
	if !p.told() {
		return
	}
	failed := ""
	if status >= 500 {
		failed = cmp.Or(c.Reason, "The call could not be taken.")
	}
	t.tell(p, span{name: c.Method + " /in/{key}", kind: trace.SpanKindServer, from: c.CreatedAt, to: at, failed: failed, attributes: []attribute.KeyValue{
		attribute.String("http.request.method", c.Method), attribute.String("http.route", "/in/{key}"), attribute.Int("http.response.status_code", status),
		attribute.String("client.address", c.Address), attribute.Int("http.request.body.size", c.Size),
		attribute.String("waybill.endpoint.id", string(c.EndpointID)), attribute.String("waybill.endpoint.name", endpoint), attribute.String("waybill.receipt", string(c.ID))}})
}

// delivery is where a delivery stands: under the publishing of its event, or its step.
func (t *Tracer) delivery(d model.Delivery, e model.Event) place {
	switch {
	case d.RunID != "" && e.Traceparent == "": // stored while nothing was traced
		return t.in("", string(d.RunID)).under(string(d.StepRunID)).under(string(d.ID))
	case d.RunID != "":
		return t.in(e.Traceparent, string(d.ID))
	}
	return t.event(e).under(string(d.ID))
}

// Traces reports whether the collector is to hear of a delivery.
func (t *Tracer) Traces(w model.Work) bool {
	return t != nil && t.delivery(w.Delivery, w.Event).told()
}

// Settled tells that a delivery has ended, after so many attempts.
func (t *Tracer) Settled(d model.Delivery, e model.Event, attempts int, status model.Status, why string, at time.Time) {
	if t == nil {
		return
	}
	p := t.delivery(d, e)
	if !p.told() {
		return
	}
	failed := ""
	if status == model.Failed {
		failed = cmp.Or(why, "It was not delivered.")
	}
	list := append(about(d), attribute.String("waybill.delivery.status", string(status)), attribute.Int("waybill.attempts", attempts), attribute.String("waybill.lane", string(d.Lane)))
	if d.ReplayOf != "" {
		list = append(list, attribute.String("waybill.replay_of", string(d.ReplayOf)))
	}
	t.tell(p, span{name: "deliver " + target(d), kind: trace.SpanKindInternal, from: d.CreatedAt, to: at, failed: failed, attributes: list})
}

func target(d model.Delivery) string { return cmp.Or(d.Destination, d.Step, string(d.TargetID)) }

// about names a delivery.
func about(d model.Delivery) []attribute.KeyValue {
	list := []attribute.KeyValue{attribute.String("waybill.delivery.id", string(d.ID))}
	for name, value := range map[string]string{"waybill.event.id": string(d.EventID), "waybill.event.name": d.EventName, "waybill.destination.id": string(d.DestinationID),
		"waybill.destination.name": d.Destination, "waybill.connection.name": d.Connection, "waybill.run.id": string(d.RunID), "waybill.step.key": d.Step} {
		if value != "" {
			list = append(list, attribute.String(name, value))
		}
	}
	return list
}

// Attempt is one that is under way; nil = the collector does not hear of it.
type Attempt struct {
	t     *Tracer
	p     place
	w     model.Work
	began time.Time
}

// Attempt begins one, and gives the traceparent of its request: its own, or what the caller sent where this is not traced.
func (t *Tracer) Attempt(w *model.Work, now time.Time) (*Attempt, string) {
	if t == nil {
		return nil, w.Event.Traceparent
	}
	p := t.delivery(w.Delivery, w.Event).fresh()
	if !p.told() {
		return nil, cmp.Or(w.Event.Traceparent, p.text())
	}
	return &Attempt{t: t, p: p, w: *w, began: now}, p.text()
}

// Ended tells what came of it: what is stored of it, nil when that is nothing, and what went wrong in words.
func (a *Attempt) Ended(done *model.Attempt, failed string, now time.Time) {
	if a == nil {
		return
	}
	s := span{name: "attempt " + target(a.w.Delivery), kind: trace.SpanKindClient, from: a.began, to: now, failed: failed,
		attributes: append(about(a.w.Delivery), attribute.Int("waybill.attempt", a.w.Delivery.Attempts+1))}
	if done != nil {
		s.name = done.Method + " " + target(a.w.Delivery)
		s.attributes = append(s.attributes, exchanged(done)...)
	}
	for _, m := range a.w.Each()[1:] { // a batch stands under its first
		s.links = append(s.links, trace.Link{SpanContext: a.t.delivery(m.Delivery, m.Event).own})
	}
	a.t.tell(a.p, s)
}

// exchanged is what one exchange was; nothing in it is secret, as nothing in what is stored is.
func exchanged(a *model.Attempt) []attribute.KeyValue {
	list := []attribute.KeyValue{attribute.String("http.request.method", a.Method), attribute.String("url.full", a.URL), attribute.Int64("http.request.body.size", a.Request.Size)}
	if u, err := url.Parse(a.URL); err == nil {
		list = append(list, attribute.String("server.address", u.Hostname()))
	}
	if a.Address != "" {
		list = append(list, attribute.String("network.peer.address", a.Address))
	}
	if a.StatusCode != 0 {
		list = append(list, attribute.Int("http.response.status_code", a.StatusCode), attribute.Int64("http.response.body.size", a.Response.Size))
	}
	if a.Class != model.ClassNone {
		list = append(list, attribute.String("error.type", string(a.Class)))
	}
	for name, us := range map[string]int64{"dns": a.Timings.DNS, "connect": a.Timings.Connect, "tls": a.Timings.TLS, "first_byte": a.Timings.FirstByte, "waited": a.Timings.Waited} {
		if us > 0 {
			list = append(list, attribute.Float64("waybill."+name+"_ms", float64(us)/1000))
		}
	}
	return list
}

// run is where a run stands: under what started it.
func (t *Tracer) run(r *model.Run) place { return t.in(r.Event.Traceparent, string(r.ID)) }

// Step is the traceparent of what a step of a run causes.
func (t *Tracer) Step(r *model.Run, id model.StepRunID) string {
	if t == nil {
		return r.Event.Traceparent
	}
	return t.run(r).under(string(id)).text()
}

// Moved tells of the steps that ended between two states of a run, and of the run itself when it ended; before is zero when
// it has just begun.
func (t *Tracer) Moved(before, after *model.Run, at time.Time) {
	if t == nil {
		return
	}
	p := t.run(after)
	if !p.told() {
		return
	}
	for i := range after.Steps {
		st := &after.Steps[i]
		if was := before.Step(st.ID); st.Status.Active() || was != nil && !was.Status.Active() {
			continue
		}
		t.tell(p.under(string(st.ID)), stepSpan(after, st, at))
	}
	if !after.Status.Ended() || before.Status.Ended() {
		return
	}
	began := after.CreatedAt
	if began.IsZero() {
		began = at
	}
	failed := ""
	if after.Status == model.RunFailed {
		failed = cmp.Or(after.Error, "The run failed.")
	}
	t.tell(p, span{name: "run " + after.Workflow, kind: trace.SpanKindInternal, from: began, to: at, failed: failed, attributes: append(ofRun(after), attribute.String("waybill.run.status", string(after.Status)))})
}

func ofRun(r *model.Run) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("waybill.run.id", string(r.ID)), attribute.Int64("waybill.run.number", r.Number),
		attribute.String("waybill.workflow.id", string(r.WorkflowID)), attribute.String("waybill.workflow.name", r.Workflow), attribute.Int64("waybill.workflow.version", r.Definition)}
}

func stepSpan(r *model.Run, st *model.StepRun, at time.Time) span {
	s := span{name: "step " + st.Key, kind: trace.SpanKindInternal, from: st.OpenedAt, to: at, attributes: append(ofRun(r), attribute.String("waybill.step.key", st.Key),
		attribute.String("waybill.step.name", st.Name), attribute.String("waybill.step.kind", string(st.Kind)), attribute.String("waybill.step.status", string(st.Status)))}
	if st.CompletedAt != nil {
		s.to = *st.CompletedAt
	}
	if st.Status == model.StepFailed {
		s.failed = cmp.Or(st.Error, "The step failed.")
	}
	return s
}
