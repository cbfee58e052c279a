package housekeeping

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
)

// house is a keeper over a real store, as it works after some time.
type house struct {
	*testing.T
	*Keeper
	store *db.Store
	x     dbtest.Setup
	ahead time.Duration
}

func newHouse(t *testing.T, fixed model.Storage) *house {
	s := dbtest.Open(t)
	h := &house{T: t, store: s, x: dbtest.Fill(t, s)}
	h.Keeper = New(Options{Store: s, Now: func() time.Time { return time.Now().Add(h.ahead) }, Log: slog.New(slog.DiscardHandler), Fixed: fixed})
	return h
}

// event stores an event with one delivery, which ends as status; "" leaves it waiting.
func (h *house) event(status model.Status, size int) model.Delivery {
	h.Helper()
	ctx, node := context.Background(), model.NewNodeID(time.Now())
	p := h.x.Publication(node)
	p.Event.Data = json.RawMessage(fmt.Sprintf("%q", bytes.Repeat([]byte("x"), size)))
	v, err := h.store.Version(ctx)
	if err == nil {
		_, err = h.store.Publish(ctx, v, []db.Publication{p})
	}
	if err != nil {
		h.Fatal(err)
	}
	d := p.Deliveries[0]
	if d.Version = 1; status == "" {
		return d
	}
	a := &model.Attempt{ID: model.NewAttemptID(time.Now()), DeliveryID: d.ID, Number: 1, StartedAt: time.Now(), Method: "POST", StatusCode: 200,
		Request: model.Message{Body: []byte("sent"), Size: 4}, Response: model.Message{Body: []byte("came"), Size: 4}}
	o := model.Outcome{Attempt: a, Status: status}
	if status == model.Held {
		o.Attempt, o.Held = nil, model.HeldDisabled
	}
	done := make(chan error, 1)
	h.store.Finish(node, &model.Ending{Work: model.Work{Delivery: d}, Outcome: o}, nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		h.Fatal(err)
	}
	return d
}

func (h *house) pass() {
	h.Helper()
	if err := h.Pass(context.Background()); err != nil {
		h.Fatal(err)
	}
}

// kept tells which parts of a delivery are there: its row, its event's data, the bodies of its attempt.
func (h *house) kept(d model.Delivery) string {
	h.Helper()
	ctx, out := context.Background(), ""
	row, err := h.store.Delivery(ctx, d.ID)
	if err == nil {
		out += string(row.Status)
	} else if !fault.Is(err, fault.NotFound) {
		h.Fatal(err)
	}
	for _, p := range h.publications(row) {
		out += p
	}
	list, err := h.store.Attempts(ctx, d.ID)
	if err != nil {
		h.Fatal(err)
	}
	for _, a := range list {
		if out += " attempt"; a.Request.Body != nil && a.Response.Body != nil {
			out += " bodies"
		}
	}
	return out
}

func (h *house) publications(d model.Delivery) []string {
	if d.EventID == "" {
		return nil
	}
	e, err := h.store.Event(context.Background(), d.EventID)
	switch {
	case fault.Is(err, fault.NotFound):
		return []string{" no event"}
	case err != nil:
		h.Fatal(err)
	case e.Data == nil:
		return []string{" event"}
	}
	return []string{" event data"}
}

func TestByAge(t *testing.T) {
	h := newHouse(t, model.Storage{})
	sent, waiting, held := h.event(model.Delivered, 10), h.event("", 10), h.event(model.Held, 10)
	want := func(when string, states ...string) {
		t.Helper()
		for i, d := range []model.Delivery{sent, waiting, held} {
			if got := h.kept(d); got != states[i] {
				t.Errorf("%s: delivery %d is %q, want %q", when, i, got, states[i])
			}
		}
	}
	h.pass()
	want("at once", "delivered event data attempt bodies", "pending event data", "held event data")
	h.ahead = 8 * 24 * time.Hour
	h.pass()
	want("after 8 days", "delivered event attempt", "pending event data", "held event data")
	h.ahead = 31 * 24 * time.Hour
	h.pass()
	want("after 31 days", "", "pending event data", "")
	if n, err := h.store.Expired(context.Background(), time.Now().Add(-time.Hour)); err != nil || n != 1 {
		t.Errorf("%d expired, %v", n, err)
	}
	events, _, err := h.store.Events(context.Background(), db.EventFilter{}, db.Page{})
	if err != nil || len(events) != 1 {
		t.Errorf("%d events are left, %v", len(events), err)
	}
}

// What is too much goes, the oldest first, though it is young in days; what waits stays; and the file gets shorter.
func TestBySize(t *testing.T) {
	h := newHouse(t, model.Storage{Budget: 4 << 20})
	waiting := h.event("", 1000)
	for range 90 {
		h.event(model.Delivered, 100<<10)
	}
	ctx := context.Background()
	before, err := h.store.DiskUse(ctx)
	if err != nil || before.File < 8<<20 {
		t.Fatalf("%+v, %v", before, err)
	}
	h.ahead = 2 * time.Hour
	h.o.Fixed.MinFree = 1
	h.pass()
	use, err := h.store.DiskUse(ctx)
	if err != nil || use.File-use.Spare > 4<<20 || use.Spare == 0 {
		t.Errorf("%+v, %v", use, err)
	}
	if got := h.kept(waiting); got != "pending event data" {
		t.Errorf("what waits is %q", got)
	}
	h.o.Fixed.MinFree = use.Free // too little is free: spare pages are given back
	h.pass()
	after, err := h.store.DiskUse(ctx)
	if err != nil || after.File > use.File-use.Spare/2 {
		t.Errorf("%+v after %+v, %v", after, use, err)
	}
}

// A disk without room closes the door, and opens it again.
func TestDoor(t *testing.T) {
	h := newHouse(t, model.Storage{})
	h.watch()
	if why := h.Blocked(); why != nil || h.Accepting() != nil {
		t.Fatalf("blocked at first: %s", why)
	}
	h.o.Fixed.MinFree = 1 << 50
	h.watch()
	if f := fault.Of(h.Accepting()); f == nil || f.Kind != fault.Unavailable || f.RetryAfter == 0 {
		t.Errorf("accepting: %v", h.Accepting())
	}
	h.o.Fixed.MinFree = 1 << 20
	h.watch()
	if why := h.Blocked(); why != nil {
		t.Errorf("still blocked: %s", why)
	}
}

// A database that holds only what waits is not cut; when it is too large, nothing more is accepted.
func TestOverBudget(t *testing.T) {
	h := newHouse(t, model.Storage{Budget: 1 << 20})
	for range 30 {
		h.event("", 100<<10)
	}
	h.ahead = 48 * time.Hour
	h.pass()
	h.watch()
	if h.Blocked() == nil {
		t.Error("more is accepted")
	}
}

func TestReserve(t *testing.T) {
	s := dbtest.Open(t)
	for _, want := range []bool{true, false} {
		if made, err := s.Reserve(1 << 20); err != nil || made != want {
			t.Errorf("made %t, %v, want %t", made, err, want)
		}
	}
	for _, want := range []bool{true, false} {
		if gone, err := s.GiveUp(); err != nil || gone != want {
			t.Errorf("given up %t, %v, want %t", gone, err, want)
		}
	}
}

// A rest ends with the program.
func TestRestHeedsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		k := New(Options{})
		k.stop = stop
		time.AfterFunc(time.Second, func() { close(stop) })
		start := time.Now()
		k.rest(time.Hour)
		if took := time.Since(start); took != time.Second {
			t.Errorf("rested for %s", took)
		}
	})
}
