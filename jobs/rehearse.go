package jobs

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// Rehearsal is how a run of a draft would go with some data.
type Rehearsal struct {
	Run   model.Run
	Stuck string                           // why it did not come to its end, "" = it did
	Vain  map[model.StepRunID]*fault.Words // of steps that would ask nobody: why
}

// mostRehearsed bounds how many things happen in a rehearsal: a circle of steps would go on for ever.
const mostRehearsed = 200

// Rehearse passes a draft through with data, in memory: nothing is stored, no event raised, no task opened. People complete and
// approve everything, with the defaults of forms or examples; times elapse at once, events arrive; scripts run. Requests
// count as answered with 200, unless send asks for real ones; webhooks are never sent, and show as skipped.
func (s *Service) Rehearse(ctx context.Context, w model.Workflow, data json.RawMessage, send bool) (Rehearsal, error) {
	now := s.o.Now()
	p := newProgram(model.WorkflowVersion{WorkflowID: w.ID, Name: w.Name, Definition: w.Draft})
	run, n := StepSample(w, data, now), 0
	run.Initiator = "initiator@example.com"
	env := flow.Env{Now: now, NewID: func() model.StepRunID { n++; return model.StepRunID("srn_" + strconv.Itoa(n)) },
		Holds: func(condition string, run *model.Run) (bool, string) { return p.holds(condition, run, model.Event{}) }}
	sig, vain := flow.Signal{What: flow.Start}, map[model.StepRunID]*fault.Words{}
	for range mostRehearsed {
		next, effects, err := flow.Step(w.Draft, run, sig, env)
		if err != nil {
			return Rehearsal{run, faultWords(err), vain}, nil
		}
		run = next
		notifyNobody(&run, w.Draft, effects)
		if err := s.askNobody(ctx, run.Initiator, effects, vain); err != nil {
			return Rehearsal{}, err
		}
		if run.Status.Ended() {
			return Rehearsal{Run: run, Vain: vain}, nil
		}
		var ok bool
		if sig, ok, err = s.nextSignal(ctx, w, p, &run, now, send); err != nil {
			return Rehearsal{}, err
		} else if !ok {
			return Rehearsal{run, "Nothing more happens: steps wait for others that never come.", vain}, nil
		}
	}
	return Rehearsal{run, "It goes round in a circle; the rehearsal stopped here.", vain}, nil
}

func faultWords(err error) string {
	if f := fault.Of(err); f != nil {
		return f.Message
	}
	return err.Error()
}

// notifyNobody shows the webhooks that a run would have sent.
func notifyNobody(run *model.Run, d model.Definition, effects []flow.Effect) {
	for _, e := range effects {
		st := run.Step(e.StepRun)
		if e.Do != flow.Notify || st == nil {
			continue
		}
		def, _ := d.Step(st.Key)
		hook, _ := def.Webhook(e.Webhook)
		st.Webhooks = append(st.Webhooks, model.WebhookDelivery{ID: hook.ID, Name: hook.Name, Trigger: hook.Trigger, Status: model.Skipped})
	}
}

// askNobody notes of the steps that a rehearsal opens whom they would ask in vain.
func (s *Service) askNobody(ctx context.Context, initiator string, effects []flow.Effect, vain map[model.StepRunID]*fault.Words) error {
	for _, e := range effects {
		for _, who := range e.Assignees {
			if who == initiator {
				continue
			}
			w, err := s.absent(ctx, who)
			if err != nil {
				return err
			}
			if w != nil {
				vain[e.StepRun] = w
			}
		}
	}
	return nil
}

// nextSignal is what would happen next to a run, false when nothing would.
func (s *Service) nextSignal(ctx context.Context, w model.Workflow, p *program, run *model.Run, now time.Time, send bool) (flow.Signal, bool, error) {
	for i := range run.Steps {
		st := &run.Steps[i]
		def, _ := w.Draft.Step(st.Key)
		sig := flow.Signal{StepRun: st.ID}
		switch {
		case !st.Status.Active():
			continue
		case st.Kind == model.StepTask:
			sig.What, sig.Actor, sig.Fields = flow.Complete, actorOf(def, 0), sampleFields(def.Fields)
		case st.Kind.Approves():
			sig.What, sig.Actor = flow.Approve, actorOf(def, len(st.Decisions))
		case st.Kind == model.StepOutgoing && st.Status == model.StepWaiting:
			s.answer(ctx, w, st, run, &sig, send)
		case st.Kind == model.StepScript:
			sig.What = flow.Scripted
			var err error
			if sig.Output, sig.Error, err = s.evaluate(ctx, p, run, st.ID, now); err != nil {
				return sig, false, err
			}
		case st.Kind == model.StepWait && def.Wait != nil && def.Wait.Event != "":
			sig.What, sig.Output = flow.Happened, model.Data(`{"name":"`+def.Wait.Event+`","data":{}}`)
		case st.Kind == model.StepWait:
			sig.What = flow.Elapsed
		default: // it waits for other steps
			continue
		}
		return sig, true, nil
	}
	return flow.Signal{}, false, nil
}

// answer settles an outgoing step: as if it was answered, or with what is really answered.
func (s *Service) answer(ctx context.Context, w model.Workflow, st *model.StepRun, run *model.Run, sig *flow.Signal, send bool) {
	sig.What, sig.Status, sig.Response = flow.Settled, model.Delivered, &model.Response{Status: 200, Headers: map[string]string{}}
	if !send {
		return
	}
	a, err := s.TestStep(ctx, w, st.Key, run.Data)
	switch {
	case err != nil:
		sig.Status, sig.Response, sig.Error = model.Failed, nil, faultWords(err)
	default:
		sig.Status, sig.Response, sig.Error = a.Verdict, response(&a), a.Error
	}
}

// actorOf is whom a rehearsal takes for the n-th person at a step.
func actorOf(def model.Step, n int) string {
	if n < len(def.Assignees) {
		return def.Assignees[n]
	}
	return "somebody"
}

// sampleFields fill a form in: with its defaults, or examples.
func sampleFields(form []model.FormField) []model.FieldValue {
	var out []model.FieldValue
	for _, f := range form {
		if f.Type == model.TypeInstruction || f.Type == model.TypeFile {
			continue
		}
		out = append(out, model.FieldValue{Key: f.Key, Name: f.Name, Type: f.Type, Value: model.Example(f)})
	}
	return out
}
