// Package fault is the vocabulary of things that can go wrong and that a person can act on.
//
// Only db, db/model and jobs (with its packages) make faults; handlers turn a Kind into a status, a page or a
// problem document in one place. Any error that is not a fault is a defect of ours: it is logged and shown as
// "Internal error" with a request id. The package knows nothing but the standard library.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what a caller can do about a fault.
type Kind string

const (
	Malformed   Kind = "malformed"   // 400: the bytes could not be read as what they claim to be
	SignedOut   Kind = "signed_out"  // 401: no or no valid session, key or password
	Forbidden   Kind = "forbidden"   // 403: Right names what is missing
	NotFound    Kind = "not_found"   // 404
	Conflict    Kind = "conflict"    // 409: duplicate name, idempotency key with another body, thing in use
	Stale       Kind = "stale"       // 409: the version that was sent is not the current one
	TooLarge    Kind = "too_large"   // 413
	Unsupported Kind = "unsupported" // 415: content type
	Invalid     Kind = "invalid"     // 422: Fields say what and where
	Throttled   Kind = "throttled"   // 429: RetryAfter in seconds
	Unavailable Kind = "unavailable" // 503: cannot store now; nothing was accepted
)

// Field is one complaint about one input. Name is its JSON path (`headers[0].name`); empty means the whole.
type Field struct {
	Name    string `json:"field"`
	Message string `json:"message"`

	words *Words // of Message, nil where it is a text alone
}

// Equal compares what is told; how a message was put together does not count.
func (f Field) Equal(o Field) bool { return f.Name == o.Name && f.Message == o.Message }

// Words are those of the message.
func (f Field) Words() *Words { return wordsOf(f.words, f.Message) }

// Fault is an error with a sentence for people.
type Fault struct {
	Kind       Kind
	Code       string // stable word for programs, for instance "duplicate_name"; empty = the kind
	Message    string // one sentence for people, without secrets
	Fields     []Field
	Right      string // Forbidden: the missing right
	RetryAfter int    // Throttled, Unavailable: seconds, 0 = not known
	Cause      error  // logged, never shown

	words *Words // of Message, nil where it is a text alone
}

// Words are those of the message.
func (f *Fault) Words() *Words { return wordsOf(f.words, f.Message) }

func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Message)
	for i, x := range f.Fields {
		if i == 0 {
			b.Reset()
			b.WriteString(strings.TrimSuffix(f.Message, ".") + ": ")
		} else {
			b.WriteString("; ")
		}
		if x.Name != "" {
			b.WriteString(x.Name + ": ")
		}
		b.WriteString(x.Message)
	}
	if f.Cause != nil {
		fmt.Fprintf(&b, ": %v", f.Cause)
	}
	return b.String()
}

func (f *Fault) Unwrap() error { return f.Cause }

// New makes a fault of kind k.
func New(k Kind, format string, args ...any) *Fault {
	return Coded(k, "", format, args...)
}

// Coded is New with a stable code.
func Coded(k Kind, code, format string, args ...any) *Fault {
	w := Say(format, args...)
	return &Fault{Kind: k, Code: code, Message: w.String(), words: w}
}

// By is the fault with what caused it.
func (f *Fault) By(cause error) *Fault {
	f.Cause = cause
	return f
}

// Absent is the NotFound fault for one noun ("connection").
func Absent(noun string) *Fault {
	return New(NotFound, "There is no such "+noun+".")
}

// Missing is the Forbidden fault for one right ("Manage Connections").
func Missing(right string) *Fault {
	f := New(Forbidden, "This needs the right “%s”.", Right(right))
	f.Right = right
	return f
}

// Complaint is one about the input called name; "" is the whole.
func Complaint(name, format string, args ...any) Field {
	w := Say(format, args...)
	return Field{Name: name, Message: w.String(), words: w}
}

// Check gathers complaints; its zero value is ready.
type Check struct{ fields []Field }

// Add records a complaint about name.
func (c *Check) Add(name, format string, args ...any) {
	c.fields = append(c.fields, Complaint(name, format, args...))
}

// Join records complaints made elsewhere, with prefix put before their names.
func (c *Check) Join(prefix string, fields []Field) {
	for _, f := range fields {
		f.Name = prefix + f.Name
		c.fields = append(c.fields, f)
	}
}

// Fields are the complaints so far.
func (c *Check) Fields() []Field { return c.fields }

// Err is nil, or the Invalid fault with all complaints.
func (c *Check) Err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return Refused(c.fields...)
}

// Refused is the Invalid fault with these complaints.
func Refused(fields ...Field) *Fault {
	return &Fault{Kind: Invalid, Message: "Some fields need attention.", Fields: fields}
}

// Of finds the fault in err's chain, or nil.
func Of(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// Is reports whether err holds a fault of kind k.
func Is(err error, k Kind) bool {
	f := Of(err)
	return f != nil && f.Kind == k
}
