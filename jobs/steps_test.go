package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/jobs/deliver"
	"waybill/jobs/dispatch"
)

// stage is a desk with a workflow of which only the delivery engine's side is real.
type stage struct {
	*desk
	mu       sync.Mutex
	template string
	heard    []string
}

func newStage(t *testing.T) *stage {
	s := &stage{desk: newDesk(t)}
	s.steps.setup = func(_ context.Context, w *model.Work) (*deliver.Setup, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := model.Connection{Type: model.ConnectionWebhook, BaseURL: s.rx.URL, TimeoutSeconds: 1}
		return deliver.Setup{Connection: c, Destination: model.Destination{Method: "POST", ContentType: "application/json", Path: "/" + w.Delivery.Step, Template: s.template}}.Ready(), nil
	}
	s.steps.target = func(model.TargetID) dispatch.Target { return dispatch.Target{MaxInFlight: 4, Schedule: []int{0, 0}} }
	s.steps.outcome = func(_ *db.Tx, d model.Delivery, o model.Outcome) error {
		line := fmt.Sprint(d.Step, " ", o.Status)
		if o.Attempt != nil {
			line += fmt.Sprint(" ", o.Attempt.StatusCode, " ", string(o.Attempt.Response.Body))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.heard = append(s.heard, line)
		return nil
	}
	return s
}

// send queues one delivery of a step and returns its id.
func (s *stage) send(step, payload string) model.DeliveryID {
	s.Helper()
	list := []model.Work{{Payload: []byte(payload), Delivery: model.Delivery{RunID: "run_1", Step: step, TargetID: model.StepTarget("wfl_1", step, "")}}}
	s.write(func(tx *db.Tx) error { return s.enqueue(tx, list) })
	return list[0].Delivery.ID
}

func (s *stage) become(id model.DeliveryID, want model.Status) model.Delivery {
	s.Helper()
	var d model.Delivery
	for range 4000 {
		var err error
		if d, err = s.store.Delivery(context.Background(), id); err != nil {
			s.Fatal(err)
		}
		if d.Status == want {
			return d
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.Fatalf("%s is %s (%s), want %s", id, d.Status, d.LastError, want)
	return d
}

func (s *stage) told(want ...string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(want, s.heard); diff != "" {
		s.Error(diff)
	}
	s.heard = nil
}

// A delivery of a step brings what it says; the workflow hears of each attempt with its answer, in the same commit.
func TestStepDelivery(t *testing.T) {
	s := newStage(t)
	n := 0
	s.answers(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, "answer ", n)
	})
	id := s.send("call", `{"hello":1}`)
	d := s.become(id, model.Delivered)
	s.told("call retrying 503 answer 1", "call delivered 200 answer 2")
	if d.RunID != "run_1" || d.Step != "call" || d.EventID != "" || s.bodies[0] != `{"hello":1}` || s.requests[0].URL.Path != "/call" {
		t.Errorf("%+v, sent %q to %s", d, s.bodies[0], s.requests[0].URL.Path)
	}
	attempts, err := s.store.Attempts(context.Background(), id)
	if err != nil || len(attempts) != 2 || string(attempts[1].Request.Body) != `{"hello":1}` {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
	list, _, err := s.store.Deliveries(context.Background(), db.DeliveryFilter{RunID: "run_1"}, db.Page{})
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("deliveries of the run: %+v, %v", list, err)
	}
	s.template = `{"from":{{ it.run.id }},"total":{{ it.data[0].total }}}`
	s.become(s.send("call", `{"data":[{"total":12}],"events":[],"run":{"id":"run_1"}}`), model.Delivered)
	if got := s.bodies[len(s.bodies)-1]; got != `{"from":"run_1","total":12}` {
		t.Errorf("rendered %s", got)
	}
}

// The receiver of a step says that it is gone: its target is off, what comes after is held, until it is switched on.
func TestStepTargetSwitchedOff(t *testing.T) {
	s := newStage(t)
	s.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	s.become(s.send("call", `{}`), model.Failed)
	s.changed()
	target := model.StepTarget("wfl_1", "call", "")
	for s.target(target).Off == "" {
		time.Sleep(5 * time.Millisecond)
	}
	s.answers(nil)
	held, other := s.send("call", `{}`), s.send("other", `{}`)
	s.become(held, model.Held)
	s.become(other, model.Delivered)
	s.write(func(tx *db.Tx) error { return tx.SwitchOnTarget(target, "Call") })
	s.become(held, model.Delivered)
}

// What people end reaches the workflow too, and a closure that is rolled back leaves nothing behind.
func TestStepCancelled(t *testing.T) {
	s := newStage(t)
	release := make(chan struct{})
	s.answers(func(http.ResponseWriter, *http.Request) { <-release })
	id := s.send("call", `{}`)
	if _, err := s.Cancel(context.Background(), dbtest.Admin(), id); err != nil {
		t.Fatal(err)
	}
	close(release)
	s.told("call cancelled")
	list := []model.Work{{Payload: []byte("{}"), Delivery: model.Delivery{RunID: "run_1", Step: "call", TargetID: model.StepTarget("wfl_1", "call", "")}}}
	err := s.store.Write(context.Background(), dbtest.Admin(), func(tx *db.Tx) error {
		if err := s.enqueue(tx, list); err != nil {
			return err
		}
		return fmt.Errorf("no")
	})
	if _, gone := s.store.Delivery(context.Background(), list[0].Delivery.ID); err == nil || gone == nil {
		t.Errorf("rolled back: %v, yet there: %v", err, gone)
	}
}

// An event that Waybill raises in a transaction causes deliveries like any other, with the routing of that transaction,
// and a chain of them ends.
func TestRaise(t *testing.T) {
	s := newStage(t)
	var ids []model.EventID
	s.write(func(tx *db.Tx) error {
		s.act.Event, s.act.Filter = "made.inside", ""
		if err := tx.UpdateAction(&s.act); err != nil {
			return err
		}
		ids = nil
		for _, depth := range []int{1, model.MaxDepth, model.MaxDepth + 1} {
			id, err := s.raise(tx, NewEvent{Name: "made.inside", Data: json.RawMessage(order), Depth: depth})
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	s.settled(ids[0], model.Delivered)
	s.settled(ids[1], model.Delivered)
	e, err := s.store.Event(context.Background(), ids[2])
	if err != nil || e.Deliveries != 0 || len(e.Met) != 1 || e.Met[0].Result != model.MetLooping || e.Depth != model.MaxDepth+1 {
		t.Errorf("too deep: %+v, %v", e, err)
	}
}
