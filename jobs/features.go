package jobs

import (
	"context"
	"slices"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// UpdateFeatures stores which parts of Waybill are switched off. What exists of them stays and can be seen; nothing is sent
// by it, and nothing new of it is made.
func (s *Service) UpdateFeatures(ctx context.Context, actor model.Actor, n model.Features) error {
	var bad fault.Check
	for _, f := range n.Off {
		if !slices.Contains(model.AllFeatures(), f) {
			bad.Add("features."+string(f), "There is no such feature.")
		}
	}
	if err := bad.Err(); err != nil {
		return err
	}
	return s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.UpdateFeatures(n) })
}

// WantFeature is the Conflict fault ("feature_off") of a feature that is switched off, nil when it is on.
func (s *Service) WantFeature(ctx context.Context, f model.Feature) error {
	snap, err := s.routing.current(ctx)
	if err != nil || snap.Features.Has(f) {
		return err
	}
	return fault.Coded(fault.Conflict, "feature_off", "%s", f.OffWords())
}
