package flow_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// step makes a step from "key kind > next, next?condition".
func step(text string) model.Step {
	head, next, _ := strings.Cut(text, " > ")
	parts := strings.Fields(head)
	s := model.Step{Key: parts[0], Name: strings.ToUpper(parts[0]), Kind: model.StepKind(parts[1])}
	for _, p := range parts[2:] {
		switch {
		case p == "all":
			s.WaitForAll = true
		case p == "failing":
			s.OnFailure = model.FailRun
		case strings.HasPrefix(p, "back:"):
			s.OnReject = &model.OnReject{To: p[5:]}
		case strings.HasPrefix(p, "by:"):
			s.Assignees = strings.Split(p[3:], ",")
		}
	}
	for _, n := range strings.Fields(next) {
		to, when, _ := strings.Cut(n, "?")
		s.Next = append(s.Next, model.Transition{To: to, When: when})
	}
	return s
}

func graph(t *testing.T, lines ...string) *book {
	t.Helper()
	var d model.Definition
	for _, l := range lines {
		d.Steps = append(d.Steps, step(l))
	}
	b := newBook(t, d)
	b.run.Initiator = "ini@x.y"
	b.step(flow.Signal{What: flow.Start})
	return b
}

// state is "key=status …" in the order of opening, and the run's status.
func (b *book) state() string {
	var out []string
	for _, s := range b.run.Steps {
		word := string(s.Status)
		if s.Joining {
			word = "joining"
		}
		out = append(out, s.Key+"="+word)
	}
	return strings.Join(append(out, string(b.run.Status)), " ")
}

func (b *book) last(key string) model.StepRunID {
	for i := len(b.run.Steps) - 1; i >= 0; i-- {
		if b.run.Steps[i].Key == key {
			return b.run.Steps[i].ID
		}
	}
	return ""
}

// hear is a signal in short: "what key" with a delivery's status or a comment behind it.
func (b *book) hear(text string) error {
	parts := strings.Fields(text)
	sig := flow.Signal{What: flow.What(parts[0]), Actor: "me@x.y", Status: model.Delivered}
	if len(parts) > 1 {
		sig.StepRun = b.last(parts[1])
	}
	if len(parts) > 2 {
		sig.Status, sig.Comment = model.Status(parts[2]), parts[2]
	}
	if sig.Status == model.Failed || parts[len(parts)-1] == "error" {
		sig.Error = "Answered 500."
	}
	_, _, err := flow.Step(b.d, b.run, sig, b.env(func() model.StepRunID { return "srn_x" }))
	if err == nil {
		b.step(sig)
	}
	return err
}

func TestWaysThroughAGraph(t *testing.T) {
	for _, x := range []struct {
		name  string
		graph []string
		moves []string // signals, and "= state" between them
	}{
		{"one after the other", []string{"a task > b", "b outgoing > c", "c end"},
			[]string{"= a=open waiting", "complete a", "= a=completed b=waiting running", "settled b", "= a=completed b=completed c=completed completed"}},
		{"conditions choose", []string{"a task > b?yes c?no d?broken", "b end", "c end", "d end"},
			[]string{"complete a", "= a=completed b=completed completed"}},
		{"no way goes on", []string{"a task > b?no", "b end"}, []string{"complete a", "= a=completed completed"}},
		{"side by side, joined", []string{"a task > b c", "b task > d", "c outgoing > d", "d task all > e", "e end"},
			[]string{"complete a", "complete b", "= a=completed b=completed c=waiting d=joining running", "settled c", "= a=completed b=completed c=completed d=open waiting",
				"complete d", "= a=completed b=completed c=completed d=completed e=completed completed"}},
		{"side by side, not joined", []string{"a task > b c", "b task > d", "c task > d", "d task"},
			[]string{"complete a", "complete b", "complete c", "= a=completed b=completed c=completed d=open d=open waiting"}},
		{"a join does not wait for a way that was not taken", []string{"a task > b c?no", "b task > d", "c task > d", "d task all"},
			[]string{"complete a", "complete b", "= a=completed b=completed d=open waiting"}},
		{"a join waits for what is further away", []string{"a task > b c", "b task > d", "c task > x", "x task > d?yes", "d task all"},
			[]string{"complete a", "complete b", "complete c", "= a=completed b=completed c=completed d=joining x=open waiting", "complete x",
				"= a=completed b=completed c=completed d=open x=completed waiting"}},
		{"rejected, back, again", []string{"a task > b c", "b approval back:a > e", "c task > e", "e end all"},
			[]string{"complete a", "reject b because", "= a=completed b=rejected c=abandoned a=open waiting", "complete a", "approve b",
				"= a=completed b=rejected c=abandoned a=completed b=completed c=open e=joining waiting", "complete c",
				"= a=completed b=rejected c=abandoned a=completed b=completed c=completed e=completed completed"}},
		{"rejected to the end", []string{"a task > b c", "b approval > e", "c outgoing > e", "e end"},
			[]string{"complete a", "reject b because", "= a=completed b=rejected c=abandoned rejected", "settled c", "= a=completed b=rejected c=abandoned rejected"}},
		{"all must approve", []string{"a parallel_approval by:x@y.z,v@w.x > b", "b end"},
			[]string{"approve a", "= a=open waiting", "approve a", "= a=completed b=completed completed"}},
		{"one of all rejects", []string{"a parallel_approval by:x@y.z,v@w.x > b", "b end"}, []string{"approve a", "reject a no", "= a=rejected rejected"}},
		{"one after the other approves", []string{"a sequential_approval by:x@y.z,initiator,role:R > b", "b end"},
			[]string{"approve a", "approve a", "= a=open waiting", "approve a", "= a=completed b=completed completed"}},
		{"a failure is a branch", []string{"a outgoing > b?yes c?no", "b end", "c end"}, []string{"settled a failed", "= a=failed b=completed completed"}},
		{"a failure is the end", []string{"a outgoing failing > b", "b end"}, []string{"settled a failed", "= a=failed failed"}},
		{"nothing to send", []string{"a outgoing failing > b", "b end"}, []string{"settled a skipped", "= a=skipped b=completed completed"}},
		{"a script fails", []string{"a script > b", "b end"}, []string{"scripted a x error", "= a=failed failed"}},
		{"paused", []string{"a outgoing > b", "b task"},
			[]string{"pause", "settled a", "= a=completed paused", "resume", "= a=completed b=open waiting", "pause", "resume", "cancel", "= a=completed b=abandoned cancelled"}},
		{"too long", []string{"a task"}, []string{"expired", "= a=abandoned failed"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := graph(t, x.graph...)
			for _, m := range x.moves {
				if want, is := strings.CutPrefix(m, "= "); is {
					if got := b.state(); got != want {
						t.Fatalf("want %s\n got %s", want, got)
					}
				} else if err := b.hear(m); err != nil {
					t.Fatalf("%s: %v", m, err)
				}
			}
		})
	}
}

func TestWhatPeopleMayNotDo(t *testing.T) {
	b := graph(t, "a task > b", "b approval")
	refused := func(move, code string) {
		t.Helper()
		if err := b.hear(move); fault.Of(err) == nil || fault.Of(err).Code != code {
			t.Errorf("%s: %v", move, err)
		}
	}
	refused("approve a", "wrong_kind")
	refused("resume", "not_paused")
	_ = b.hear("pause")
	refused("complete a", "paused")
	refused("pause", "paused")
	_ = b.hear("resume")
	_ = b.hear("complete a")
	refused("complete a", "task_closed")
	refused("complete b", "wrong_kind")
	refused("reject b", "") // without a comment: a complaint about the field
	_ = b.hear("approve b")
	refused("cancel", "run_ended")
}

func TestALoopComesToAnEnd(t *testing.T) {
	b := graph(t, "a end > b", "b end > a") // no such definition can be saved; the engine ends it all the same
	if b.run.Status != model.RunFailed || len(b.run.Steps) != model.MaxStepRuns || !strings.Contains(b.run.Error, "loop") {
		t.Errorf("%s %d %s", b.run.Status, len(b.run.Steps), b.run.Error)
	}
}

func TestAssigneesComeFromFields(t *testing.T) {
	b := graph(t, "a task by:initiator,role:R > b", "b parallel_approval by:field:a.f,field:trigger.boss,field:a.none,initiator")
	run, effects, err := flow.Step(b.d, withData(b.run), flow.Signal{What: flow.Complete, StepRun: b.last("a"), Actor: "x@y.z",
		Fields: []model.FieldValue{{Key: "f", Value: "p@x.y, q@x.y"}}}, flow.Env{Now: time.Unix(1, 0), NewID: func() model.StepRunID { return "srn_9" }})
	var asked []string
	for _, e := range effects {
		if e.Do == flow.Ask {
			asked = append(asked, fmt.Sprint(e.Assignees))
		}
	}
	if got := strings.Join(asked, ""); err != nil || got != "[p@x.y][q@x.y][boss@x.y][field:a.none][ini@x.y]" || len(run.Steps) != 2 {
		t.Errorf("%s %v", got, err)
	}
}

func withData(r model.Run) model.Run {
	r.Data = []byte(`{"boss":"boss@x.y"}`)
	return r
}

func TestWhatTemplatesSee(t *testing.T) {
	b := graph(t, "a task > b", "b outgoing > c", "c outgoing")
	b.run.Number, b.run.Subject, b.run.Data = 7, "S", []byte(`{"n":12345678901234567890,"x":"<>"}`)
	b.run.Event = model.RunEvent{ID: "evt_1", Name: "order.created", Time: time.Unix(1e9, 0)}
	b.step(flow.Signal{What: flow.Complete, StepRun: b.last("a"), Actor: "p@x.y", Fields: []model.FieldValue{{Key: "f", Name: "F", Type: "text", Value: "<v>"}}})
	b.step(flow.Signal{What: flow.Settled, StepRun: b.last("b"), Status: model.Delivered, Response: &model.Response{Status: 201, Headers: map[string]string{"X": "y"}, Body: []byte(`{"ok":true}`)}})
	got := string(flow.Input(b.d, &b.run, b.run.Step(b.last("c"))))
	want := `{"data":[{"n":12345678901234567890,"x":"<>"}],"events":[{"id":"evt_1","name":"order.created","subject":"","time":"2001-09-09T01:46:40.000Z","data":{"n":12345678901234567890,"x":"<>"}}],` +
		`"run":{"id":"run_1","number":7,"subject":"S","data":{"n":12345678901234567890,"x":"<>"},"initiator":"ini@x.y"},"step":{"key":"c","name":"C"},` +
		`"steps":{"a":{"status":"completed","fields":{"f":"<v>"},"decisions":[],"output":null,"response":null},` +
		`"b":{"status":"completed","fields":{},"decisions":[],"output":null,"response":{"status":201,"headers":{"X":"y"},"body":{"ok":true}}},` +
		`"c":{"status":"waiting","fields":{},"decisions":[],"output":null,"response":null}}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
