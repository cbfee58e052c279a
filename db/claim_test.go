package db

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

// What changes between the reading of due deliveries and the claim is claimed as it is by then, or not at all.
func TestClaimOfWhatChanged(t *testing.T) {
	const target, other = "dst_00000000000000000000000001", "nod_other"
	s, ctx, now := opened(t), context.Background(), time.Now()
	version, err := s.Version(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var ids []model.DeliveryID
	for i := range 5 {
		e := model.Event{ID: model.NewEventID(now), Name: "order.created", Time: now, CreatedAt: now, Data: fmt.Appendf(nil, "%d", i)}
		d := model.Delivery{ID: model.NewDeliveryID(now), EventID: e.ID, TargetID: target, DestinationID: target, Lane: model.Realtime, Status: model.Pending,
			NextAttemptAt: now.Add(time.Duration(i-10) * time.Second), CreatedAt: now, Version: 1}
		if _, err := s.Publish(ctx, version, []Publication{{Event: e, Deliveries: []model.Delivery{d}, Owners: []model.NodeID{""}}}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.ID)
	}
	due, err := s.due(ctx, target, model.Realtime, 10)
	if err != nil || len(due) != len(ids) {
		t.Fatalf("%d are due, want %d (%v)", len(due), len(ids), err)
	}
	var work []model.Work
	var next time.Time
	err = s.Write(ctx, model.System("test"), func(tx *Tx) error {
		if _, err := tx.CancelDelivery(ids[1]); err != nil {
			return err
		}
		if err := tx.exec(own, other, encode(ids[2:3])); err != nil {
			return err
		}
		if _, err := tx.RetryDelivery(ids[3]); err != nil { // its version grows
			return err
		}
		work, next, err = tx.claim("nod_1", target, model.Realtime, due[:4])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	type claimed struct {
		ID      model.DeliveryID
		Version int64
		Data    string
	}
	var got []claimed
	for _, w := range work {
		got = append(got, claimed{w.Delivery.ID, w.Delivery.Version, string(w.Event.Data)})
	}
	if diff := cmp.Diff([]claimed{{ids[0], 1, "0"}, {ids[3], 2, "3"}}, got); diff != "" {
		t.Error(diff)
	}
	if want := due[4].Delivery.NextAttemptAt; !next.Equal(want) {
		t.Errorf("the next one is due at %v, want %v", next, want)
	}
	done := make(chan error, 1)
	s.Finish("nod_1", &model.Ending{Work: work[1], Outcome: model.Outcome{Status: model.Delivered}}, func(_ *Tx, taken []bool) error {
		if !taken[0] {
			t.Error("what was read again was not taken as it stands")
		}
		return nil
	}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// One claim brings a bounded amount of data into memory, and at least one delivery.
func TestClaimIsBounded(t *testing.T) {
	const target = "dst_00000000000000000000000001"
	s, ctx, now := opened(t), context.Background(), time.Now()
	version, err := s.Version(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		size := claimBytes/2 - 1
		if i == 3 {
			size = claimBytes + 1
		}
		e := model.Event{ID: model.NewEventID(now), Name: "order.created", Time: now, CreatedAt: now, Data: make([]byte, size)}
		d := model.Delivery{ID: model.NewDeliveryID(now), EventID: e.ID, TargetID: target, DestinationID: target, Lane: model.Realtime, Status: model.Pending,
			NextAttemptAt: now.Add(time.Duration(i-10) * time.Second), CreatedAt: now, Version: 1}
		if _, err := s.Publish(ctx, version, []Publication{{Event: e, Deliveries: []model.Delivery{d}, Owners: []model.NodeID{""}}}); err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	for {
		work, next, err := s.Claim(ctx, "nod_1", target, model.Realtime, 10)
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
