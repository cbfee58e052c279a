package model

import (
	"strings"
	"testing"
	"time"
)

func TestIDs(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for prefix, id := range map[string]string{
		"usr_": string(NewUserID(now)), "ses_": string(NewSessionID(now)), "key_": string(NewAPIKeyID(now)), "crd_": string(NewCredentialID(now)),
		"con_": string(NewConnectionID(now)), "dst_": string(NewDestID(now)), "act_": string(NewActionID(now)), "evt_": string(NewEventID(now)),
		"dlv_": string(NewDeliveryID(now)), "att_": string(NewAttemptID(now)), "aud_": string(NewAuditID(now)), "nod_": string(NewNodeID(now)),
	} {
		if rest, ok := strings.CutPrefix(id, prefix); !ok || len(rest) != 26 || strings.Trim(rest, digits) != "" {
			t.Errorf("id %q, want %s and 26 digits", id, prefix)
		}
	}
}

// Ids of a later millisecond sort after those of an earlier one, as text, and none comes twice.
func TestIDsSort(t *testing.T) {
	now, before := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), EventID("")
	seen := map[EventID]bool{}
	for i := range 2000 {
		at := now.Add(time.Duration(i) * time.Millisecond)
		if i >= 1000 { // by larger and larger steps, over the carry of every digit
			at = now.Add(time.Duration(i-998) * time.Duration(i-998) * time.Hour)
		}
		largest := before
		for range 5 {
			id := NewEventID(at)
			if seen[id] {
				t.Fatalf("%s came twice", id)
			}
			if seen[id] = true; i != 1000 && id <= before {
				t.Fatalf("%s of %v sorts before %s", id, at, before)
			}
			largest = max(largest, id)
		}
		before = largest
	}
	if a, b := newID("", time.UnixMilli(1<<48-1)), newID("", time.UnixMilli(1)); a <= b || !strings.HasPrefix(b, "0000000") {
		t.Errorf("the last time %s, the first %s", a, b)
	}
}
