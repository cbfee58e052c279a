package model

import (
	"iter"
	"time"
)

// Delivery is one message to one target until it is settled.
type Delivery struct {
	ID             DeliveryID
	EventID        EventID
	EventName      string // joined
	TargetID       TargetID
	DestinationID  DestID // "" for targets that are not destinations
	Destination    string // joined name
	ConnectionID   ConnectionID
	Connection     string // joined name
	ActionID       ActionID
	Lane           Lane
	Status         Status
	Attempts       int // stored outcomes
	RoundStart     int // value of Attempts when the schedule (re)started: 0, or the last retry by hand
	Interruptions  int
	Crashes        int       // renders that took their worker down
	Held           string    // why it is held: HeldDisabled, HeldParked; "" = it is not
	NextAttemptAt  time.Time // zero when none is planned
	WaitingFor     string    // why it does not go although nothing ended it (order, breaker, rate …), "" = nothing; never stored
	WaitingUntil   time.Time // … until then at the earliest, zero = not known
	LastStatusCode int       // 0 = no answer
	LastError      string    // in words, names the rule
	UserMessage    string
	ReplayOf       DeliveryID
	Workflow       string // name of the run's workflow and number of the run, on pages only (Store.NameSteps); likewise the next two
	StepName       string
	Webhook        string
	RunID          RunID // "" = made of an event by an action; likewise the next three
	Step           string
	StepRunID      StepRunID
	WebhookID      WebhookID // "" = the step's own request
	Ordered        bool      // is to be sent in the order of OrderKey; only read when it is stored
	OrderKey       string    // the subject within which order is kept
	Seq            int64     // place in that order, given in the commit; 0 = none
	BatchID        BatchID   // the message that it is part of, "" = none yet; its own ID = never part of one
	CreatedAt      time.Time
	UpdatedAt      time.Time
	SettledAt      time.Time // zero = not settled
	Version        int64
}

// Batched reports whether the delivery shares its message with others.
func (d Delivery) Batched() bool { return d.BatchID != "" && d.BatchID != BatchID(d.ID) }

// Lane is realtime or bulk; bulk never delays realtime.
type Lane string

const (
	Realtime Lane = "realtime"
	Bulk     Lane = "bulk"
)

// Status of a delivery (CONTRACT).
type Status string

const (
	Pending   Status = "pending"
	Sending   Status = "sending" // an attempt is under way; known in memory, never stored
	Retrying  Status = "retrying"
	Delivered Status = "delivered"
	Failed    Status = "failed"
	Skipped   Status = "skipped" // the template said that there is nothing to send
	Held      Status = "held"    // a person is needed
	Cancelled Status = "cancelled"
)

// Statuses in the order in which people look for them.
func Statuses() []Status {
	return []Status{Pending, Sending, Retrying, Delivered, Failed, Skipped, Held, Cancelled}
}

// Settled reports whether nothing more will happen by itself or by switching something on.
func (s Status) Settled() bool {
	return s == Delivered || s == Failed || s == Skipped || s == Cancelled
}

// Why a delivery is held.
const (
	HeldDisabled = "disabled" // its destination or connection is off; goes on when it is on again
	HeldParked   = "parked"   // its template took render workers down; a person must retry it
	HeldOutcome  = "outcome"  // the other side took it and is asked what became of it; its status is pending
	// MaxCrashes is how many workers a delivery's render may take down before it is parked.
	MaxCrashes = 3
)

// Attempt is one HTTP exchange of a delivery, as it is stored: secrets are already redacted.
type Attempt struct {
	ID         AttemptID
	DeliveryID DeliveryID
	Number     int
	StartedAt  time.Time
	Method     string
	URL        string
	Request    Message
	Address    string // resolved ip:port; "" when none was dialled
	Timings    Timings
	StatusCode int // 0 = no answer
	Response   Message
	Class      ErrorClass // "" = an answer that counts as success
	Error      string     // in words
	Template   int64      // version of the destination that was rendered
	Verdict    Status     // what the delivery became
	Said       string     // what the other side said of this delivery in an answer about several; "" = nothing, or it is in Error
	FollowUp   bool       // it asked what became of an earlier attempt; it does not count
	NextAt     time.Time  // zero = no further attempt planned
	// UserMessage is what people are told about a test that was not answered in time; of deliveries it is not kept here.
	UserMessage string
}

// Message is one side of an exchange.
type Message struct {
	Headers   []Header
	Body      []byte // nil when empty or already removed by retention
	Size      int64  // bytes of the whole body, also where Body was cut
	Truncated bool
}

// Timings of an exchange, in microseconds from its start; 0 = did not happen.
type Timings struct {
	DNS       int64 `json:"dns"`        // how long the look-up took
	Connect   int64 `json:"connect"`    // how long the TCP connect took
	TLS       int64 `json:"tls"`        // how long the handshake took
	FirstByte int64 `json:"first_byte"` // from the start to the first byte of the answer
	Total     int64 `json:"total"`
	Reused    bool  `json:"reused"` // an open connection was used: no DNS, connect, TLS

	Certificate bool   `json:"client_certificate,omitempty"` // one was at hand to be shown
	Authority   bool   `json:"private_authority,omitempty"`  // the other side was checked against a private one
	Waited      int64  `json:"waited,omitempty"`             // from when it was due to its start
	WaitedFor   string `json:"waited_for,omitempty"`         // what it waited for last: order, breaker, rate, concurrency, batch
}

// ErrorClass groups what went wrong, so that a person sees the pattern.
type ErrorClass string

const (
	ClassNone     ErrorClass = ""
	ClassStatus   ErrorClass = "status"   // an answer outside 2xx
	ClassRefused  ErrorClass = "refused"  // our rules: address, scheme, header
	ClassDNS      ErrorClass = "dns"      // the name did not resolve
	ClassConnect  ErrorClass = "connect"  // no connection
	ClassTLS      ErrorClass = "tls"      // handshake or certificate
	ClassTimeout  ErrorClass = "timeout"  // no whole answer in time
	ClassBroken   ErrorClass = "broken"   // connection cut or nonsense answered
	ClassTemplate ErrorClass = "template" // rendering
	ClassAuth     ErrorClass = "auth"     // the credential could not be applied
	ClassSetup    ErrorClass = "setup"    // destination or connection is gone or unusable
)

// Work is what an attempt needs to know of a delivery that was taken on.
type Work struct {
	Delivery Delivery
	Event    Event // zero when there is none
	// Payload is what a delivery of a step says, nil for those that are made of their event: the JSON text of `it` where there
	// is a template, else the body itself.
	Payload []byte
	// Definition is the version of the workflow that a message of a run belongs to, where it is known without asking (then
	// Event.Depth is the run's); 0 = it must be asked for.
	Definition int64
	// Batch are all that go in this one message, in their order; nil for a delivery that goes by itself. Delivery and Event are
	// those of the first.
	Batch []Work
	// Waited is how long it was due before this attempt, and for what it waited last; 0 = it was not kept waiting.
	Waited    time.Duration
	WaitedFor string
}

// Each are the deliveries in w: those of its batch, or itself.
func (w Work) Each() []Work {
	if w.Batch == nil {
		return []Work{w}
	}
	return w.Batch
}

// All is Each without a copy.
func (w *Work) All() iter.Seq2[int, *Work] {
	return func(yield func(int, *Work) bool) {
		if w.Batch == nil {
			yield(0, w)
			return
		}
		for i := range w.Batch {
			if !yield(i, &w.Batch[i]) {
				return
			}
		}
	}
}

// MessageID is the webhook-id: the same on every attempt.
func (w Work) MessageID() string {
	if w.Delivery.BatchID != "" {
		return string(w.Delivery.BatchID)
	}
	return string(w.Delivery.ID)
}

// Holds reports whether a delivery goes with w.
func (w Work) Holds(id DeliveryID) bool {
	if w.Delivery.ID == id {
		return true
	}
	for _, m := range w.Batch {
		if m.Delivery.ID == id {
			return true
		}
	}
	return false
}

// Ending is what became of work, in one place: what functions hold on to of so much is copied for each of them.
type Ending struct {
	Work    Work
	Outcome Outcome
}

// Outcome is what one attempt did to a delivery; the store records it.
type Outcome struct {
	Attempt *Attempt // nil: nothing was tried (held, given back)
	// Renewed is the exchange before Attempt that was answered 401 to a token; a row of its own that is not counted.
	Renewed *Attempt
	Status  Status
	NextAt  time.Time // Retrying, Pending: when it is due again
	Held    string    // Held: why (HeldDisabled …)
	Lane    Lane      // where it waits from now on, "" = where it did
	Split   bool      // the batch is taken apart: each goes by itself from now on, with its schedule from the start
	Crashed bool      // the render took its worker down; counted on the row
	Error   string    // becomes last_error
	Message string    // becomes user_message
	// Disable is set when the destination is to be switched off with this reason (410).
	Disable string
	// BodyIsData says that the request's body was the event's data, byte for byte: it is stored once, with the event.
	BodyIsData bool
	// Health is what is now known of the target, nil when that is nothing new.
	Health *Health
	// Each is what became of each of Work.Each, in their order, where the answer told them apart; nil = all of them as above.
	Each []Fate
	// Follow is set when the other side took the message and tells later what became of it; the deliveries wait for that.
	Follow *Follow
	// Told is the exchange that told what became of a message that was followed under Followed; a row of its own that is not
	// counted.
	Told     *Attempt
	Followed string
}

// Fate is what became of one delivery of a message.
type Fate struct {
	Status Status
	NextAt time.Time // Retrying: when it is due again
	Lane   Lane      // where it waits from now on, "" = where it did
	Held   string    // Pending: HeldOutcome
	Error  string    // becomes last_error; "" = it went well
	Said   string    // by the other side, when it went well
}

// Follow is how the outcome of a message is asked for that the other side took.
type Follow struct {
	Reference string        // by which the other side knows it
	After     time.Duration // to wait before it is asked
}

// Of is the outcome for the i-th of Work.Each.
func (o Outcome) Of(i int) Outcome {
	if o.Each == nil {
		return o
	}
	f := o.Each[i]
	o.Status, o.NextAt, o.Lane, o.Held, o.Error = f.Status, f.NextAt, f.Lane, f.Held, f.Error
	if f.Status == Skipped { // it was not part of what was sent
		o.Attempt = nil
	}
	return o
}

// FollowUp is a message whose outcome is asked for.
type FollowUp struct {
	MessageID     string // of a delivery or a batch
	TargetID      TargetID
	DestinationID DestID
	Members       []DeliveryID // in the order in which they were sent
	Reference     string
	Since         time.Time // when the other side took it
	DueAt         time.Time // when it is asked next
	Asked         int
	Words         string // what it said the last time
}
