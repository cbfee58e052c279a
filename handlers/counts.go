package handlers

import (
	"context"
	"sync"
	"time"

	"waybill/db/model"
	"waybill/views"
	"waybill/views/ui"
)

// navCounts remembers for some seconds what the navigation counts: it stands on every page.
type navCounts struct {
	mu           sync.Mutex
	at           time.Time
	failed, held int64
}

// countsLast is how long counts of the navigation are good for.
const countsLast = 5 * time.Second

// counts are what the navigation tells beside its pages: what failed or is held, to those who may see deliveries.
func (h *Handlers) counts(ctx context.Context, rights model.Rights) map[string]views.NavCount {
	if !rights.Has(model.Deliveries.View()) {
		return nil
	}
	k, now := &h.nav, h.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if age := now.Sub(k.at); age < 0 || age >= countsLast {
		failed, held, err := h.Store.Needs(ctx, now.Add(-24*time.Hour))
		if err != nil {
			h.Log.Warn("the navigation could not be counted", "err", err)
			return nil
		}
		k.at, k.failed, k.held = now, failed, held
	}
	if k.failed+k.held == 0 {
		return nil
	}
	words := ui.Count(k.failed) + " failed in 24 hours"
	if k.held > 0 {
		words += ", " + ui.Count(min(k.held, model.MostCounted)) + " held"
	}
	return map[string]views.NavCount{"deliveries": {N: k.failed + k.held, Words: words}}
}
