package model

import (
	"time"

	"waybill/db/fault"
)

// Replay makes new deliveries of settled ones, in the bulk lane.
type Replay struct {
	ID         ReplayID
	Filter     ReplayFilter
	Status     ReplayStatus
	By         string // name of who started it
	Total      int64  // deliveries that fitted when it started
	Counted    bool   // Total is exact; else there are more
	Made       int64  // new deliveries
	PassedOver int64  // fitted, but cannot be replayed: data removed, destination deleted
	Delivered  int64  // of those made
	Failed     int64
	Dropped    int64 // skipped, cancelled or gone
	Before     DeliveryID
	After      DeliveryID
	CreatedAt  time.Time
	UpdatedAt  time.Time
	FinishedAt time.Time // zero = something is left to do
	Version    int64
}

// Open is how many of those made are not settled.
func (r Replay) Open() int64 { return max(0, r.Made-r.Delivered-r.Failed-r.Dropped) }

// ReplayStatus is how far a replay is.
type ReplayStatus string

const (
	ReplayRunning   ReplayStatus = "running"
	ReplayDone      ReplayStatus = "done" // all made, all settled
	ReplayCancelled ReplayStatus = "cancelled"
)

// ReplayFilter says which settled deliveries are replayed; zero values do not narrow.
type ReplayFilter struct {
	DestinationID DestID       `json:"destination_id,omitempty"`
	EventID       EventID      `json:"event_id,omitempty"`
	Status        Status       `json:"status,omitempty"`
	Lane          Lane         `json:"lane,omitempty"`
	Event         string       `json:"event,omitempty"` // name of the event
	From          time.Time    `json:"from,omitzero"`   // made at or after
	To            time.Time    `json:"to,omitzero"`     // made before
	IDs           []DeliveryID `json:"ids,omitempty"`
}

// MaxReplayIDs is how many deliveries can be named one by one.
const MaxReplayIDs = 1000

// Check lists what is wrong with the filter.
func (f ReplayFilter) Check() []fault.Field {
	var bad fault.Check
	if f.DestinationID == "" && f.EventID == "" && f.Status == "" && f.Event == "" && f.From.IsZero() && f.To.IsZero() && len(f.IDs) == 0 {
		bad.Add("filter", "Narrow it down: destination_id, event_id, status, event, from, to or ids.")
	}
	if f.Status != "" && !f.Status.Settled() {
		bad.Add("status", "Only settled deliveries are replayed: delivered, failed, skipped or cancelled. What is held or waits goes on by itself or with a retry.")
	}
	if f.Lane != "" && f.Lane != Realtime && f.Lane != Bulk {
		bad.Add("lane", "realtime or bulk.")
	}
	if len(f.IDs) > MaxReplayIDs {
		bad.Add("ids", "At most %d deliveries by name; narrow by destination, status or time instead.", MaxReplayIDs)
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		bad.Add("to", "This must be later than from.")
	}
	return bad.Fields()
}

// ReplayCandidate is a delivery that a replay looks at.
type ReplayCandidate struct {
	ID            DeliveryID
	EventID       EventID
	Event         string // name, "" when the event is gone
	Subject       string
	TargetID      TargetID
	DestinationID DestID
	ActionID      ActionID
	Lane          Lane
	Status        Status
	CreatedAt     time.Time
	HasData       bool
}

// Fits reports whether the filter wants it, and whether it can be replayed.
func (f ReplayFilter) Fits(c ReplayCandidate) (wanted, possible bool) {
	wanted = (f.DestinationID == "" || f.DestinationID == c.DestinationID) && (f.EventID == "" || f.EventID == c.EventID) &&
		(f.Status == "" || f.Status == c.Status) && (f.Lane == "" || f.Lane == c.Lane) && (f.Event == "" || f.Event == c.Event || Matches(f.Event, c.Event)) &&
		(f.From.IsZero() || !c.CreatedAt.Before(f.From)) && (f.To.IsZero() || c.CreatedAt.Before(f.To))
	return wanted, c.Status.Settled() && c.HasData && c.DestinationID != ""
}

// ReplayProgress is what became of deliveries that a replay made.
type ReplayProgress struct {
	Settled                    []DeliveryID
	Tried                      []DeliveryID // not settled, but tried or held
	Delivered, Failed, Dropped int64
}
