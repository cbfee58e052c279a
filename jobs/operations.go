package jobs

import (
	"context"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/housekeeping"
)

// House keeps the store within its bounds.
func (s *Service) House() *housekeeping.Keeper { return s.house }

// startOperations begins what works beside delivering.
func (s *Service) startOperations() {
	go s.keepReplays()
	go s.house.Run(s.stopped)
	go s.exporter.Run(s.stopped)
	go s.keepFiles()
}

// UpdateStorage checks and stores how long and how much is kept.
func (s *Service) UpdateStorage(ctx context.Context, actor model.Actor, n model.Storage) error {
	n = n.Over(s.house.Fixed())
	var bad fault.Check
	bad.Join("", n.Check())
	if err := bad.Err(); err != nil {
		return err
	}
	return s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.UpdateStorage(n) })
}
