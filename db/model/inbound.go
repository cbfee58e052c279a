package model

import (
	"mime"
	"slices"
	"strings"
	"time"

	"waybill/db/fault"
)

// InboundEndpoint is a URL that takes calls from a third party, keyed by an API key of its own kind, acting as a service
// user. Keys and secrets are sealed in the store; only what tells them apart is part of it.
type InboundEndpoint struct {
	ID             InboundID
	Name           string // unique
	Description    string
	Enabled        bool
	ConnectionID   ConnectionID // whose second half it is, "" = it stands alone
	UserID         UserID       // the service user
	Verification   Verification
	Dedupe         Dedupe
	ContentTypes   []string // media types that are taken, "text/*" too; empty = all
	MaxBytes       int      // of a body
	Rate           int      // calls a second
	Event          string   // name or template; "" = a CloudEvent's type, else DefaultInboundEvent, unless something else is done
	Subject        string   // of the event, text or template; "" = a CloudEvent's subject
	Mapping        string   // template that makes the event's data; "" = the parsed body
	Effects        InboundEffects
	Response       InboundResponse
	PartnerRotates bool      // the partner page may rotate key and secret
	SampleUntil    time.Time // until then it waits for a sample: the next call is only shown
	Keys           []InboundKey
	Secrets        []InboundSecret // without their texts
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Version        int64
}

// InboundEffects are what a call does besides raising an event.
type InboundEffects struct {
	StartsWorkflowID string           `json:"starts_workflow_id,omitempty"`
	Completes        *InboundComplete `json:"completes,omitempty"`
}

// InboundComplete settles an open task or waiting step of the runs of a workflow that have the correlation value as
// their subject.
type InboundComplete struct {
	WorkflowID  string `json:"workflow_id"`
	Step        string `json:"step"`        // its key
	Correlation string `json:"correlation"` // text or template; the run's subject
	Decision    string `json:"decision"`    // complete (default), approve, reject; text or template
}

// InboundResponse is what the caller is answered.
type InboundResponse struct {
	Mode           string   `json:"mode"` // ResponseAck, ResponseScript, ResponseRun
	Status         int      `json:"status,omitempty"`
	ContentType    string   `json:"content_type,omitempty"`
	Headers        []Header `json:"headers,omitempty"`
	Body           string   `json:"body,omitempty"` // template
	TimeoutSeconds int      `json:"timeout_seconds,omitempty"`
}

// The modes of a response: at once; with a body from a template; after the run that it started has ended.
const (
	ResponseAck    = "acknowledge"
	ResponseScript = "script"
	ResponseRun    = "run"
)

// Dedupe says by what repeated calls are recognised. Its zero value is what the preset knows of the vendor.
type Dedupe struct {
	Header        string   `json:"header,omitempty"`
	Fields        []string `json:"fields,omitempty"` // paths into the body: id, data.object.id
	WindowSeconds int      `json:"window_seconds,omitempty"`
	Off           bool     `json:"off,omitempty"`
}

// Window is how long a call is remembered.
func (d Dedupe) Window() time.Duration {
	if d.WindowSeconds == 0 {
		return DedupeLife
	}
	return time.Duration(d.WindowSeconds) * time.Second
}

// InboundKey opens an endpoint. The key itself is sealed; its hash finds it.
type InboundKey struct {
	ID        InboundKeyID
	Hint      string // its beginning
	CreatedAt time.Time
	ExpiresAt time.Time // zero = never
	RevokedAt time.Time // zero = live
}

// Live reports whether the key opens anything at now.
func (k InboundKey) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// InboundSecret is one secret that calls are verified with.
type InboundSecret struct {
	ID        InboundSecID
	Name      string
	Secret    Secret // "" unless it was opened
	CreatedAt time.Time
	ExpiresAt time.Time // zero = never
}

// Live reports whether the secret verifies anything at now.
func (s InboundSecret) Live(now time.Time) bool {
	return s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt)
}

// HasSecret reports whether a secret of that name is stored.
func (e InboundEndpoint) HasSecret(name string) bool {
	return slices.ContainsFunc(e.Secrets, func(s InboundSecret) bool { return s.Name == name })
}

// LiveKeys are the keys that open the endpoint at now, the newest last.
func (e InboundEndpoint) LiveKeys(now time.Time) []InboundKey {
	return slices.DeleteFunc(slices.Clone(e.Keys), func(k InboundKey) bool { return !k.Live(now) })
}

// Raises reports whether calls raise an event.
func (e InboundEndpoint) Raises() bool {
	return e.Event != "" || e.Effects.StartsWorkflowID == "" && e.Effects.Completes == nil
}

// CallState is what became of a call.
type CallState string

const (
	CallAccepted  CallState = "accepted"  // what it causes is stored
	CallMapping   CallState = "mapping"   // stored; its mapping is still to be rendered
	CallSkipped   CallState = "skipped"   // the mapping said that there is nothing to do
	CallFailed    CallState = "failed"    // the mapping or what it was for went wrong; can be replayed
	CallDuplicate CallState = "duplicate" // repeats FirstID, whose answer it got
	CallRefused   CallState = "refused"
	CallHandshake CallState = "handshake" // a vendor's question whether the URL is ours
	CallSample    CallState = "sample"    // taken to look at; it caused nothing
)

// CallStates lists them all.
func CallStates() []CallState {
	return []CallState{CallAccepted, CallMapping, CallSkipped, CallFailed, CallDuplicate, CallRefused, CallHandshake, CallSample}
}

// InboundCall is one call of an endpoint; its id is the receipt.
type InboundCall struct {
	ID          ReceiptID
	EndpointID  InboundID
	KeyID       InboundKeyID
	State       CallState
	StatusCode  int    // of the answer
	Reason      string // in words, "" = nothing to explain
	Line        int    // of the mapping, from 1
	Column      int
	Method      string
	Address     string
	ContentType string
	Size        int
	Query       string
	Headers     []Header // secrets masked
	Events      []EventID
	Runs        []string
	FirstID     ReceiptID
	CreatedAt   time.Time
	SettledAt   time.Time
	Body        []byte
}

// Limits and defaults of inbound endpoints (SEMANTICS 9).
const (
	MaxInboundBody      = 1 << 20
	DefaultInboundRate  = 1000
	MaxInboundRate      = 100_000
	DefaultTolerance    = 300 // seconds
	DefaultInboundEvent = "inbound.received"
	MaxInboundWait      = 30 // seconds that a caller may be kept waiting
)

// Clean puts what was typed into its stored form.
func (e *InboundEndpoint) Clean() {
	e.Name, e.Description = clean(e.Name), strings.TrimSpace(e.Description)
	e.Event, e.Subject = strings.TrimSpace(e.Event), strings.TrimSpace(e.Subject)
	if strings.TrimSpace(e.Mapping) == "" {
		e.Mapping = ""
	}
	e.Verification.clean()
	e.Dedupe.Header = strings.TrimSpace(e.Dedupe.Header)
	e.Dedupe.Fields = trimmed(e.Dedupe.Fields)
	e.ContentTypes = trimmed(e.ContentTypes)
	for i, t := range e.ContentTypes {
		e.ContentTypes[i] = strings.ToLower(t)
	}
	if e.MaxBytes == 0 {
		e.MaxBytes = MaxInboundBody
	}
	if e.Rate == 0 {
		e.Rate = DefaultInboundRate
	}
	e.Response.clean()
	if c := e.Effects.Completes; c != nil {
		c.WorkflowID, c.Step, c.Correlation, c.Decision = strings.TrimSpace(c.WorkflowID), strings.TrimSpace(c.Step), strings.TrimSpace(c.Correlation), strings.TrimSpace(c.Decision)
		if *c == (InboundComplete{}) {
			e.Effects.Completes = nil
		}
	}
}

func (r *InboundResponse) clean() {
	if r.Mode == "" {
		r.Mode = ResponseAck
	}
	if r.Mode == ResponseAck {
		*r = InboundResponse{Mode: ResponseAck}
		return
	}
	if r.Status == 0 {
		r.Status = 200
	}
	if r.ContentType == "" {
		r.ContentType = DefaultContentType
	}
	if r.TimeoutSeconds == 0 {
		r.TimeoutSeconds = 5
	}
}

func trimmed(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Check lists what is wrong with the endpoint by itself; templates and workflows are jobs' word.
func (e InboundEndpoint) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, e.Name)
	checkText(&bad, "description", e.Description, 2000)
	checkText(&bad, "event", e.Event, 2000)
	checkText(&bad, "subject", e.Subject, 2000)
	if e.UserID == "" {
		bad.Add("service_user_id", "Pick the user as whom calls act.")
	}
	if e.Event != "" && !strings.Contains(e.Event, "{{") {
		if w := CheckEventName(e.Event); w != "" {
			bad.Add("event", "%s", w)
		} else if strings.HasPrefix(e.Event, InternalEventPrefix) {
			bad.Add("event", "Names that begin with %s are raised by Waybill itself.", InternalEventPrefix)
		}
	}
	if len(e.Mapping) > MaxTemplate {
		bad.Add("mapping", "At most 256 KiB; this one has %d bytes.", len(e.Mapping))
	}
	if e.MaxBytes < 1 || e.MaxBytes > MaxInboundBody {
		bad.Add("max_body_bytes", "Between 1 and %d bytes.", MaxInboundBody)
	}
	if e.Rate < 1 || e.Rate > MaxInboundRate {
		bad.Add("rate_per_second", "Between 1 and %d calls a second.", MaxInboundRate)
	}
	for _, t := range e.ContentTypes {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != t || !strings.Contains(t, "/") {
			bad.Add("content_types", "“%s” is not a content type such as application/json or text/*.", t)
		}
	}
	bad.Join("verification.", e.Verification.check())
	bad.Join("dedupe.", e.Dedupe.check())
	bad.Join("response.", e.Response.check())
	if c := e.Effects.Completes; c != nil {
		if c.WorkflowID == "" || c.Step == "" || c.Correlation == "" {
			bad.Add("completes", "Name the workflow, the step's key, and the value that its run has as subject.")
		}
	}
	return bad.Fields()
}

func (d Dedupe) check() []fault.Field {
	var bad fault.Check
	if d.Header != "" && len(d.Fields) > 0 {
		bad.Add("fields", "Either a header or fields of the body.")
	}
	if !headerName(d.Header) {
		bad.Add("header", "This is not the name of a header.")
	}
	if len(d.Fields) > 5 {
		bad.Add("fields", "At most 5 fields.")
	}
	if d.WindowSeconds < 0 || d.WindowSeconds > 30*86400 {
		bad.Add("window_seconds", "Between 1 second and 30 days (2592000); 0 means 7 days.")
	}
	return bad.Fields()
}

func (r InboundResponse) check() []fault.Field {
	var bad fault.Check
	switch r.Mode {
	case ResponseAck:
		return nil
	case ResponseScript, ResponseRun:
	default:
		bad.Add("mode", "One of acknowledge, script, run.")
	}
	if r.Status < 200 || r.Status > 599 {
		bad.Add("status", "Between 200 and 599.")
	}
	if r.TimeoutSeconds < 1 || r.TimeoutSeconds > MaxInboundWait {
		bad.Add("timeout_seconds", "Between 1 and %d seconds.", MaxInboundWait)
	}
	if len(r.Body) > MaxTemplate {
		bad.Add("body", "At most 256 KiB.")
	}
	if _, _, err := mime.ParseMediaType(r.ContentType); err != nil {
		bad.Add("content_type", "This is not a content type.")
	}
	for _, h := range r.Headers {
		if h.Name == "" || !headerName(h.Name) || strings.ContainsAny(h.Value, "\r\n\x00") {
			bad.Add("headers", "Each header has a name and a value on one line.")
			break
		}
		switch strings.ToLower(h.Name) {
		case "content-length", "transfer-encoding", "connection", "set-cookie", "content-security-policy", "strict-transport-security", "content-type":
			bad.Add("headers", "“%s” is not yours to set here.", h.Name)
		}
	}
	return bad.Fields()
}

func headerName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

// Ids of inbound endpoints and what belongs to them.
type (
	InboundID    string // inb_
	InboundKeyID string // ink_
	InboundSecID string // ins_
	ReceiptID    string // rcp_
)

func NewInboundID(now time.Time) InboundID       { return InboundID(newID("inb_", now)) }
func NewInboundKeyID(now time.Time) InboundKeyID { return InboundKeyID(newID("ink_", now)) }
func NewInboundSecID(now time.Time) InboundSecID { return InboundSecID(newID("ins_", now)) }
func NewReceiptID(now time.Time) ReceiptID       { return ReceiptID(newID("rcp_", now)) }

// FirstReceiptID is FirstDeliveryID for receipts.
func FirstReceiptID(t time.Time) ReceiptID {
	return ReceiptID("rcp_" + string(FirstDeliveryID(t)[len("dlv_"):]))
}
