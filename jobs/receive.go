package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/inbound"
)

// InboundAnswer is what a caller is answered.
type InboundAnswer struct {
	Status      int
	ContentType string
	Headers     []model.Header
	Body        []byte
}

// Receive takes a call that was let in: it verifies it, recognises one that is repeated, and commits it with its receipt
// and with all that it causes, or answers why not. What it answers with 202 is on disk.
func (s *Service) Receive(ctx context.Context, a *Admission, r inbound.Request) (InboundAnswer, error) {
	x := &reception{s: s, a: a, r: r, at: s.o.Now()}
	out, err := x.run(ctx)
	x.traced(out, err)
	return out, err
}

// traced tells how the call was answered.
func (x *reception) traced(out InboundAnswer, err error) {
	if x.s.tracer == nil || x.call.ID == "" {
		return
	}
	status := out.Status
	if err != nil {
		status = cmp.Or(x.refused, http.StatusServiceUnavailable)
	}
	x.s.tracer.Called(x.call, x.a.route.Name, x.r.Header.Get("Traceparent"), status, x.s.o.Now())
}

// reception is one call on its way.
type reception struct {
	s       *Service
	a       *Admission
	r       inbound.Request
	at      time.Time
	content inbound.Content
	call    model.InboundCall
	key     []byte      // that repeated calls are recognised by
	again   model.Actor // who has it done again; zero = it is a new call
	state   model.CallState
	refused int // with which status, 0 = it is not
}

func (x *reception) run(ctx context.Context) (InboundAnswer, error) {
	e := x.a.route.InboundEndpoint
	secrets, err := x.a.route.secrets(ctx, x.s.o.Store, x.at)
	if err != nil {
		return InboundAnswer{}, err
	}
	x.call = x.describe(e)
	if h := x.handshake(secrets); h != nil {
		return x.shake(h)
	}
	if x.r.Method != http.MethodPost && x.r.Method != http.MethodPut {
		x.refuse(http.StatusMethodNotAllowed, "Calls come with POST or PUT; this one was a "+x.r.Method+".")
		return InboundAnswer{Status: http.StatusMethodNotAllowed, Headers: []model.Header{{Name: "Allow", Value: "POST, PUT"}}}, nil
	}
	v := inbound.Verify(e.Verification, secrets, x.r, x.at)
	if !v.OK {
		x.refuse(http.StatusUnauthorized, v.Reason)
		return InboundAnswer{}, refusedCall()
	}
	if h := inbound.Challenge(e.Verification, x.r); h != nil {
		return x.shake(h)
	}
	if !inbound.Takes(e.ContentTypes, x.r.Header.Get("Content-Type")) {
		f := fault.New(fault.Unsupported, "This endpoint takes %s.", strings.Join(e.ContentTypes, ", "))
		x.refuse(http.StatusUnsupportedMediaType, "The content type “"+x.r.Header.Get("Content-Type")+"” is not one of those that this endpoint takes.")
		return InboundAnswer{}, f
	}
	if enc := x.r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		x.refuse(http.StatusUnsupportedMediaType, "The body is compressed ("+enc+"); send it without Content-Encoding.")
		return InboundAnswer{}, fault.New(fault.Unsupported, "Send the body without Content-Encoding.")
	}
	if x.content, err = inbound.Read(x.r.Header, x.r.Body); err != nil {
		if f := fault.Of(err); f != nil {
			status := http.StatusBadRequest
			if f.Kind == fault.Invalid {
				status = http.StatusUnprocessableEntity
			}
			x.refuse(status, f.Message)
		}
		return InboundAnswer{}, err
	}
	x.key = inbound.Key(e.Dedupe, v.ID, x.r, x.content)
	return x.accept(ctx)
}

// handshake is the answer to a question that comes before the first call, nil when this is none.
func (x *reception) handshake(secrets inbound.Secrets) *inbound.Handshake {
	switch x.r.Method {
	case http.MethodGet:
		return inbound.Question(x.a.route.Verification, secrets, x.r)
	case http.MethodOptions:
		return inbound.Origin(x.r, x.a.route.Rate)
	}
	return nil
}

func (x *reception) shake(h *inbound.Handshake) (InboundAnswer, error) {
	if h.Refused != "" {
		x.refuse(http.StatusUnauthorized, h.Refused)
		return InboundAnswer{}, refusedCall()
	}
	c := x.call
	c.State, c.StatusCode, c.Reason = model.CallHandshake, http.StatusOK, "The vendor asked whether this URL is ours, and was answered."
	x.s.notes.note(c)
	out := InboundAnswer{Status: http.StatusOK, ContentType: h.ContentType, Body: []byte(h.Body)}
	for name, value := range h.Header {
		out.Headers = append(out.Headers, model.Header{Name: name, Value: value})
	}
	return out, nil
}

// refuse writes a call that is not taken into the log of calls.
func (x *reception) refuse(status int, why string) {
	c := x.call
	c.State, c.StatusCode, c.Reason = model.CallRefused, status, why
	x.refused = status
	x.s.notes.note(c)
}

// Bounds of what is kept of a call besides its body.
const (
	mostQuery   = 2 << 10
	mostHeaders = 8 << 10
)

// describe is the call as it is logged.
func (x *reception) describe(e model.InboundEndpoint) model.InboundCall {
	c := model.InboundCall{ID: model.NewReceiptID(x.at), EndpointID: e.ID, KeyID: x.a.key, State: model.CallAccepted, StatusCode: http.StatusAccepted, Method: x.r.Method,
		Address: x.r.Address.String(), ContentType: cut(x.r.Header.Get("Content-Type"), 200), Size: len(x.r.Body), Query: cut(x.r.Query.Encode(), mostQuery),
		CreatedAt: x.at, Body: x.r.Body}
	names := make([]string, 0, len(x.r.Header))
	for name := range x.r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	size := 0
	for _, name := range names {
		for _, value := range x.r.Header[name] {
			if inbound.Masked(name, e.Verification) {
				value = model.Mask
			}
			if size += len(name) + len(value); size > mostHeaders {
				return c
			}
			c.Headers = append(c.Headers, model.Header{Name: name, Value: strings.ToValidUTF8(value, "\uFFFD")})
		}
	}
	return c
}

func cut(s string, most int) string {
	return strings.ToValidUTF8(s[:min(len(s), most)], "\uFFFD")
}

// accept works out what the call causes, commits it and answers.
func (x *reception) accept(ctx context.Context) (InboundAnswer, error) {
	if !x.a.route.SampleUntil.IsZero() && x.at.Before(x.a.route.SampleUntil) {
		x.call.State, x.call.Reason, x.key = model.CallSample, "Taken as a sample; it caused nothing.", nil
	}
	made, err := x.outcome(ctx)
	if err != nil {
		return InboundAnswer{}, err
	}
	done, err := x.commit(ctx, made)
	if err != nil {
		return InboundAnswer{}, err
	}
	if done.First != "" {
		c := x.call
		c.State, c.FirstID, c.Reason = model.CallDuplicate, done.First, "The same call came before; it was answered like the first one."
		out := x.respond(ctx, done)
		c.StatusCode = out.Status
		x.s.notes.note(c)
		return out, nil
	}
	x.s.notes.count(x.call.EndpointID, done.Call.State, x.at)
	x.s.inboundWatch.tell()
	if done.Call.State == model.CallMapping {
		x.s.mapLater(db.CallRef{Endpoint: done.Call.EndpointID, ID: done.Call.ID})
	}
	out := x.respond(ctx, done)
	if out.Status != done.Call.StatusCode {
		x.s.notes.answered(done.Call, out.Status)
	}
	return out, nil
}

// outcome is what a call comes to: what it raises, or why it raises nothing.
type outcome struct {
	state  model.CallState
	reason string
	line   int
	column int
	values []mapped
}

// mapped is one event of a call, and what else the call is for.
type mapped struct {
	event  NewEvent
	values effectValues
}

// effectValues are the rendered texts of what a call does besides raising an event.
type effectValues struct{ correlation, decision string }

// promptly is how long a mapping may keep a call waiting before it is accepted without it.
const promptly = 200 * time.Millisecond

// outcome works out what the call causes. Its error is about this server, not about the call.
func (x *reception) outcome(ctx context.Context) (outcome, error) {
	if x.call.State == model.CallSample {
		return outcome{state: model.CallSample, reason: x.call.Reason}, nil
	}
	if x.a.route.templates.mapping == nil {
		return x.unmapped(), nil
	}
	soon, stop := context.WithTimeout(ctx, promptly)
	defer stop()
	out, err := x.mapAll(soon)
	if err != nil && ctx.Err() == nil { // no worker in time, or none at all: it is accepted, and mapped as soon as there is one
		return outcome{state: model.CallMapping}, nil
	}
	return out, err
}

// unmapped is what a call without templates causes: its content as it is.
func (x *reception) unmapped() outcome {
	out := outcome{state: model.CallAccepted, values: make([]mapped, len(x.content.Items))}
	e := x.a.route.InboundEndpoint
	for i, item := range x.content.Items {
		out.values[i] = mapped{event: x.event(item, e.Event, e.Subject, item.Data)}
		if c := e.Effects.Completes; c != nil {
			out.values[i].values = effectValues{c.Correlation, c.Decision}
		}
		if w := model.CheckEventName(out.values[i].event.Name); w != "" && e.Raises() {
			return outcome{state: model.CallFailed, reason: "The event's name “" + cut(out.values[i].event.Name, 200) + "” cannot be used: " + w}
		}
	}
	return out
}

// event is what an item raises; a name or subject that is not set is the CloudEvent's.
func (x *reception) event(item inbound.Item, name, subject string, data json.RawMessage) NewEvent {
	if name == "" {
		name = item.Type
	}
	if name == "" {
		name = model.DefaultInboundEvent
	}
	if subject == "" {
		subject = item.Subject
	}
	return NewEvent{ID: cut(item.ID, 500), Name: name, Subject: cut(subject, 500), Time: item.Time, Data: data, Traceparent: x.trace()}
}

// trace is the traceparent of what the call causes.
func (x *reception) trace() string { return x.s.tracer.Call(x.call.ID, x.r.Header.Get("Traceparent")) }

// commit stores the call with what it causes. When a part of that cannot be done, nothing of it is: the call is stored as
// failed, with the reason, and can be done again whole.
func (x *reception) commit(ctx context.Context, made outcome) (db.Received, error) {
	done, err := x.commitWhole(ctx, made)
	var no *undone
	if errors.As(err, &no) {
		return x.commitWhole(ctx, outcome{state: model.CallFailed, reason: no.reason})
	}
	return done, err
}

// commitWhole stores all or nothing, matching again while routing changes.
func (x *reception) commitWhole(ctx context.Context, made outcome) (db.Received, error) {
	for range staleTries {
		done, err := x.tryCommit(ctx, made)
		if !errors.Is(err, db.ErrStale) {
			return done, err
		}
		if err := x.s.admit(ctx, x.a); err != nil && x.again.Kind == "" {
			return db.Received{}, err
		}
	}
	return x.commitFresh(ctx, made)
}

func (x *reception) tryCommit(ctx context.Context, made outcome) (db.Received, error) {
	all, err := x.s.gate.current(ctx)
	if err != nil {
		return db.Received{}, err
	}
	snap, err := x.s.routing.current(ctx)
	if err != nil {
		return db.Received{}, err
	}
	pubs, err := x.publications(snap, made)
	if err != nil {
		return db.Received{}, err
	}
	x.s.reserve(pubs)
	done, err := x.s.o.Store.Receive(ctx, min(all.version, snap.Version), x.whole(made, pubs))
	if err != nil || done.First != "" {
		for _, p := range pubs {
			x.s.giveUp(p)
		}
		return done, err
	}
	x.s.stored(pubs, done.Published)
	return done, nil
}

// commitFresh matches inside the commit; the deliveries wait in the database.
func (x *reception) commitFresh(ctx context.Context, made outcome) (db.Received, error) {
	old := x.s.routing.now.Load()
	r, done, err := x.s.o.Store.ReceiveFresh(ctx, func(rows db.Routing) (db.Reception, error) {
		pubs, err := x.publications(newSnapshot(rows, old), made)
		for i := range pubs {
			pubs[i].Owners = make([]model.NodeID, len(pubs[i].Deliveries))
		}
		return x.whole(made, pubs), err
	})
	if err == nil && done.First == "" {
		x.s.stored(r.Events, done.Published)
	}
	return done, err
}

// publications are the events of a call, matched. Too many deliveries make the call fail, not the server.
func (x *reception) publications(snap *snapshot, made outcome) ([]db.Publication, error) {
	if !x.a.route.Raises() || len(made.values) == 0 {
		return nil, nil
	}
	events := make([]NewEvent, len(made.values))
	for i, v := range made.values {
		events[i] = v.event
	}
	pubs, err := x.s.match(snap, model.System("inbound"), "", false, events)
	for i := range pubs {
		pubs[i].Key = "" // calls have a memory of their own
	}
	return pubs, err
}

// whole is everything that the commit stores.
func (x *reception) whole(made outcome, pubs []db.Publication) db.Reception {
	c := x.call
	c.State, c.Reason, c.Line, c.Column = made.state, made.reason, made.line, made.column
	r := db.Reception{Call: c, Sample: made.state == model.CallSample, Key: x.key, Events: pubs, Actor: x.again, Again: x.state,
		IsData: x.content.Whole && len(pubs) == 1 && x.a.route.templates.mapping == nil, Effect: x.effect(made)}
	if x.key != nil {
		r.Until = x.at.Add(x.a.route.Dedupe.Window())
	}
	return r
}

// receipt is the answer of a call that was accepted and whose caller is not kept waiting.
func receipt(id model.ReceiptID) InboundAnswer {
	return InboundAnswer{Status: http.StatusAccepted, ContentType: "application/json", Body: fmt.Appendf(nil, "{\"receipt\":%q}\n", string(id))}
}

// respond answers a call that is stored.
func (x *reception) respond(ctx context.Context, done db.Received) InboundAnswer {
	id := done.First
	if id == "" {
		id = done.Call.ID
	}
	if done.Call.State == model.CallSample || x.a.route.Response.Mode == model.ResponseAck {
		return receipt(id)
	}
	return x.waited(ctx, id, done)
}
