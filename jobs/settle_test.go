package jobs

import (
	"context"
	"net/http"
	"testing"
	"time"

	"waybill/db"
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
