package jobs

import (
	"context"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/connector"
)

// Probed is one request of the test of a connection.
type Probed struct {
	Title   string
	Attempt model.Attempt
}

// TestConnection makes the requests by which the type of a connection shows that it works, in order, until one fails.
// Types that can only be tested by sending a message are a Conflict fault that says so.
func (s *Service) TestConnection(ctx context.Context, id model.ConnectionID) ([]Probed, error) {
	if err := s.accepting(ctx); err != nil {
		return nil, err
	}
	snap, err := s.routing.current(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := snap.Connections[id]
	if !ok {
		return nil, fault.Absent("connection")
	}
	if err := s.WantFeature(ctx, model.FeatureOf(c.Type)); err != nil {
		return nil, err
	}
	t, _ := connector.ByType(c.Type)
	if !t.Tests() {
		return nil, fault.Coded(fault.Conflict, "no_test", "A connection of type %s is tested by sending a message: make a destination and test that.", c.Type)
	}
	u, err := s.routing.prepare(ctx, snap, c, model.Destination{})
	if err != nil {
		return nil, err
	}
	var out []Probed
	for _, p := range t.Probes(c, s.o.Now()) {
		a := tested(s.previews.Probe(ctx, u, p), s.o.Now(), model.Destination{Method: p.Request.Method})
		out = append(out, Probed{p.Title, a})
		if a.Verdict != model.Delivered {
			break
		}
	}
	return out, nil
}
