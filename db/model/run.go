package model

import (
	"bytes"
	"encoding/json"
	"time"
)

// Run is one passage through a published version of a workflow.
type Run struct {
	ID         RunID
	Number     int64 // within its workflow: 1, 2, …
	WorkflowID WorkflowID
	Workflow   string // joined name
	Definition int64  // number of the version that it keeps
	Subject    string
	Status     RunStatus
	Lane       Lane
	Trigger    TriggerKind
	AudienceID AudienceID   // audience: which
	Event      RunEvent     // event: what started it; zero = something else did
	Initiator  string       // email of the person who started it, "" = nobody did
	Actor      UserID       // the same by id
	Data       Data         // run.data (SEMANTICS 1)
	Form       []FieldValue // what a form trigger was filled in with
	Depth      int          // of the events that this run raises
	Error      string       // why it failed, in words
	Steps      []StepRun    // in the order in which they were opened
	Held       []StepRunID  // finished while the run was paused: what follows them opens when it is resumed
	Before     RunStatus    // paused: nothing else can tell what it was
	CreatedAt  time.Time
	UpdatedAt  time.Time
	EndedAt    time.Time // zero = it goes on
	Version    int64
}

// Data is JSON text that is kept as it came.
type Data = json.RawMessage

// RunEvent is the event that started a run, without its data.
type RunEvent struct {
	ID      EventID   `json:"id"`
	Name    string    `json:"name"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"`
	// Traceparent is the trace that the run belongs to (W3C Trace Context), "" = none; what started it need not be an event.
	Traceparent string `json:"traceparent,omitempty"`
}

// RunStatus (CONTRACT).
type RunStatus string

const (
	RunRunning   RunStatus = "running" // something happens by itself
	RunWaiting   RunStatus = "waiting" // people, a time or an event are waited for
	RunPaused    RunStatus = "paused"
	RunCompleted RunStatus = "completed"
	RunRejected  RunStatus = "rejected"
	RunFailed    RunStatus = "failed"
	RunCancelled RunStatus = "cancelled"
)

// RunStatuses in the order in which people look for them.
func RunStatuses() []RunStatus {
	return []RunStatus{RunRunning, RunWaiting, RunPaused, RunCompleted, RunRejected, RunFailed, RunCancelled}
}

// Ended reports whether nothing happens any more.
func (s RunStatus) Ended() bool {
	return s == RunCompleted || s == RunRejected || s == RunFailed || s == RunCancelled
}

// NoWay is the note of a step run after which no transition held.
const NoWay = "No condition holds, so this way ends here."

// StepRun is one passage of a run through a step. A step that is done again has several.
type StepRun struct {
	ID          StepRunID         `json:"id"`
	Key         string            `json:"key"`
	Name        string            `json:"name"`
	Kind        StepKind          `json:"kind"`
	Status      StepStatus        `json:"status"`
	Previous    []StepRunID       `json:"previous,omitempty"` // those that led here; none = the trigger did
	Actor       string            `json:"actor"`              // email of who completed it, "" = nobody did
	Fields      []FieldValue      `json:"fields"`
	Decisions   []Decision        `json:"decisions"`
	Output      Data              `json:"output,omitempty"`
	Response    *Response         `json:"response,omitempty"`
	Error       string            `json:"error,omitempty"`
	UserMessage string            `json:"user_message,omitempty"` // outgoing: the connection's timeout message
	Note        string            `json:"note,omitempty"`         // what a person should know of what followed
	DeliveryID  DeliveryID        `json:"delivery_id,omitempty"`  // outgoing
	Approvers   []string          `json:"approvers,omitempty"`    // approvals by several: who is asked, in turn
	Slot        int               `json:"slot,omitempty"`         // sequential: whose turn it is
	Joining     bool              `json:"joining,omitempty"`      // waits for its other predecessors
	DueAt       *time.Time        `json:"due_at,omitempty"`
	OpenedAt    time.Time         `json:"opened_at"`
	CompletedAt *time.Time        `json:"completed_at,omitempty"`
	Webhooks    []WebhookDelivery `json:"webhooks"`
}

// StepStatus (CONTRACT).
type StepStatus string

const (
	StepOpen      StepStatus = "open"    // people are asked
	StepWaiting   StepStatus = "waiting" // a delivery, a script, a time, an event or other steps are waited for
	StepCompleted StepStatus = "completed"
	StepRejected  StepStatus = "rejected"
	StepFailed    StepStatus = "failed"
	StepAbandoned StepStatus = "abandoned" // no longer needed
	StepSkipped   StepStatus = "skipped"   // there was nothing to send, or no way led here
)

// Active reports whether the step run is not finished.
func (s StepStatus) Active() bool { return s == StepOpen || s == StepWaiting }

// FieldValue is one field of a form as it was filled in.
type FieldValue struct {
	Key   string    `json:"key"`
	Name  string    `json:"name"`
	Type  FieldType `json:"type"`
	Value any       `json:"value"`
}

// UnmarshalJSON keeps numbers as they were typed (json.Number): a float64 holds no order number of twenty digits.
func (v *FieldValue) UnmarshalJSON(text []byte) error {
	type plain FieldValue
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return dec.Decode((*plain)(v))
}

// Decision is what one person decided at an approval.
type Decision struct {
	Actor    string    `json:"actor"` // email
	Decision string    `json:"decision"`
	Comment  string    `json:"comment"`
	At       time.Time `json:"at"`
}

// What people decide.
const (
	Approved = "approved"
	Rejected = "rejected"
)

// Response is what the other side answered to an outgoing step; Status 0 = nothing.
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    Data              `json:"body"` // parsed when it was JSON, else a text
}

// WebhookDelivery is one message of a step webhook.
type WebhookDelivery struct {
	ID         WebhookID      `json:"id"`
	Name       string         `json:"name"`
	Trigger    WebhookTrigger `json:"trigger"`
	Status     Status         `json:"status"` // of the delivery; joined
	DeliveryID DeliveryID     `json:"delivery_id"`
}

// Step finds a step run.
func (r *Run) Step(id StepRunID) *StepRun {
	for i := range r.Steps {
		if r.Steps[i].ID == id {
			return &r.Steps[i]
		}
	}
	return nil
}

// Task is what one or several people are asked to do; the first who acts does it.
type Task struct {
	ID          TaskID
	RunID       RunID
	RunNumber   int64  // joined
	Subject     string // joined, of the run
	WorkflowID  WorkflowID
	Workflow    string // joined name
	Definition  int64  // joined, the run's version
	StepRunID   StepRunID
	Step        string // key
	StepName    string
	Kind        StepKind
	Status      TaskStatus
	Assignees   []Assignee
	DueAt       time.Time // zero = none
	RemindedAt  time.Time // zero = not reminded
	CompletedAt time.Time
	CompletedBy string // email
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Version     int64
}

// Assignee is a person, everybody of a role, or a text that names nobody.
type Assignee struct {
	UserID UserID `json:"user_id,omitempty"`
	Role   string `json:"role,omitempty"`
	Label  string `json:"label"` // as people know them: email, role, or what was written
}

// TaskStatus of a task.
type TaskStatus string

const (
	TaskOpen      TaskStatus = "open"
	TaskCompleted TaskStatus = "completed"
	TaskApproved  TaskStatus = "approved"
	TaskRejected  TaskStatus = "rejected"
	TaskAbandoned TaskStatus = "abandoned"
)

// MaxRunLife is how long a run may go on.
const MaxRunLife = 60 * 24 * time.Hour

// Limits of definitions and runs.
const (
	MaxSteps        = 100
	MaxStepRuns     = 1000 // of one run
	MaxTransitions  = 20
	MaxWebhooks     = 20
	MaxFields       = 100
	MaxAssignees    = 50
	MaxScript       = 64 << 10
	MaxClientSecret = 250
	MaxBasic        = 100
	MaxComment      = 4000
	MaxNote         = 1000
)
