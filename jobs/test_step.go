package jobs

import (
	"context"
	"encoding/json"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// TestStep makes one real exchange with the request of an outgoing step as the draft of w has it, saved or not. data
// stands for the run's. Nothing is queued, no event is raised.
func (s *Service) TestStep(ctx context.Context, w model.Workflow, key string, data json.RawMessage) (model.Attempt, error) {
	if err := s.accepting(ctx); err != nil {
		return model.Attempt{}, err
	}
	def, ok := w.Draft.Step(key)
	if !ok {
		return model.Attempt{}, fault.Absent("step")
	}
	run := StepSample(w, data, s.o.Now())
	st := model.StepRun{ID: "srn_sample", Key: def.Key, Name: def.Name, Kind: def.Kind}
	work := model.Work{Delivery: model.Delivery{ID: "dlv_sample", Step: def.Key, RunID: run.ID}, Payload: flow.Input(w.Draft, &run, &st)}
	if def.DestinationID != "" {
		d, err := s.o.Store.Destination(ctx, def.DestinationID)
		if err != nil {
			return model.Attempt{}, err
		}
		u, err := s.draft(ctx, d)
		if err != nil {
			return model.Attempt{}, err
		}
		work.Delivery.DestinationID, work.Delivery.Destination = d.ID, d.Name
		return tested(s.previews.Deliver(ctx, u, &work), s.o.Now(), d), nil
	}
	spec, err := s.specOf(ctx, def)
	if err != nil {
		return model.Attempt{}, err
	}
	return s.testRequest(ctx, stepKey{workflow: w.ID, step: key}, def, spec, work)
}

// TestIntegration makes one real exchange with the draft of an integration, saved or not. input stands for what a step fills
// in, data for the run's. Nothing is queued, no event is raised.
func (s *Service) TestIntegration(ctx context.Context, n model.Integration, input map[string]any, data json.RawMessage) (model.Attempt, error) {
	if err := s.accepting(ctx); err != nil {
		return model.Attempt{}, err
	}
	var bad fault.Check
	_, missing := inputs(n.Draft.Fields, input)
	if bad.Join("", missing); bad.Err() != nil {
		return model.Attempt{}, bad.Err()
	}
	def := model.Step{Key: "step", Name: n.Name, Kind: model.StepOutgoing, IntegrationID: n.ID, Input: input}
	run := StepSample(model.Workflow{Name: "Sample"}, data, s.o.Now())
	st := model.StepRun{ID: "srn_sample", Key: def.Key, Name: def.Name, Kind: def.Kind}
	work := model.Work{Delivery: model.Delivery{ID: "dlv_sample", Step: def.Key, RunID: run.ID}, Payload: flow.Input(model.Definition{}, &run, &st)}
	return s.testRequest(ctx, stepKey{step: def.Key}, def, n.Draft, work)
}

func (s *Service) testRequest(ctx context.Context, key stepKey, def model.Step, spec model.IntegrationSpec, work model.Work) (model.Attempt, error) {
	if spec.Request.URL == "" {
		var bad fault.Check
		bad.Add("request.url", "Where the request goes, for instance https://api.example.com/orders.")
		return model.Attempt{}, bad.Err()
	}
	snap, err := s.routing.current(ctx)
	if err != nil {
		return model.Attempt{}, err
	}
	u, err := s.requestSetup(ctx, snap, key, def, spec)
	if err != nil {
		return model.Attempt{}, err
	}
	return tested(s.previews.Deliver(ctx, u, &work), s.o.Now(), u.Destination), nil
}
