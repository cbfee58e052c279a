package model

import (
	"encoding/json"
	"strings"
	"time"
)

// Workflow is a graph of steps: a draft that people edit, and published versions that runs keep.
type Workflow struct {
	ID          WorkflowID
	Name        string // unique
	Description string
	Enabled     bool // false: no trigger starts a run; what runs goes on
	Draft       Definition
	Published   int64 // number of the version that new runs get; 0 = none yet
	PublishedAt time.Time
	Changed     bool   // the draft is not what is published
	FormToken   string // of the public form's address, "" = the workflow never had one
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Version     int64 // of the draft
}

// WorkflowVersion is a definition as it was published; it never changes.
type WorkflowVersion struct {
	WorkflowID  WorkflowID
	Number      int64 // 1, 2, …
	Name        string
	Definition  Definition
	Note        string
	PublishedBy string // email, or what published it
	PublishedAt time.Time
}

// Definition is what a workflow does: when a run starts and what it passes through. Runs begin at the first step.
type Definition struct {
	Trigger Trigger `json:"trigger"`
	Steps   []Step  `json:"steps"`
}

// Step finds a step by its key.
func (d Definition) Step(key string) (Step, bool) {
	for _, s := range d.Steps {
		if s.Key == key {
			return s, true
		}
	}
	return Step{}, false
}

// Credentials are those that the definition names, each once for each place.
func (d Definition) Credentials() []CredentialID {
	var out []CredentialID
	for _, s := range d.Steps {
		if s.Request != nil && s.Request.CredentialID != "" {
			out = append(out, s.Request.CredentialID)
		}
		for _, h := range s.Webhooks {
			if h.Auth.CredentialID != "" {
				out = append(out, h.Auth.CredentialID)
			}
		}
	}
	return out
}

// Trigger says what starts a run.
type Trigger struct {
	Kind       TriggerKind `json:"kind"`
	Event      string      `json:"event,omitempty"`  // event: name or pattern, as in actions
	Filter     string      `json:"filter,omitempty"` // event: expression, "" = always
	AudienceID string      `json:"audience_id,omitempty"`
	Cron       string      `json:"cron,omitempty"`     // schedule: five fields, or six with seconds first
	Timezone   string      `json:"timezone,omitempty"` // schedule: IANA name, "" = UTC
	Fields     []FormField `json:"fields,omitempty"`   // form, public_form; also checked for manual when there are any
	Intro      string      `json:"intro,omitempty"`    // form, public_form: text above the form
	Thanks     string      `json:"thanks,omitempty"`   // form, public_form: text after it was sent
}

// TriggerKind names a kind of trigger.
type TriggerKind string

const (
	TriggerEvent      TriggerKind = "event"
	TriggerAudience   TriggerKind = "audience"
	TriggerForm       TriggerKind = "form"
	TriggerPublicForm TriggerKind = "public_form"
	TriggerSchedule   TriggerKind = "schedule"
	TriggerInbound    TriggerKind = "inbound"
	TriggerManual     TriggerKind = "manual"
)

// TriggerKinds in the order in which people choose.
func TriggerKinds() []TriggerKind {
	return []TriggerKind{TriggerEvent, TriggerForm, TriggerPublicForm, TriggerSchedule, TriggerAudience, TriggerInbound, TriggerManual}
}

// TriggerKey stands for the trigger where a step's key would; no step may have it.
const TriggerKey = "trigger"

// Step is one unit of a definition. What does not belong to its kind is empty.
type Step struct {
	Key        string       `json:"key"` // unique within the definition
	Name       string       `json:"name"`
	Kind       StepKind     `json:"kind"`
	Next       []Transition `json:"next"`
	WaitForAll bool         `json:"wait_for_all"` // opens once, when nothing that is open can still lead here
	Webhooks   []Webhook    `json:"webhooks"`

	Fields        []FormField `json:"fields,omitempty"`         // task
	Assignees     []string    `json:"assignees,omitempty"`      // task, approvals: "a@b.c", "role:NAME", "initiator", "field:STEP.FIELD"
	DueSeconds    int64       `json:"due_seconds,omitempty"`    // task, approvals: after it was opened; 0 = never
	RemindSeconds int64       `json:"remind_seconds,omitempty"` // task, approvals: after it was opened; 0 = never
	OnReject      *OnReject   `json:"on_reject,omitempty"`      // approvals; nil = ends the run as rejected

	Request       *Request       `json:"request,omitempty"` // outgoing: one of request, integration_id, destination_id
	IntegrationID IntegrationID  `json:"integration_id,omitempty"`
	Input         map[string]any `json:"input,omitempty"` // for the integration's form; texts may hold tags
	DestinationID DestID         `json:"destination_id,omitempty"`
	OnFailure     OnFailure      `json:"on_failure,omitempty"` // outgoing; "" = continue

	Wait   *Wait  `json:"wait,omitempty"`
	Script string `json:"script,omitempty"` // JavaScript statements that return the step's output
}

// Webhook finds a webhook of the step.
func (s Step) Webhook(id WebhookID) (Webhook, bool) {
	for _, w := range s.Webhooks {
		if w.ID == id {
			return w, true
		}
	}
	return Webhook{}, false
}

// StepKind names a kind of step.
type StepKind string

const (
	StepTask       StepKind = "task"
	StepApproval   StepKind = "approval"            // the first decision counts
	StepParallel   StepKind = "parallel_approval"   // everybody is asked at once, all must approve
	StepSequential StepKind = "sequential_approval" // one after another, all must approve
	StepOutgoing   StepKind = "outgoing"
	StepWait       StepKind = "wait"
	StepScript     StepKind = "script"
	StepEnd        StepKind = "end"
)

// StepKinds in the order in which people choose.
func StepKinds() []StepKind {
	return []StepKind{StepTask, StepApproval, StepParallel, StepSequential, StepOutgoing, StepWait, StepScript, StepEnd}
}

// Approves reports whether people decide at such a step.
func (k StepKind) Approves() bool {
	return k == StepApproval || k == StepParallel || k == StepSequential
}

// Human reports whether such a step is done by people.
func (k StepKind) Human() bool { return k == StepTask || k.Approves() }

// Transition leads to a step when its condition holds.
type Transition struct {
	To   string `json:"to" needed:"true"`
	When string `json:"when"` // expression over event, run and steps; "" = always
}

// OnReject says what a rejection does: back to a step, or the end.
type OnReject struct {
	To  string `json:"to,omitempty"`
	End bool   `json:"end,omitempty"`
}

// OnFailure says what an outgoing step does when its delivery fails.
type OnFailure string

const (
	FailContinue OnFailure = "continue"
	FailRun      OnFailure = "fail"
)

// Wait is either a time, or an event with a time limit.
type Wait struct {
	Seconds        int64  `json:"seconds,omitempty"`
	Event          string `json:"event,omitempty"` // name or pattern
	Filter         string `json:"filter,omitempty"`
	TimeoutSeconds int64  `json:"timeout_seconds,omitempty"` // 0 = as long as the run lives
}

// Request is a message that lives only in its step.
type Request struct {
	Name           string       `json:"name"`            // the `name` of its events
	Event          string       `json:"event"`           // raised when the answer is there; "" = webhook.response
	Method         string       `json:"method"`          // "" = POST
	URL            string       `json:"url"`             // tags behind the host only
	ContentType    string       `json:"content_type"`    // "" = application/json
	Headers        []Header     `json:"headers"`         // values may hold tags
	Body           string       `json:"body"`            // template; "" = the run's data as JSON
	CredentialID   CredentialID `json:"credential_id"`   // "" = none
	TimeoutSeconds int          `json:"timeout_seconds"` // 0 = DefaultTimeout
	BodyInEvent    *bool        `json:"body_in_event"`   // nil = yes
}

// ShowsBody reports whether the response event carries the answer's body.
func (r Request) ShowsBody() bool { return r.BodyInEvent == nil || *r.BodyInEvent }

// The events of outgoing steps.
const (
	EventRequest  = InternalEventPrefix + "request"
	EventResponse = InternalEventPrefix + "response"
)

// ResponseEvent is the name of the event that tells of the answer.
func (r Request) ResponseEvent() string {
	if r.Event == "" {
		return EventResponse
	}
	return r.Event
}

// Webhook is a message that a step sends when it is created or completed. It never blocks the run.
type Webhook struct {
	ID          WebhookID      `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Enabled     bool           `json:"enabled"`
	URL         string         `json:"url"`
	Trigger     WebhookTrigger `json:"trigger"`
	Sign        bool           `json:"sign"` // with the workflow's signing secret
	Auth        Auth           `json:"auth"`
}

// UnmarshalJSON reads a webhook; one that does not say so is enabled, without authentication.
func (w *Webhook) UnmarshalJSON(b []byte) error {
	type plain Webhook
	p := plain{Enabled: true, Auth: Auth{Type: AuthNone}}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*w = Webhook(p)
	return nil
}

// WebhookTrigger says when a webhook is sent.
type WebhookTrigger string

const (
	OnCreated   WebhookTrigger = "created"   // carries the data of the step before
	OnCompleted WebhookTrigger = "completed" // carries the step's own data
)

// Auth says how a webhook proves itself. Its own secrets are sealed under the webhook's id and never part of a definition.
type Auth struct {
	Type         AuthType     `json:"type"`
	Username     string       `json:"username,omitempty"`
	CredentialID CredentialID `json:"credential_id,omitempty"`
	Stored       []string     `json:"secrets,omitempty"` // names of the secrets that are stored; for those who look
	Typed        Secrets      `json:"-"`                 // secrets that were typed and are to be sealed
}

// Names of the secrets that a webhook can own.
const (
	AuthSecret   = "secret"
	AuthPassword = "password"
)

// UnmarshalJSON reads an Auth and keeps secrets apart. A mask, or nothing, means that the stored one stays.
func (a *Auth) UnmarshalJSON(b []byte) error {
	type plain Auth
	p := struct {
		plain
		Secret   *string `json:"secret"`
		Password *string `json:"password"`
	}{}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*a = Auth(p.plain)
	a.Typed = Secrets{}
	for name, text := range map[string]*string{AuthSecret: p.Secret, AuthPassword: p.Password} {
		if text != nil && *text != "" && *text != Mask {
			a.Typed[name] = Secret(*text)
		}
	}
	return nil
}

// Wants is the name of the secret that this kind of authentication needs, "" = none.
func (a Auth) Wants() string {
	switch a.Type {
	case AuthClientSecret:
		return AuthSecret
	case AuthBasic:
		return AuthPassword
	}
	return ""
}

// AuthType is a way in which a webhook proves itself.
type AuthType string

const (
	AuthNone         AuthType = "none"
	AuthClientSecret AuthType = "client_secret" // in the message's body
	AuthBasic        AuthType = "basic"
	AuthCredential   AuthType = "credential"
)

// Clean puts what was typed into its stored form.
func (w *Workflow) Clean() {
	w.Name, w.Description = clean(w.Name), strings.TrimSpace(w.Description)
	w.Draft.Clean()
}

// Clean puts what was typed into its stored form.
func (d *Definition) Clean() {
	if d.Trigger.Kind == "" {
		d.Trigger.Kind = TriggerManual
	}
	t := &d.Trigger
	t.Event, t.Filter, t.Cron, t.Timezone = strings.TrimSpace(t.Event), strings.TrimSpace(t.Filter), clean(t.Cron), strings.TrimSpace(t.Timezone)
	cleanFields(t.Fields)
	if d.Steps == nil {
		d.Steps = []Step{}
	}
	for i := range d.Steps {
		d.Steps[i].clean()
	}
}

func (s *Step) clean() {
	s.Key, s.Name = strings.TrimSpace(s.Key), clean(s.Name)
	if s.Name == "" {
		s.Name = s.Key
	}
	if s.Next == nil {
		s.Next = []Transition{}
	}
	for i := range s.Next {
		s.Next[i].To, s.Next[i].When = strings.TrimSpace(s.Next[i].To), strings.TrimSpace(s.Next[i].When)
	}
	if s.Webhooks == nil {
		s.Webhooks = []Webhook{}
	}
	for i := range s.Webhooks {
		s.Webhooks[i].clean()
	}
	for i, a := range s.Assignees {
		s.Assignees[i] = strings.TrimSpace(a)
	}
	cleanFields(s.Fields)
	if s.Kind == StepOutgoing && s.OnFailure == "" {
		s.OnFailure = FailContinue
	}
	if s.Request != nil {
		s.Request.clean()
	}
	if s.Wait != nil {
		s.Wait.Event, s.Wait.Filter = strings.TrimSpace(s.Wait.Event), strings.TrimSpace(s.Wait.Filter)
	}
}

func (r *Request) clean() {
	r.Name, r.Event = clean(r.Name), strings.TrimSpace(r.Event)
	r.Method, r.URL, r.ContentType = strings.ToUpper(strings.TrimSpace(r.Method)), strings.TrimSpace(r.URL), strings.TrimSpace(r.ContentType)
	if r.Method == "" {
		r.Method = "POST"
	}
	if r.ContentType == "" {
		r.ContentType = DefaultContentType
	}
	if r.TimeoutSeconds == 0 {
		r.TimeoutSeconds = DefaultTimeout
	}
	if r.Headers == nil {
		r.Headers = []Header{}
	}
}

func (w *Webhook) clean() {
	w.Name, w.Description, w.URL = clean(w.Name), strings.TrimSpace(w.Description), strings.TrimSpace(w.URL)
	if w.Trigger == "" {
		w.Trigger = OnCompleted
	}
	if w.Auth.Type == "" {
		w.Auth.Type = AuthNone
	}
	if w.Auth.Type != AuthBasic {
		w.Auth.Username = ""
	}
	if w.Auth.Type != AuthCredential {
		w.Auth.CredentialID = ""
	}
}
