package model

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
)

// Event is an immutable fact.
type Event struct {
	ID         EventID
	ExternalID string // the caller's id
	Name       string
	Subject    string
	Time       time.Time       // when it happened, as the caller says; else when it was accepted
	Data       json.RawMessage // as received, byte for byte; nil when retention has taken it
	Depth      int             // 0 = from outside; grows along chains of events
	Deliveries int             // how many it caused
	Met        []Met           // actions whose pattern matched and what each decided
	CreatedAt  time.Time
	// Traceparent is the trace that it belongs to (W3C Trace Context), "" = none; it goes on with its deliveries.
	Traceparent string
}

// Traceparent is text when that is a traceparent that can be passed on (W3C Trace Context, version 00), else "".
func Traceparent(text string) string {
	if len(text) != 55 || text[:3] != "00-" || text[35] != '-' || text[52] != '-' || strings.Trim(text, "0123456789abcdef-") != "" ||
		text[3:35] == strings.Repeat("0", 32) || text[36:52] == strings.Repeat("0", 16) || strings.Count(text, "-") != 3 {
		return ""
	}
	return text
}

// Met is what one action, or the trigger of one workflow, decided about an event when it was accepted.
type Met struct {
	Action ActionID `json:"a,omitempty"`
	// Workflow is set instead of Action when the event met the trigger of a workflow.
	Workflow WorkflowID `json:"w,omitempty"`
	Name     string     `json:"n"`
	Result   MetWord    `json:"r"`
	Detail   string     `json:"d,omitempty"` // the filter's value or error
}

// MetWord is the decision.
type MetWord string

const (
	MetSent    MetWord = "sent"
	MetFilter  MetWord = "filter_no"
	MetError   MetWord = "filter_error"
	MetOff     MetWord = "action_off"
	MetHeld    MetWord = "destination_off"
	MetLooping MetWord = "too_deep"
	MetStarted MetWord = "started" // a workflow began a run
	MetFlowOff MetWord = "workflow_off"
)

// MaxDepth is how far events may cause events.
const MaxDepth = 8

// Limits of what is accepted (SEMANTICS 9).
const (
	MaxEvent            = 1 << 20
	MaxBatchRequest     = 8 << 20
	MaxBatchEvents      = 1000
	MaxEventDeliveries  = 1000
	MaxBatchDeliveries  = 10000
	MaxStoredResponse   = 64 << 10
	MaxRenderedBody     = 1 << 20
	DedupeLife          = 7 * 24 * time.Hour
	InternalEventPrefix = "webhook."
)

// CheckEventName is what is wrong with an event's name, or "".
func CheckEventName(name string) string {
	switch {
	case name == "":
		return "An event needs a name, for instance order.created."
	case len(name) > 200:
		return "At most 200 characters."
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return "Segments between dots must not be empty."
	case strings.ContainsFunc(name, func(r rune) bool { return r == '*' || unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "No spaces, control characters or *."
	}
	return ""
}

// CheckPattern is what is wrong with an action's event pattern, or "".
func CheckPattern(pattern string) string {
	if pattern == "" {
		return "Name the event, for instance order.created or order.*."
	}
	rest, _ := strings.CutSuffix(pattern, ".**")
	if pattern == "**" {
		return ""
	}
	for seg := range strings.SplitSeq(rest, ".") {
		if seg == "*" {
			continue
		}
		if strings.Contains(seg, "*") {
			return "* stands for one whole segment and ** for the rest, at the end: order.*, order.**"
		}
		if err := CheckEventName(seg); err != "" {
			return err
		}
	}
	return ""
}

// Matches reports whether an event's name fits a pattern (SEMANTICS 2). A pattern that begins with a wildcard never
// matches webhook.… events, since those are raised by deliveries and would loop.
func Matches(pattern, name string) bool {
	if strings.HasPrefix(pattern, "*") && strings.HasPrefix(name, InternalEventPrefix) {
		return false
	}
	for {
		if pattern == "**" {
			return name != ""
		}
		ps, prest, pmore := strings.Cut(pattern, ".")
		ns, nrest, nmore := strings.Cut(name, ".")
		if ns == "" || (ps != "*" && ps != ns) {
			return false
		}
		if !pmore || !nmore {
			return pmore == nmore
		}
		pattern, name = prest, nrest
	}
}

// Stamp is a time as outsiders see it: RFC 3339, UTC, milliseconds; "" for the zero time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
