package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"waybill/db/model"
	"waybill/jobs/dispatch"
)

// Gate is what decided something about a delivery on its way out: a lane, an order, a limit, the breaker, a batch, or the
// network rules.
type Gate struct {
	Kind   string // lane, order, breaker, rate, concurrency, batch, network
	Result string // bulk, waited, waits, joined, refused
	Words  string // the rule, in words
	Took   time.Duration
	Until  time.Time // zero = not known, or over
}

// mostGates is how many deliveries of an event are looked at for what decided about them.
const mostGates = 100

// gates tells what decided about a delivery, in the order of its way.
func (s *Service) gates(ctx context.Context, snap *snapshot, d model.Delivery) ([]Gate, error) {
	attempts, err := s.o.Store.Attempts(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	dest := snap.Destinations[d.DestinationID]
	shared := snap.shares[dest.ConnectionID]
	var out []Gate
	if d.Lane == model.Bulk {
		out = append(out, Gate{Kind: "lane", Result: "bulk", Words: bulkWords(d, len(attempts))})
	}
	if d.Batched() {
		out = append(out, Gate{Kind: "batch", Result: "joined", Words: fmt.Sprintf("It goes with others in one message, %s: up to %d events, or what comes within %d ms.", d.BatchID, dest.BatchSize, dest.BatchWaitMS)})
	}
	waited := map[string]time.Duration{}
	for _, a := range attempts {
		waited[a.Timings.WaitedFor] += time.Duration(a.Timings.Waited) * time.Microsecond
	}
	for _, why := range []dispatch.Waits{dispatch.WaitsOrder, dispatch.WaitsBreaker, dispatch.WaitsRate, dispatch.WaitsPlace, dispatch.WaitsBatch} {
		if took := waited[string(why)]; took > 0 {
			out = append(out, Gate{Kind: string(why), Result: "waited", Words: gateWords(why, dest, shared), Took: took})
		}
		if d.WaitingFor == string(why) {
			out = append(out, Gate{Kind: string(why), Result: "waits", Words: gateWords(why, dest, shared), Until: d.WaitingUntil})
		}
	}
	if i := slices.IndexFunc(attempts, func(a model.Attempt) bool { return a.Class == model.ClassRefused }); i >= 0 {
		out = append(out, Gate{Kind: "network", Result: "refused", Words: attempts[i].Error})
	}
	return out, nil
}

func bulkWords(d model.Delivery, attempts int) string {
	switch {
	case d.ReplayOf != "":
		return "It is a replay, which goes in the bulk lane, behind realtime."
	case attempts >= dispatch.LateFrom:
		return fmt.Sprintf("Attempt %d and later go in the bulk lane, behind realtime.", dispatch.LateFrom+1)
	}
	return "It goes in the bulk lane, behind realtime."
}

func gateWords(why dispatch.Waits, d model.Destination, shared dispatch.Share) string {
	switch why {
	case dispatch.WaitsOrder:
		return "One message of a subject at a time: an earlier one of the same subject was not settled."
	case dispatch.WaitsBreaker:
		return "The destination failed too often: nothing more is sent to it until a message that tries it goes through."
	case dispatch.WaitsRate:
		if shared.Rate > 0 && (d.Rate == 0 || d.Rate > shared.Rate) {
			return fmt.Sprintf("At most %g messages a second go to %s, over all destinations that lead there.", shared.Rate, shared.Key)
		}
		return fmt.Sprintf("At most %g messages a second go there.", d.Rate)
	case dispatch.WaitsPlace:
		if shared.MaxInFlight > 0 {
			return fmt.Sprintf("At most %d requests to %s are under way at once, over all destinations that lead there.", shared.MaxInFlight, shared.Key)
		}
		return fmt.Sprintf("At most %d requests are under way there at once, and so many in all.", d.MaxInFlight)
	case dispatch.WaitsBatch:
		return fmt.Sprintf("It waited for others to go along, up to %d ms.", d.BatchWaitMS)
	}
	return ""
}
