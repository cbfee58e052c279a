package deliver

import (
	"context"

	"waybill/db/model"
	"waybill/jobs/connector"
)

// Probe makes one request that shows whether a connection works, with its credential and its certificates; u is its set-up
// without a destination.
func (s *Sender) Probe(ctx context.Context, u *Setup, probe connector.Probe) Result {
	p := &Prepared{Setup: u, Work: &model.Work{}, Request: probe.Request}
	p.Request.Scope = u.Scope
	a, x, err := s.asks(ctx, p)
	if a == nil {
		return s.noted(u, s.unprepared(ctx, p.Work, u, refusedOr(err, Again, model.ClassAuth)))
	}
	v := connector.JudgeError(err)
	if err == nil {
		v = probe.Judge(connector.Answer{Connection: u.Connection, Exchange: x, Now: s.Now()})
	}
	r := Result{Attempt: a, Kind: kindOf(v)}
	if !v.Success {
		a.Class, a.Error = v.Class, u.Redact.With(p.Applied.Token).Text(v.Words)
		r.Error = a.Error
	}
	return s.noted(u, r)
}
