package db

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

const claimTarget = model.TargetID("dst_00000000000000000000000001")

// wait stores deliveries that wait in the database, due one second after the other, the first one ten seconds ago.
func wait(t *testing.T, s *Store, more func(i int, e *model.Event, d *model.Delivery), n int) (ids []model.DeliveryID) {
	t.Helper()
	ctx, now := context.Background(), time.Now()
	version, err := s.Version(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := model.Event{ID: model.NewEventID(now), Name: "order.created", Time: now, CreatedAt: now, Data: fmt.Appendf(nil, "%d", i)}
		d := model.Delivery{ID: model.NewDeliveryID(now), TargetID: claimTarget, DestinationID: model.DestID(claimTarget), Lane: model.Realtime, Status: model.Pending,
			NextAttemptAt: now.Add(time.Duration(i-10) * time.Second), CreatedAt: now, Version: 1}
		if more != nil {
			more(i, &e, &d)
		}
		if _, err := s.Publish(ctx, version, []Publication{{Event: e, Deliveries: []model.Delivery{d}, Owners: []model.NodeID{""}}}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.ID)
	}
	return ids
}

func write(t *testing.T, s *Store, fn func(tx *Tx) error) {
	t.Helper()
	if err := s.Write(context.Background(), model.System("test"), fn); err != nil {
		t.Fatal(err)
	}
}

// attempted has a person send a delivery at once, and stores what became of it.
func attempted(t *testing.T, s *Store, id model.DeliveryID, o model.Outcome) {
	t.Helper()
	var work []model.Work
	write(t, s, func(tx *Tx) (err error) {
		if _, err = tx.RetryDelivery(id); err == nil {
			work, err = tx.Take("nod_1", id)
		}
		return err
	})
	o.Attempt = &model.Attempt{ID: model.NewAttemptID(time.Now()), StartedAt: time.Now(), StatusCode: 429}
	finished(t, s, work[0], o)
}

func finished(t *testing.T, s *Store, w model.Work, o model.Outcome) {
	t.Helper()
	done := make(chan error, 1)
	s.Finish("nod_1", &model.Ending{Work: w, Outcome: o}, nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func idsOf(work []model.Work) (ids []model.DeliveryID) {
	for _, w := range work {
		ids = append(ids, w.Delivery.ID)
	}
	return ids
}

// What changes between the reading of due deliveries and the claim is left; the next claim takes what of it is due by then.
func TestClaimOfWhatChanged(t *testing.T) {
	s, ctx, later := opened(t), context.Background(), time.Now().Add(time.Hour)
	ids := wait(t, s, nil, 7)
	due, err := s.due(ctx, claimTarget, model.Realtime, 10)
	if err != nil || len(due) != len(ids) {
		t.Fatalf("%d are due, want %d (%v)", len(due), len(ids), err)
	}
	write(t, s, func(tx *Tx) error {
		_, err := tx.CancelDelivery(ids[1])
		return err
	})
	write(t, s, func(tx *Tx) error { return tx.exec(own, "nod_other", encode(ids[2:3])) })
	write(t, s, func(tx *Tx) error {
		_, err := tx.RetryDelivery(ids[3])
		return err
	})
	attempted(t, s, ids[4], model.Outcome{Status: model.Retrying, NextAt: later}) // as a Retry-After has it
	attempted(t, s, ids[5], model.Outcome{Status: model.Pending, Held: model.HeldOutcome, Follow: &model.Follow{Reference: "r", After: time.Hour}})
	var work []model.Work
	var next time.Time
	write(t, s, func(tx *Tx) (err error) {
		work, next, err = tx.claim("nod_1", claimTarget, model.Realtime, due)
		return err
	})
	if diff := cmp.Diff([]model.DeliveryID{ids[0], ids[6]}, idsOf(work)); diff != "" {
		t.Error(diff)
	}
	if next.IsZero() || next.After(time.Now()) {
		t.Errorf("the next one is due at %v, want now", next)
	}
	work, next, err = s.Claim(ctx, "nod_1", claimTarget, model.Realtime, 10)
	if diff := cmp.Diff(ids[3:4], idsOf(work)); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if !next.Equal(later.UTC().Truncate(time.Millisecond)) {
		t.Errorf("the next one is due at %v, want %v", next, later)
	}
}

// A message that was parted since it was read is left whole, in its order.
func TestClaimOfAPartedBatch(t *testing.T) {
	s, ctx := opened(t), context.Background()
	wait(t, s, func(_ int, _ *model.Event, d *model.Delivery) { d.Ordered, d.OrderKey = true, "k" }, 2)
	work, _, err := s.Claim(ctx, "nod_1", claimTarget, model.Realtime, 10)
	if err != nil || len(work) != 1 {
		t.Fatal(len(work), err)
	}
	formed := make(chan []model.Work, 1)
	s.Form("nod_1", work, 1, 1<<20, func(f []model.Work, _ error) { formed <- f })
	batch := <-formed
	if len(batch) != 2 {
		t.Fatalf("a batch of %d", len(batch))
	}
	lead := batch[0]
	lead.Batch = batch
	finished(t, s, lead, model.Outcome{Status: model.Retrying, NextAt: time.Now().Add(-time.Second)})
	due, err := s.due(ctx, claimTarget, model.Realtime, 10)
	if err != nil || len(due) != 2 {
		t.Fatalf("%d are due (%v)", len(due), err)
	}
	later := model.Fate{Status: model.Retrying, NextAt: time.Now().Add(time.Hour)}
	attempted(t, s, batch[1].Delivery.ID, model.Outcome{Status: model.Retrying, Each: []model.Fate{later, later}})
	write(t, s, func(tx *Tx) (err error) {
		work, _, err = tx.claim("nod_1", claimTarget, model.Realtime, due)
		return err
	})
	if len(work) > 0 {
		t.Errorf("claimed: %v", idsOf(work))
	}
	var owned int
	if err := s.readers.QueryRow("SELECT count(*) FROM deliveries WHERE owner <> ''").Scan(&owned); err != nil || owned > 0 {
		t.Errorf("%d are owned and in no memory (%v)", owned, err)
	}
}

// Claims go on while pages read all the time.
func TestClaimBesideReaders(t *testing.T) {
	s, ctx := opened(t), context.Background()
	wait(t, s, nil, 3)
	for range s.readers.Stats().MaxOpenConnections {
		tx, err := s.readers.BeginTx(ctx, readOnly)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
	}
	if work, _, err := s.Claim(ctx, "nod_1", claimTarget, model.Realtime, 10); err != nil || len(work) != 3 {
		t.Errorf("%d were claimed (%v)", len(work), err)
	}
}

// One claim brings a bounded amount of data into memory, and at least one delivery.
func TestClaimIsBounded(t *testing.T) {
	s := opened(t)
	wait(t, s, func(i int, e *model.Event, _ *model.Delivery) {
		if e.Data = make([]byte, claimBytes/2-1); i == 3 {
			e.Data = make([]byte, claimBytes+1)
		}
	}, 5)
	var got []int
	for {
		work, next, err := s.Claim(context.Background(), "nod_1", claimTarget, model.Realtime, 10)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, len(work)); next.IsZero() {
			break
		}
	}
	if diff := cmp.Diff([]int{2, 1, 1, 1}, got); diff != "" {
		t.Error(diff)
	}
}
