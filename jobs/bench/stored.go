package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// little is the past of the store that a full one is measured beside: enough that every list has a page of rows.
const little = 10_000

// rounds is how often stored measures each store. They take turns, since machines do not stay as fast as they were.
const rounds = 5

// stored asks what a store full of settled deliveries costs, beside one with few in the same run.
func stored(ctx context.Context, few *server, rx *receiver) error {
	many, err := begin(ctx, few.o, rx)
	if err != nil {
		return err
	}
	defer many.remove()
	stores := []struct {
		*server
		events   int
		measured [][]float64 // of each figure, those of each round
	}{{server: few, events: little}, {server: many, events: few.o.Stored}}
	for _, s := range stores {
		if err := s.past(ctx, s.events); err != nil {
			return err
		}
		if _, err := s.saturate(ctx, rx, "bench.plain"); err != nil { // warm
			return err
		}
	}
	var names []string
	for range rounds {
		for i, s := range stores {
			figures, err := s.portrait(ctx, rx)
			if err != nil {
				return err
			}
			if s.measured == nil {
				stores[i].measured = make([][]float64, len(figures))
			}
			names = names[:0]
			for j, f := range figures {
				names = append(names, f.name)
				stores[i].measured[j] = append(stores[i].measured[j], f.value)
			}
		}
	}
	few.say("medians of %d rounds in turns", rounds)
	few.say("%-58s %9s %9s  ratio", "", "few", "many")
	for j, name := range names {
		before, after := median(stores[0].measured[j]), median(stores[1].measured[j])
		few.say("%-58s %9.2f %9.2f  %.2f", name, before, after, after/before)
	}
	return nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

type figure struct {
	name  string
	value float64
}

// portrait measures what users wait for.
func (s *server) portrait(ctx context.Context, rx *receiver) (out []figure, err error) {
	full, err := s.saturate(ctx, rx, "bench.plain")
	if err != nil {
		return nil, err
	}
	calm, err := s.calm(ctx, rx, "bench.plain", 200)
	if err != nil {
		return nil, err
	}
	out = append(out, figure{"delivered/s (more is better)", full.delivered}, figure{"µs of processor an event", full.cpu}, figure{"ms accept to received at 200/s, p50", calm.p50}, figure{"  p99", calm.p99})
	client, err := s.signIn(ctx)
	if err != nil {
		return nil, err
	}
	for _, path := range []string{"/", "/deliveries", "/deliveries?status=failed", "/deliveries?status=delivered", "/events", "/events?name=history.3", "/events?subject=order-4711",
		"/connections", "/search?q=order", "/api/v1/deliveries?limit=100", "/api/v1/events?limit=100&name=bench.plain", "/api/v1/deliveries?status=failed&limit=100"} {
		var waits []time.Duration
		for range 31 {
			asked := time.Now()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
			if err != nil {
				return nil, err
			}
			c := client
			if strings.HasPrefix(path, "/api/") {
				req.Header.Set("Authorization", "Bearer "+s.key)
				c = http.DefaultClient
			}
			resp, err := c.Do(req)
			if err != nil {
				return nil, err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				return nil, fmt.Errorf("GET %s: %w", path, err)
			}
			if resp.StatusCode != http.StatusOK {
				return nil, fmt.Errorf("GET %s answered %d", path, resp.StatusCode)
			}
			waits = append(waits, time.Since(asked))
		}
		slices.Sort(waits)
		out = append(out, figure{"ms GET " + path + ", median", float64(waits[len(waits)/2].Microseconds()) / 1000})
	}
	return out, nil
}
