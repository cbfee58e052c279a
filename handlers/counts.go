package handlers

import (
	"context"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/model"
	"waybill/views"
	"waybill/views/texts"
	"waybill/views/ui"
)

// navCounts remembers for some seconds what the navigation counts: it stands on every page.
type navCounts struct {
	mu           sync.Mutex
	at           time.Time
	failed, held int64
	nouns        db.Nouns
	version      int64 // of the configuration in which nouns were counted
}

// countsLast is how long counts of the navigation are good for.
const countsLast = 5 * time.Second

// counts are what the navigation tells beside its pages: how many things there are, and to those who may see deliveries
// what failed or is held.
func (h *Handlers) counts(ctx context.Context, rights model.Rights) map[string]views.NavCount {
	k, now := &h.nav, h.Now()
	version, err := h.Store.Version(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	age := now.Sub(k.at)
	stale := age < 0 || age >= countsLast
	if err == nil && (stale || k.version != version) {
		if k.nouns, err = h.Store.Nouns(ctx); err == nil {
			k.version = version
		}
	}
	if err == nil && stale {
		k.failed, k.held, err = h.Store.Needs(ctx, now.Add(-24*time.Hour))
	}
	if err != nil {
		h.Log.Warn("the navigation could not be counted", "err", err)
		return nil
	}
	if stale {
		k.at = now
	}
	n := k.nouns
	out := map[string]views.NavCount{"workflows": {N: n.Workflows}, "actions": {N: n.Actions}, "audiences": {N: n.Audiences}, "integrations": {N: n.Integrations},
		"connections": {N: n.Connections}, "credentials": {N: n.Credentials}, "inbound": {N: n.Inbound}, "users": {N: n.Users}}
	if rights.Has(model.Deliveries.View()) && k.failed+k.held > 0 {
		out["deliveries"] = views.NavCount{N: k.failed + k.held, Words: troubleWords(ctx, k.failed, k.held)}
	}
	return out
}

func troubleWords(ctx context.Context, failed, held int64) string {
	words := texts.T(ctx, "{n} failed in 24 hours", "n", ui.Number(ctx, failed))
	if held > 0 {
		words += ", " + texts.T(ctx, "{n} held", "n", ui.Number(ctx, min(held, model.MostCounted)))
	}
	return words
}
