package bench

import (
	"context"
	"fmt"
)

// lots asks whether deliveries go on while far more events are accepted than can be delivered: many in each request.
func lots(ctx context.Context, s *server, rx *receiver) error {
	if _, err := s.saturate(ctx, rx, "bench.plain"); err != nil { // warm
		return err
	}
	s.say("%d connections, %s a load; what was accepted and not delivered meanwhile waits in the database", s.o.Connections, s.o.Load)
	for _, lot := range []int{1, 10, 100} {
		r, err := s.flatOut(ctx, rx, s.lots("bench.plain", lot))
		if err != nil {
			return err
		}
		s.say("%3d a request    accepted %.0f/s; delivered %.0f/s meanwhile, %.0f/s over all; accept to received p50 %.1f ms, p99 %.1f ms; %.0f µs of processor an event; memory %.0f MiB; missing %d, more than once %d",
			lot, r.accepted, r.meanwhile, r.delivered, r.p50, r.p99, r.cpu, r.memory, r.missing, r.twice)
		if r.missing > 0 {
			return fmt.Errorf("%d accepted events were not received", r.missing)
		}
	}
	return nil
}
