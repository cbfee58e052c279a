package flow_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// dice draws decisions from bytes, so that a fuzzer can steer them; without any left it draws zeros.
type dice struct{ b []byte }

func (d *dice) draw(n int) int {
	if len(d.b) == 0 {
		return 0
	}
	v := int(d.b[0])
	d.b = d.b[1:]
	return v % n
}

func (d *dice) yes() bool { return d.draw(2) == 1 }

// definition draws any graph, also one that makes little sense: loops, joins in loops, ways that lead nowhere.
func (d *dice) definition() model.Definition {
	n := 1 + d.draw(7)
	key := func() string { return fmt.Sprintf("s%d", d.draw(n)) }
	var def model.Definition
	for i := range n {
		kinds := model.StepKinds()
		s := model.Step{Key: fmt.Sprintf("s%d", i), Name: "S", Kind: kinds[d.draw(len(kinds))], WaitForAll: d.draw(4) == 0}
		for range d.draw(4) {
			if s.Kind != model.StepEnd {
				s.Next = append(s.Next, model.Transition{To: key(), When: []string{"", "", "yes", "no", "broken"}[d.draw(5)]})
			}
		}
		for i := range d.draw(3) {
			s.Webhooks = append(s.Webhooks, model.Webhook{ID: model.WebhookID(fmt.Sprint(s.Key, "-", i)), Enabled: d.draw(4) > 0,
				Trigger: []model.WebhookTrigger{model.OnCreated, model.OnCompleted}[d.draw(2)]})
		}
		switch {
		case s.Kind.Human():
			s.Assignees = []string{"a@b.c", "role:R", "initiator", "field:s0.f"}[:d.draw(5)]
			s.DueSeconds, s.RemindSeconds = int64(d.draw(2)), int64(d.draw(2))
			if s.Kind.Approves() {
				s.OnReject = []*model.OnReject{nil, {End: true}, {To: key()}, {To: key()}}[d.draw(4)]
			}
		case s.Kind == model.StepWait:
			s.Wait = []*model.Wait{{Seconds: 5}, {Event: "x"}, {Event: "x", TimeoutSeconds: 9}, nil}[d.draw(4)]
		}
		s.OnFailure = []model.OnFailure{"", model.FailContinue, model.FailRun}[d.draw(3)]
		def.Steps = append(def.Steps, s)
	}
	return def
}

// book is what effects left behind, as a store would hold it.
type book struct {
	t        *testing.T
	d        model.Definition
	run      model.Run
	now      time.Time
	ids      int
	tasks    map[model.StepRunID]int // open ones
	timers   map[model.StepRunID]int
	awaits   map[model.StepRunID]bool
	sent     map[model.StepRunID]int
	recalled map[model.StepRunID]bool
	scripts  map[model.StepRunID]int
	notified map[string]int
}

func newBook(t *testing.T, d model.Definition) *book {
	return &book{t: t, d: d, run: model.Run{ID: "run_1", Status: model.RunRunning, Data: []byte(`{}`)}, now: time.Unix(1e9, 0),
		tasks: map[model.StepRunID]int{}, timers: map[model.StepRunID]int{}, awaits: map[model.StepRunID]bool{}, sent: map[model.StepRunID]int{},
		recalled: map[model.StepRunID]bool{}, scripts: map[model.StepRunID]int{}, notified: map[string]int{}}
}

func (b *book) step(sig flow.Signal) bool {
	b.now = b.now.Add(time.Second)
	before := text(b.run)
	first := b.ids
	run, effects, err := flow.Step(b.d, b.run, sig, b.env(func() model.StepRunID { b.ids++; return model.StepRunID(fmt.Sprintf("srn_%d", b.ids)) }))
	if after := text(b.run); after != before {
		b.t.Fatalf("the run that was given changed:\n%s\n%s", before, after)
	}
	again, sameEffects, _ := flow.Step(b.d, b.run, sig, b.env(func() model.StepRunID { first++; return model.StepRunID(fmt.Sprintf("srn_%d", first)) }))
	if text(again) != text(run) || text(sameEffects) != text(effects) {
		b.t.Fatalf("the same question has two answers:\n%s\n%s", text(run), text(again))
	}
	if err != nil {
		if fault.Of(err) == nil {
			b.t.Fatalf("not for people: %v", err)
		}
		if text(run) != before || len(effects) > 0 {
			b.t.Fatal("a refusal changed something")
		}
		return false
	}
	b.apply(sig, run, effects)
	b.check(sig)
	return true
}

func (b *book) env(id func() model.StepRunID) flow.Env {
	return flow.Env{Now: b.now, NewID: id, Holds: func(c string, run *model.Run) (bool, string) {
		if c == "broken" {
			return false, "It makes no sense."
		}
		return c == "yes", ""
	}}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (b *book) apply(sig flow.Signal, run model.Run, effects []flow.Effect) {
	old := b.run
	b.run = run
	for i, s := range old.Steps {
		if !s.Status.Active() && s.Status != run.Steps[i].Status {
			b.t.Fatalf("%s: %s became %s", s.ID, s.Status, run.Steps[i].Status)
		}
	}
	if old.Status.Ended() && text(old) != text(run) {
		b.t.Fatalf("%s changed a run that had ended", sig.What)
	}
	if old.Status == model.RunPaused && run.Status == model.RunPaused && len(run.Steps) > len(old.Steps) {
		b.t.Fatal("a paused run opened a step")
	}
	if sig.What == flow.Complete || sig.What == flow.Approve || sig.What == flow.Reject {
		b.tasks[sig.StepRun]-- // the one that was acted on
	}
	for _, e := range effects {
		s := b.run.Step(e.StepRun)
		if s == nil {
			b.t.Fatalf("%s of no step", e.Do)
		}
		b.effect(e, s)
	}
}

func (b *book) effect(e flow.Effect, s *model.StepRun) {
	id := e.StepRun
	switch e.Do {
	case flow.Ask:
		if len(e.Assignees) == 0 {
			b.t.Fatal("nobody is asked")
		}
		b.tasks[id]++
	case flow.Withdraw:
		b.tasks[id] = 0
	case flow.SetTimer:
		b.timers[id]++
	case flow.Await:
		b.awaits[id] = true
	case flow.Clear:
		b.timers[id], b.awaits[id] = 0, false
	case flow.Send:
		b.sent[id]++
	case flow.Recall:
		b.recalled[id] = true
	case flow.Script:
		b.scripts[id]++
	case flow.Notify:
		b.notified[string(id)+string(e.Webhook)]++
	}
}

// check states what holds after every signal.
func (b *book) check(sig flow.Signal) {
	fail := func(format string, args ...any) {
		b.t.Helper()
		b.t.Fatalf("after %+v: %s\n%s\n%s", sig, fmt.Sprintf(format, args...), text(b.d), text(b.run))
	}
	seen, active, alone := map[model.StepRunID]bool{}, 0, true
	for i := range b.run.Steps {
		s := &b.run.Steps[i]
		if seen[s.ID] {
			fail("two step runs with one id")
		}
		for _, p := range s.Previous {
			if !seen[p] && !slices.ContainsFunc(b.run.Steps, func(x model.StepRun) bool { return x.ID == p }) || b.run.Step(p).Status.Active() {
				fail("%s comes after %s, which is not done", s.ID, p)
			}
		}
		seen[s.ID] = true
		if s.Status.Active() {
			active++
			alone = alone && s.Joining
		}
		b.checkStep(s, fail)
	}
	switch {
	case b.run.Status.Ended() && (active > 0 || b.run.EndedAt.IsZero() || len(b.run.Held) > 0):
		fail("it ended, but something is open")
	case !b.run.Status.Ended() && active == 0 && len(b.run.Held) == 0:
		fail("nothing can happen any more")
	case !b.run.Status.Ended() && b.run.Status != model.RunPaused && alone:
		fail("only joins are left")
	case b.run.Status != model.RunPaused && len(b.run.Held) > 0:
		fail("something is held back")
	case len(b.run.Steps) > model.MaxStepRuns:
		fail("too many steps")
	}
}

func (b *book) checkStep(s *model.StepRun, fail func(string, ...any)) {
	def, _ := b.d.Step(s.Key)
	done := !s.Status.Active()
	switch {
	case s.Status == model.StepOpen && !s.Kind.Human(), s.Status == "":
		fail("%s is %q", s.Kind, s.Status)
	case s.Status == model.StepOpen && b.tasks[s.ID] < 1, done && b.tasks[s.ID] != 0:
		fail("%s (%s) has %d tasks", s.ID, s.Status, b.tasks[s.ID])
	case done && (b.timers[s.ID] != 0 || b.awaits[s.ID]):
		fail("%s is done, but timers are left", s.ID)
	case done != (s.CompletedAt != nil):
		fail("%s: %s, completed at %v", s.ID, s.Status, s.CompletedAt)
	case s.Joining && (done || !def.WaitForAll || b.notified[string(s.ID)] > 0):
		fail("%s joins", s.ID)
	case s.Status == model.StepWaiting && !s.Joining && s.Kind == model.StepWait && b.timers[s.ID] == 0 && !b.awaits[s.ID]:
		fail("%s waits for nothing", s.ID)
	case !s.Joining && s.Kind == model.StepOutgoing && b.sent[s.ID] != 1 && s.Status != model.StepAbandoned, b.sent[s.ID] > 1, b.scripts[s.ID] > 1:
		fail("%s was sent %d times", s.ID, b.sent[s.ID])
	case s.Status == model.StepAbandoned && b.sent[s.ID] == 1 && !b.recalled[s.ID]:
		fail("what %s sends was not recalled", s.ID)
	case b.recalled[s.ID] && s.Status != model.StepAbandoned:
		fail("%s was recalled", s.ID)
	}
	for _, h := range def.Webhooks {
		n, want := b.notified[string(s.ID)+string(h.ID)], 0
		began := !s.Joining && (s.Status != model.StepAbandoned || n > 0)
		if h.Enabled && (h.Trigger == model.OnCreated && began || h.Trigger == model.OnCompleted && done && s.Status != model.StepAbandoned) {
			want = 1
		}
		if n != want {
			fail("webhook %s of %s was sent %d times, not %d", h.ID, s.ID, n, want)
		}
	}
}

// signal draws anything that may happen, sensible or not.
func (d *dice) signal(run model.Run) flow.Signal {
	what := []flow.What{flow.Complete, flow.Approve, flow.Reject, flow.Settled, flow.Scripted, flow.Elapsed, flow.Happened, flow.Complete, flow.Approve,
		flow.Settled, flow.Scripted, flow.Elapsed, flow.Pause, flow.Resume, flow.Resume, flow.Cancel, flow.Expired, flow.Start}
	sig := flow.Signal{What: what[d.draw(len(what))], Actor: "p@x.y", Comment: []string{"so", ""}[d.draw(2)]}
	if (sig.What == flow.Cancel || sig.What == flow.Expired) && run.Status != model.RunPaused && d.draw(8) > 0 {
		sig.What = flow.Resume
	}
	if n := len(run.Steps); n > 0 {
		sig.StepRun = run.Steps[d.draw(n)].ID
		if d.yes() { // one that can go on, so that runs get somewhere
			for _, s := range run.Steps {
				if s.Status.Active() && !s.Joining {
					sig.StepRun, sig.What = s.ID, natural(s, d)
				}
			}
		}
	}
	sig.Status = []model.Status{model.Delivered, model.Failed, model.Skipped, model.Cancelled}[d.draw(4)]
	sig.Error = []string{"", "Broken."}[d.draw(2)]
	sig.Fields = []model.FieldValue{{Key: "f", Value: []string{"p@x.y", "q@x.y, r@x.y", ""}[d.draw(3)]}}
	return sig
}

func natural(s model.StepRun, d *dice) flow.What {
	switch {
	case s.Kind == model.StepTask:
		return flow.Complete
	case s.Kind.Approves():
		return []flow.What{flow.Approve, flow.Approve, flow.Reject}[d.draw(3)]
	case s.Kind == model.StepOutgoing:
		return flow.Settled
	case s.Kind == model.StepScript:
		return flow.Scripted
	}
	return []flow.What{flow.Elapsed, flow.Happened}[d.draw(2)]
}

func play(t *testing.T, in []byte) (steps int, ended model.RunStatus) {
	d := &dice{in}
	b := newBook(t, d.definition())
	b.step(flow.Signal{What: flow.Start})
	for range 60 {
		b.step(d.signal(b.run))
		if len(b.run.Steps) > 60 { // loops by themselves grow fast; the limit has a test of its own
			break
		}
	}
	return len(b.run.Steps), b.run.Status
}

func FuzzNoSequenceOfSignalsBreaksARun(f *testing.F) {
	f.Add([]byte{3, 1, 0, 2, 1, 1, 0})
	f.Fuzz(func(t *testing.T, in []byte) { play(t, in) })
}

// The same with many random inputs, so that every run of the tests covers much of it; it also looks that the draws reach
// everything.
func TestNoSequenceOfSignalsBreaksARun(t *testing.T) {
	ends := map[model.RunStatus]int{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		in := make([]byte, 700)
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		_, end := play(t, in)
		ends[end]++
	}
	for _, s := range model.RunStatuses() {
		if ends[s] < 2 {
			t.Errorf("%s came out %d times only: %v", s, ends[s], ends)
		}
	}
}
