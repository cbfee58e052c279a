package jobs

import (
	"context"
	"slices"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// result is what the response's template sees of the outcome besides the call: members of `it`. why is in words when
// there is no result, or not in time.
func (x *reception) result(ctx context.Context, id model.ReceiptID, done db.Received) (more, why string) {
	c := done.Call
	if done.First != "" || c.State == model.CallMapping {
		var err error
		if c, err = x.settledCall(ctx, id); err != nil {
			return "", tooLong
		}
	}
	b := appendText([]byte(`,"receipt":`), string(id))
	b = append(b, `,"raised":[`...)
	for i, id := range c.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, string(id))
	}
	b = append(b, ']')
	waits := x.a.route.Response.Mode == model.ResponseRun
	if len(c.Runs) == 0 && waits {
		if c.Reason != "" {
			return "", "No run came of it: " + c.Reason
		}
		return "", "No run came of it."
	}
	if len(c.Runs) > 0 {
		run, err := x.s.awaitRun(ctx, model.RunID(c.Runs[0]), waits)
		if err != nil {
			return "", tooLong
		}
		b = append(append(b, `,"run":`...), x.s.shownRun(ctx, run)...)
	}
	return string(b), ""
}

const tooLong = "Its result was not there in time."

// between bounds how often one caller who waits has the database asked.
const between = 25 * time.Millisecond

// settledCall is a stored call as soon as its mapping is done.
func (x *reception) settledCall(ctx context.Context, id model.ReceiptID) (c model.InboundCall, err error) {
	err = until(ctx, &x.s.inboundWatch, func() (bool, error) {
		c, err = x.s.o.Store.InboundCall(ctx, x.call.EndpointID, id)
		return c.State != model.CallMapping, err
	})
	return c, err
}

// awaitRun is a run when it has ended, or as it is now.
func (s *Service) awaitRun(ctx context.Context, id model.RunID, ended bool) (run model.Run, err error) {
	err = until(ctx, &s.watchers, func() (bool, error) {
		run, err = s.o.Store.Run(ctx, id)
		return !ended || run.Status.Ended(), err
	})
	return run, err
}

// until asks there again after every change, until it is so, fails, or ctx ends.
func until(ctx context.Context, w *watchers, there func() (bool, error)) error {
	changed, stop := w.watch(0)
	defer stop()
	pause := time.NewTicker(between)
	defer pause.Stop()
	for {
		if yes, err := there(); yes || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// shownRun is a run as the template of an answer sees it: as any template does, with its status, error and steps.
func (s *Service) shownRun(ctx context.Context, run model.Run) []byte {
	b := flow.Run(&run)
	b = append(b[:len(b)-1], `,"status":`...)
	b = appendText(b, string(run.Status))
	b = appendText(append(b, `,"error":`...), run.Error)
	b = append(b, `,"steps":`...)
	p, err := s.programs.of(run.WorkflowID, run.Definition, s.readVersion(ctx))
	if err != nil { // the workflow was deleted meanwhile
		return append(b, `{}}`...)
	}
	return append(append(b, flow.Steps(p.Definition, &run)...), '}')
}

// outcomeOfRuns adds what became of the runs that a call started or moved on, and of those that the events started which it
// raised, with their messages.
func (s *Service) outcomeOfRuns(ctx context.Context, out *Receipt) error {
	for _, id := range out.Call.Runs {
		run, err := s.o.Store.Run(ctx, model.RunID(id))
		if fault.Is(err, fault.NotFound) { // taken by retention, or with its workflow
			run = model.Run{ID: model.RunID(id)}
		} else if err != nil {
			return err
		}
		if err := s.addRun(ctx, out, run); err != nil {
			return err
		}
	}
	for _, id := range out.Call.Events {
		list, _, err := s.o.Store.Runs(ctx, db.RunFilter{EventID: id}, db.Page{Limit: mostReceipt})
		if err != nil {
			return err
		}
		for _, run := range list {
			if err := s.addRun(ctx, out, run); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) addRun(ctx context.Context, out *Receipt, run model.Run) error {
	if slices.ContainsFunc(out.Runs, func(r model.Run) bool { return r.ID == run.ID }) {
		return nil
	}
	out.Runs = append(out.Runs, run)
	list, _, err := s.o.Store.Deliveries(ctx, db.DeliveryFilter{RunID: run.ID}, db.Page{Limit: mostReceipt})
	out.Deliveries = append(out.Deliveries, list...)
	return err
}
