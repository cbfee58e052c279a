package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/dispatch"
	"waybill/jobs/filter"
)

// NewEvent is an event as a caller sends it.
type NewEvent struct {
	ID      string // the caller's; also dedupes
	Source  string // CloudEvents only: dedupes together with ID
	Name    string
	Subject string
	Time    time.Time       // zero = now
	Data    json.RawMessage // any JSON; kept byte for byte
	Depth   int             // how many events led to this one; 0 = from outside
	// Traceparent is the trace that the caller is in (W3C Trace Context); what is none is left out.
	Traceparent string
}

// Publish accepts events, all or none, with every delivery that they cause, in one commit that is on disk when it
// returns. key is the Idempotency-Key, "" for none; batch says that its items have keys of their own.
func (s *Service) Publish(ctx context.Context, actor model.Actor, key string, batch bool, events []NewEvent) ([]db.Published, error) {
	if err := s.accepting(ctx); err != nil {
		return nil, err
	}
	if err := checkEvents(key, batch, events); err != nil {
		return nil, err
	}
	if actor.Depth > model.MaxDepth {
		return nil, fault.Coded(fault.Invalid, "too_deep", "This event was caused by an event, which was caused by an event, and so on: the chain is cut after %d. Nothing was accepted.", model.MaxDepth)
	}
	for range staleTries {
		snap, err := s.routing.current(ctx)
		if err != nil {
			return nil, err
		}
		pubs, err := s.match(snap, actor, key, batch, events)
		if err != nil {
			return nil, err
		}
		out, err := s.commit(ctx, snap.Version, pubs)
		if !errors.Is(err, db.ErrStale) {
			return out, err
		}
	}
	return s.publishFresh(ctx, actor, key, batch, events)
}

// staleTries is how often events are matched outside the writer while routing changes under them.
const staleTries = 3

// publishFresh matches inside the commit; the deliveries wait in the database, since places are reserved before it.
func (s *Service) publishFresh(ctx context.Context, actor model.Actor, key string, batch bool, events []NewEvent) ([]db.Published, error) {
	old := s.routing.now.Load()
	pubs, out, err := s.o.Store.PublishFresh(ctx, func(rows db.Routing) ([]db.Publication, error) {
		pubs, err := s.match(newSnapshot(rows, old), actor, key, batch, events)
		for i := range pubs {
			pubs[i].Owners = make([]model.NodeID, len(pubs[i].Deliveries))
		}
		return pubs, err
	})
	if err != nil {
		return nil, err
	}
	s.stored(pubs, out)
	return out, nil
}

// checkEvents lists what is wrong with what was sent.
func checkEvents(key string, batch bool, events []NewEvent) error {
	var bad fault.Check
	if len(key) > 255 {
		bad.Add("Idempotency-Key", "At most 255 characters.")
	}
	if len(events) == 0 {
		bad.Add("events", "At least one event.")
	}
	if len(events) > model.MaxBatchEvents {
		bad.Add("events", "At most %d events at once; these are %d.", model.MaxBatchEvents, len(events))
	}
	for i, e := range events {
		prefix := ""
		if batch {
			prefix = "events[" + strconv.Itoa(i) + "]."
		}
		if len(e.Data) > model.MaxEvent {
			f := fault.New(fault.TooLarge, "The data of an event may have 1 MiB (%d bytes); this has %d.", model.MaxEvent, len(e.Data))
			f.Fields = []fault.Field{fault.Complaint(prefix+"data", "At most %d bytes.", model.MaxEvent)}
			return f
		}
		if w := model.CheckEventName(e.Name); w != "" {
			bad.Add(prefix+"name", "%s", w)
		}
		for _, text := range [...]struct{ name, is string }{{"id", e.ID}, {"subject", e.Subject}, {"source", e.Source}} {
			if len(text.is) > 500 {
				bad.Add(prefix+text.name, "At most 500 characters.")
			}
		}
	}
	return bad.Err()
}

// match works out what each event causes.
func (s *Service) match(snap *snapshot, actor model.Actor, key string, batch bool, events []NewEvent) ([]db.Publication, error) {
	now := s.o.Now()
	pubs, total := make([]db.Publication, len(events)), 0
	for i, e := range events {
		p := &pubs[i]
		if p.User, p.Key = actor.UserID, dedupeKey(key, batch, i, e); p.Key != "" {
			p.Hash = hashEvent(e)
		}
		p.Event = model.Event{ID: model.NewEventID(now), ExternalID: e.ID, Name: e.Name, Subject: e.Subject, Time: e.Time, Data: e.Data, Depth: max(e.Depth, actor.Depth), CreatedAt: now,
			Traceparent: model.Traceparent(e.Traceparent)}
		if p.Event.Time.IsZero() {
			p.Event.Time = now
		}
		if len(p.Event.Data) == 0 {
			p.Event.Data = json.RawMessage("null")
		}
		s.decide(snap, p, now)
		s.decideRuns(snap, p)
		if n := len(p.Deliveries); n > model.MaxEventDeliveries {
			return nil, tooMany("events["+strconv.Itoa(i)+"]", n, model.MaxEventDeliveries)
		}
		total += len(p.Deliveries)
	}
	if total > model.MaxBatchDeliveries {
		return nil, tooMany("events", total, model.MaxBatchDeliveries)
	}
	return pubs, nil
}

func tooMany(field string, n, limit int) error {
	f := fault.Coded(fault.Invalid, "too_many_deliveries", "Too many deliveries; nothing was accepted.")
	f.Fields = []fault.Field{fault.Complaint(field, "This would cause %d deliveries; at most %d are made at once.", n, limit)}
	return f
}

// decide asks every action that fits the event's name.
func (s *Service) decide(snap *snapshot, p *db.Publication, now time.Time) {
	rules := snap.met(p.Event.Name)
	if len(rules) == 0 {
		return
	}
	env := filter.NewEnv(p.Event)
	p.Event.Met = make([]model.Met, 0, len(rules))
	for _, r := range rules {
		m := model.Met{Action: r.action.ID, Name: r.action.Name}
		m.Result, m.Detail = r.decide(env)
		if m.Result == model.MetSent && p.Event.Depth > model.MaxDepth {
			m.Result, m.Detail = model.MetLooping, ""
		}
		if m.Result == model.MetSent {
			d := s.newDelivery(snap, r.action, p.Event, now)
			if d.Status == model.Held {
				m.Result = model.MetHeld
			}
			p.Deliveries = append(p.Deliveries, d)
		}
		p.Event.Met = append(p.Event.Met, m)
	}
}

// decide is one action's word on an event, with the filter's value or error.
func (r *rule) decide(env *filter.Env) (model.MetWord, string) {
	switch {
	case !r.action.Enabled:
		return model.MetOff, ""
	case r.broken != "":
		return model.MetError, r.broken
	case r.filter == nil:
		return model.MetSent, ""
	}
	yes, shown, err := r.filter.Eval(env)
	switch {
	case err != nil:
		return model.MetError, err.Error()
	case !yes:
		return model.MetFilter, shown
	}
	return model.MetSent, ""
}

// newDelivery is the delivery that an action makes of an event.
func (s *Service) newDelivery(snap *snapshot, a model.Action, e model.Event, now time.Time) model.Delivery {
	dest := snap.Destinations[a.DestinationID]
	d := model.Delivery{ID: model.NewDeliveryID(now), EventID: e.ID, EventName: e.Name, TargetID: dest.Target(), DestinationID: dest.ID, Destination: dest.Name,
		ConnectionID: dest.ConnectionID, Connection: snap.Connections[dest.ConnectionID].Name, ActionID: a.ID, Lane: model.Realtime, Ordered: dest.Ordered, OrderKey: e.Subject,
		Status: model.Pending, NextAttemptAt: now, CreatedAt: now, UpdatedAt: now, Version: 1}
	if t := snap.target(dest.ID); t.Off != "" {
		d.Status, d.NextAttemptAt, d.LastError = model.Held, time.Time{}, t.Off
	} else if wait := t.Schedule[0]; wait > 0 {
		d.NextAttemptAt = now.Add(dispatch.Spread(wait, rand.Float64()))
	}
	return d
}

// commit reserves places in memory, stores, and hands over.
func (s *Service) commit(ctx context.Context, version int64, pubs []db.Publication) ([]db.Published, error) {
	s.reserve(pubs)
	out, err := s.o.Store.Publish(ctx, version, pubs)
	if err != nil {
		for _, p := range pubs {
			s.giveUp(p)
		}
		return nil, err
	}
	s.stored(pubs, out)
	return out, nil
}

// reserve takes places in memory for the deliveries that are due now, as far as there are any.
func (s *Service) reserve(pubs []db.Publication) {
	for i := range pubs {
		p := &pubs[i]
		p.Owners = make([]model.NodeID, len(p.Deliveries))
		for j, d := range p.Deliveries {
			if d.Status == model.Pending && !d.NextAttemptAt.After(d.CreatedAt) && s.dispatch.Reserve(d.TargetID, d.Lane, len(p.Event.Data)) {
				p.Owners[j] = s.o.Node
			}
		}
	}
}

// stored hands over what was committed.
func (s *Service) stored(pubs []db.Publication, out []db.Published) {
	for i, p := range pubs {
		s.tracer.Published(p.Event, len(p.Deliveries), out[i].Duplicate, s.o.Now())
		if out[i].Duplicate {
			s.giveUp(p)
		} else {
			s.handOver(p, out[i].Places)
		}
	}
	s.counts.accepted.Add(int64(len(pubs)))
	s.watchers.tell()
}

func (s *Service) giveUp(p db.Publication) {
	for j, d := range p.Deliveries {
		if p.Owners[j] != "" {
			s.dispatch.Unreserve(d.TargetID, d.Lane, len(p.Event.Data))
		}
	}
}

func (s *Service) handOver(p db.Publication, places []db.Place) {
	work := make([]model.Work, 0, len(p.Deliveries))
	for j, d := range p.Deliveries {
		if places != nil {
			d.Seq = places[j].Seq
		}
		switch {
		case places != nil && places[j].Behind: // stored unowned
			if p.Owners[j] != "" {
				s.dispatch.Unreserve(d.TargetID, d.Lane, len(p.Event.Data))
			}
		case p.Owners[j] != "":
			work = append(work, model.Work{Delivery: d, Event: p.Event})
		case d.Status == model.Pending:
			s.dispatch.Spill(d.TargetID, d.Lane, d.NextAttemptAt)
		}
	}
	if len(work) > 0 {
		s.dispatch.Handover(work)
	}
}

// dedupeKey is what an event is recognised by for 7 days (SEMANTICS 2), "" when the caller gave nothing.
func dedupeKey(key string, batch bool, i int, e NewEvent) string {
	switch {
	case key != "" && batch:
		return "key:" + key + "#" + strconv.Itoa(i)
	case key != "":
		return "key:" + key
	case e.Source != "" && e.ID != "":
		return "cloudevent:" + strconv.Itoa(len(e.Source)) + ":" + e.Source + e.ID
	case e.ID != "":
		return "id:" + e.ID
	}
	return ""
}

// hashEvent identifies the content that a caller sent.
func hashEvent(e NewEvent) []byte {
	h := sha256.New()
	for _, part := range []string{e.ID, e.Source, e.Name, e.Subject, strconv.FormatInt(e.Time.UnixMilli(), 10)} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	h.Write(e.Data)
	return h.Sum(nil)
}
