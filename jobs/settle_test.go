package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
)

// A receiver says that it is gone for good, for a destination that was deleted meanwhile: the attempt is recorded and
// the place in memory is free again.
func TestGoneAndDeleted(t *testing.T) {
	d := newDesk(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	d.answers(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		w.WriteHeader(http.StatusGone)
	})
	id := d.publish("order.created", order).ID
	<-asked
	d.write(func(tx *db.Tx) error { return tx.DeleteDestination(d.dest.ID, true) })
	close(answer)
	got := d.settled(id, model.Cancelled)
	for range 200 {
		if got.Attempts == 1 && d.Stats().InMemory == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
		var err error
		if got, err = d.store.Delivery(context.Background(), got.ID); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("%d attempts recorded, in memory: %+v", got.Attempts, d.Stats().Load)
}

// While somebody imports, routing changes with every commit; events are accepted all the same, and routed by what is
// true in their own commit.
func TestPublishesWhileRoutingChanges(t *testing.T) {
	d := newDesk(t)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for k := range 3 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				a := model.Action{Name: fmt.Sprintf("Import %d-%d", k, i), Event: "nothing", DestinationID: d.dest.ID, Enabled: true}
				if err := d.store.Write(context.Background(), dbtest.Admin(), func(tx *db.Tx) error { return tx.CreateAction(&a) }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var ids []model.EventID
	for i := range 10 {
		out, err := d.Publish(ctx, dbtest.Admin(), fmt.Sprint("key ", i), false, []NewEvent{{Name: "order.created", Data: json.RawMessage(order)}})
		if err != nil || out[0].Deliveries != 1 {
			t.Fatalf("event %d: %+v, %v", i, out, err)
		}
		ids = append(ids, out[0].ID)
	}
	close(stop)
	writers.Wait()
	for _, id := range ids {
		d.settled(id, model.Delivered)
	}
	if d.received() != len(ids) {
		t.Errorf("%d requests for %d events", d.received(), len(ids))
	}
}
