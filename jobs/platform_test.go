package jobs

import (
	"testing"
	"time"

	"waybill/db/model"
)

// A key is published for a day before it signs, unless there is no other.
func TestSigningKeyIsPublishedFirst(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	old, fresh := model.InstanceKey{ID: "old", CreatedAt: start}, model.InstanceKey{ID: "fresh", CreatedAt: start.Add(platformKeyLife)}
	for _, x := range []struct {
		keys []model.InstanceKey
		at   time.Time
		want string
	}{
		{nil, start, ""},
		{[]model.InstanceKey{old}, start, "old"},
		{[]model.InstanceKey{old}, start.Add(platformKeyLife), "old"},
		{[]model.InstanceKey{fresh, old}, fresh.CreatedAt.Add(platformAhead - time.Second), "old"},
		{[]model.InstanceKey{fresh, old}, fresh.CreatedAt.Add(platformAhead), "fresh"},
	} {
		if got, ok := signingKey(x.keys, x.at); got.ID != x.want || ok != (x.want != "") {
			t.Errorf("%v at %s: %q %v", x.keys, x.at, got.ID, ok)
		}
	}
}
