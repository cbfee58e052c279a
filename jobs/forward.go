package jobs

import (
	"context"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
	"waybill/jobs/dispatch"
)

// Forwarded is one attempt of a schedule that was played through.
type Forwarded struct {
	At      time.Duration // since the message was made, as it would be
	Status  int           // 0 = no answer
	Error   string
	Verdict model.Status
	Wait    time.Duration // until the next attempt; 0 = there is none
}

// mostForwarded bounds how many attempts are played.
const mostForwarded = 60

// FastForward plays a whole schedule (seconds before attempt 1, 2, …) against a path of the built-in receiver: the attempts and
// their verdicts are real, the waits between them are not waited for. Timeouts are a second. Jitter is left out.
func (s *Service) FastForward(ctx context.Context, path string, schedule []int) ([]Forwarded, error) {
	d := model.Destination{ID: "dst_forward", Name: "Fast forward", Path: path, RetrySchedule: schedule, Enabled: true}
	d.Clean()
	var bad fault.Check
	bad.Join("", d.Check())
	if strings.Contains(path, "{{") || strings.Contains(path, "://") {
		bad.Add("path", "A path of the built-in receiver, such as fail/3.")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	c := model.Connection{ID: "con_forward", Name: "Built-in receiver", Type: model.ConnectionWebhook, BaseURL: "http://" + ReceiverHost, TimeoutSeconds: 1, Enabled: true}
	u := deliver.Setup{Connection: c, Destination: d}.Ready()
	start := s.o.Now()
	now := start
	sender := s.previews
	sender.Now = func() time.Time { return now }
	now = now.Add(time.Duration(d.RetrySchedule[0]) * time.Second)
	w := model.Work{Event: SampleEvent(start), Delivery: model.Delivery{ID: model.NewDeliveryID(start), Status: model.Pending}}
	var out []Forwarded
	for len(out) < mostForwarded {
		r := sender.Deliver(ctx, u, &w)
		if r.Kind == deliver.Cut {
			return out, ctx.Err()
		}
		const middle = 0.5 // of the jitter: none
		o := dispatch.Next(w.Delivery, r, d.RetrySchedule, now, middle)
		f := Forwarded{At: now.Sub(start), Error: o.Error, Verdict: o.Status}
		if r.Attempt != nil {
			f.Status = r.Attempt.StatusCode
		}
		w.Delivery.Attempts++
		w.Delivery.Status = o.Status
		if o.NextAt.IsZero() || o.Status.Settled() {
			return append(out, f), nil
		}
		f.Wait = o.NextAt.Sub(now)
		out, now = append(out, f), o.NextAt
	}
	return out, nil
}
