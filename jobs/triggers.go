package jobs

import (
	"slices"
	"strings"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/filter"
)

// begin is one published workflow that an event starts, ready to decide.
type begin struct {
	db.Starter
	filter *filter.Program // nil = always
	broken string
}

// newBegins compiles the filters of triggers, or takes them over from old. They are in the order of the workflows' ids.
func newBegins(all map[model.WorkflowID]db.Starter, old *snapshot) []*begin {
	was := map[model.WorkflowID]*begin{}
	if old != nil {
		for _, b := range old.begins {
			was[b.ID] = b
		}
	}
	var out []*begin
	for _, w := range all {
		if w.Trigger.Kind != model.TriggerEvent {
			continue
		}
		b := &begin{Starter: w}
		if o := was[w.ID]; o != nil && o.Number == w.Number {
			b.filter, b.broken = o.filter, o.broken
		} else if w.Trigger.Filter != "" {
			p, problem := filter.Compile(w.Trigger.Filter)
			if b.filter = p; problem != nil {
				b.broken = problem.Message
			}
		}
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *begin) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// decide is the trigger's word on an event, with the filter's value or error.
func (b *begin) decide(env *filter.Env, depth int) (model.MetWord, string) {
	switch {
	case !b.Enabled:
		return model.MetFlowOff, ""
	case b.broken != "":
		return model.MetError, b.broken
	}
	if b.filter != nil {
		yes, shown, err := b.filter.Eval(env)
		if err != nil {
			return model.MetError, err.Error()
		}
		if !yes {
			return model.MetFilter, shown
		}
	}
	if depth > model.MaxDepth {
		return model.MetLooping, ""
	}
	return model.MetStarted, ""
}

// decideRuns asks the triggers that fit an event, and has the runs that it starts stored in the same commit, once; runs
// that may wait for it hear of it after the commit.
func (s *Service) decideRuns(snap *snapshot, p *db.Publication) {
	var starts []*begin
	var env *filter.Env
	for _, b := range snap.begins {
		if !model.Matches(b.Trigger.Event, p.Event.Name) {
			continue
		}
		if env == nil {
			env = filter.NewEnv(p.Event)
		}
		m := model.Met{Workflow: b.ID, Name: b.Name}
		if m.Result, m.Detail = b.decide(env, p.Event.Depth); m.Result == model.MetStarted {
			starts = append(starts, b)
		}
		p.Event.Met = append(p.Event.Met, m)
	}
	awaited := snap.Awaits && p.Event.Depth <= model.MaxDepth
	if len(starts) == 0 && !awaited {
		return
	}
	e := p.Event
	p.Then = func(tx *db.Tx) error {
		for _, b := range starts {
			_, err := s.StartIn(tx, NewRun{WorkflowID: b.ID, Number: b.Number, Trigger: model.TriggerEvent, Subject: e.Subject, Data: e.Data, Depth: e.Depth,
				Event: model.RunEvent{ID: e.ID, Name: e.Name, Subject: e.Subject, Time: e.Time, Traceparent: s.tracer.Event(e)}})
			if err != nil && fault.Of(err) == nil {
				return err
			}
		}
		if !awaited {
			return nil
		}
		some, err := tx.Awaited(e.Name)
		if err != nil || !some {
			return err
		}
		return s.timers.set(tx, db.Timer{Due: tx.Now(), Kind: timerEvent, Ref: string(e.ID)})
	}
}
