package flow

import (
	"fmt"
	"slices"
	"time"

	"waybill/db/model"
)

// open begins a step.
func (w *walk) open(def model.Step, previous []model.StepRunID) {
	if len(w.run.Steps) >= model.MaxStepRuns {
		w.end(model.RunFailed, fmt.Sprintf("The run passed through %d steps; look for a loop in the workflow.", model.MaxStepRuns))
		return
	}
	w.run.Steps = append(w.run.Steps, model.StepRun{ID: w.env.NewID(), Key: def.Key, Name: def.Name, Kind: def.Kind, Previous: previous})
	w.begin(&w.run.Steps[len(w.run.Steps)-1], def)
}

// begin asks for what the step is made of.
func (w *walk) begin(s *model.StepRun, def model.Step) {
	s.OpenedAt, s.Status, s.Joining = w.env.Now, model.StepWaiting, false
	for _, hook := range def.Webhooks {
		w.notify(s, hook, model.OnCreated)
	}
	switch def.Kind {
	case model.StepTask, model.StepApproval, model.StepParallel, model.StepSequential:
		w.ask(s, def)
	case model.StepOutgoing:
		w.do(Effect{Do: Send, StepRun: s.ID})
	case model.StepScript:
		w.do(Effect{Do: Script, StepRun: s.ID})
	case model.StepWait:
		w.wait(s, def.Wait)
	default: // an end
		w.finish(s, model.StepCompleted)
	}
}

func (w *walk) notify(s *model.StepRun, hook model.Webhook, on model.WebhookTrigger) {
	if hook.Enabled && hook.Trigger == on {
		w.do(Effect{Do: Notify, StepRun: s.ID, Webhook: hook.ID, Trigger: on})
	}
}

func (w *walk) ask(s *model.StepRun, def model.Step) {
	s.Status = model.StepOpen
	who := w.people(def)
	switch def.Kind {
	case model.StepParallel:
		s.Approvers = who
		for i := range who {
			w.do(Effect{Do: Ask, StepRun: s.ID, Assignees: who[i : i+1]})
		}
	case model.StepSequential:
		s.Approvers = who
		w.do(Effect{Do: Ask, StepRun: s.ID, Assignees: who[:1]})
	default:
		w.do(Effect{Do: Ask, StepRun: s.ID, Assignees: who})
	}
	if def.DueSeconds > 0 {
		due := w.after(def.DueSeconds)
		s.DueAt = &due
		w.do(Effect{Do: SetTimer, StepRun: s.ID, Timer: TimerDue, At: due})
	}
	if def.RemindSeconds > 0 {
		w.do(Effect{Do: SetTimer, StepRun: s.ID, Timer: TimerRemind, At: w.after(def.RemindSeconds)})
	}
}

func (w *walk) after(seconds int64) time.Time {
	return w.env.Now.Add(time.Duration(seconds) * time.Second)
}

func (w *walk) wait(s *model.StepRun, wait *model.Wait) {
	switch {
	case wait == nil:
		w.finish(s, model.StepCompleted)
	case wait.Event != "":
		w.do(Effect{Do: Await, StepRun: s.ID})
		if wait.TimeoutSeconds > 0 {
			w.do(Effect{Do: SetTimer, StepRun: s.ID, Timer: TimerWait, At: w.after(wait.TimeoutSeconds)})
		}
	default:
		w.do(Effect{Do: SetTimer, StepRun: s.ID, Timer: TimerWait, At: w.after(wait.Seconds)})
	}
}

// finish ends a step in good order: its webhooks hear of it, and what follows opens.
func (w *walk) finish(s *model.StepRun, status model.StepStatus) {
	id := s.ID
	w.close(s, status)
	if w.run.Status == model.RunPaused {
		w.run.Held = append(w.run.Held, id)
		return
	}
	w.follow(id)
}

// close ends a step run and takes back what it still asked for.
func (w *walk) close(s *model.StepRun, status model.StepStatus) {
	joining, waits, open := s.Joining, s.Status == model.StepWaiting, s.Status == model.StepOpen
	now := w.env.Now
	s.Status, s.CompletedAt, s.Joining = status, &now, false
	if joining {
		return
	}
	switch {
	case open:
		w.do(Effect{Do: Withdraw, StepRun: s.ID})
		w.do(Effect{Do: Clear, StepRun: s.ID})
	case waits && s.Kind == model.StepWait:
		w.do(Effect{Do: Clear, StepRun: s.ID})
	case waits && s.Kind == model.StepOutgoing && status == model.StepAbandoned:
		w.do(Effect{Do: Recall, StepRun: s.ID})
	}
	if status == model.StepAbandoned {
		return
	}
	for _, hook := range w.definition(s.Key).Webhooks {
		w.notify(s, hook, model.OnCompleted)
	}
}

// follow opens what comes after a step run that ended.
func (w *walk) follow(id model.StepRunID) {
	def := w.definition(w.run.Step(id).Key)
	var to []model.Step
	note := ""
	for _, n := range def.Next {
		ok, words := true, ""
		if n.When != "" {
			ok, words = w.env.Holds(n.When, &w.run)
		}
		if words != "" {
			note += "The condition “" + n.When + "” counts as no: " + words + " "
		}
		if next, found := w.d.Step(n.To); ok && found {
			to = append(to, next)
		}
	}
	if len(to) == 0 && len(def.Next) > 0 {
		note += model.NoWay
	}
	if note != "" {
		w.run.Step(id).Note = note
	}
	for _, next := range to {
		if w.run.Status.Ended() {
			return
		}
		w.arrive(next, id)
	}
}

// arrive opens a step, or has it wait for its other predecessors.
func (w *walk) arrive(def model.Step, from model.StepRunID) {
	if !def.WaitForAll {
		w.open(def, []model.StepRunID{from})
		return
	}
	for i := range w.run.Steps {
		if s := &w.run.Steps[i]; s.Joining && s.Key == def.Key {
			s.Previous = append(slices.Clone(s.Previous), from)
			return
		}
	}
	if len(w.run.Steps) >= model.MaxStepRuns {
		w.open(def, nil) // says why it cannot
		return
	}
	w.run.Steps = append(w.run.Steps, model.StepRun{ID: w.env.NewID(), Key: def.Key, Name: def.Name, Kind: def.Kind, Status: model.StepWaiting,
		Joining: true, OpenedAt: w.env.Now, Previous: []model.StepRunID{from}})
}

// settle opens the joins that nothing can lead to any more, and sees whether the run is over.
func (w *walk) settle() {
	if w.run.Status.Ended() || w.run.Status == model.RunPaused {
		return
	}
	for {
		i := w.ready()
		if i < 0 {
			break
		}
		w.begin(&w.run.Steps[i], w.definition(w.run.Steps[i].Key))
		if w.run.Status.Ended() {
			return
		}
	}
	active, runs := false, false
	for _, s := range w.run.Steps {
		active = active || s.Status.Active()
		runs = runs || s.Status == model.StepWaiting && (s.Kind == model.StepOutgoing || s.Kind == model.StepScript) && !s.Joining
	}
	switch {
	case !active:
		w.end(model.RunCompleted, "")
	case runs:
		w.run.Status = model.RunRunning
	default:
		w.run.Status = model.RunWaiting
	}
}

// ready is the index of a join that can open, -1 for none. When only joins are left, each waiting for the other, the
// first one opens.
func (w *walk) ready() int {
	first, others := -1, false
	reach := map[string]map[string]bool{}
	for i, s := range w.run.Steps {
		if !s.Joining {
			others = others || s.Status.Active()
			continue
		}
		if first < 0 {
			first = i
		}
		if !w.awaited(s, reach) {
			return i
		}
	}
	if others {
		return -1
	}
	return first
}

// awaited reports whether something that is active can still lead to the join.
func (w *walk) awaited(join model.StepRun, reach map[string]map[string]bool) bool {
	for _, s := range w.run.Steps {
		if !s.Status.Active() || s.ID == join.ID {
			continue
		}
		if reach[s.Key] == nil {
			reach[s.Key] = map[string]bool{}
			for _, to := range w.definition(s.Key).Leads() {
				for key := range w.d.Reached(to) {
					reach[s.Key][key] = true
				}
			}
		}
		if reach[s.Key][join.Key] {
			return true
		}
	}
	return false
}

// abandon ends everything that is open.
func (w *walk) abandon() {
	for i := range w.run.Steps {
		if s := &w.run.Steps[i]; s.Status.Active() {
			w.close(s, model.StepAbandoned)
		}
	}
	w.run.Held = nil
}

// end ends the run.
func (w *walk) end(status model.RunStatus, why string) {
	w.abandon()
	w.run.Status, w.run.Before, w.run.Error, w.run.EndedAt = status, "", why, w.env.Now
}

// people are the assignees of a step, with fields replaced by what they hold. There is always at least one: a text that
// names nobody leaves the task to those who manage workflows, whom its run and their tasks tell of it.
func (w *walk) people(def model.Step) []string {
	var out []string
	for _, a := range def.Assignees {
		for _, who := range w.resolve(a) {
			if !slices.Contains(out, who) {
				out = append(out, who)
			}
		}
	}
	if len(out) == 0 {
		out = []string{"nobody"}
	}
	return out
}
