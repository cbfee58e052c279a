// Package deliver makes one attempt of a delivery, from what was claimed to a verdict: render, build, authenticate,
// sign, send, judge. It stores nothing and decides nothing about later attempts; that is jobs/dispatch's.
//
// Preview, test and delivery share its one path (Prepare, Send), so that what a person saw is what is sent.
package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/connector"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
	"waybill/jobs/script"
)

// Kind is what an attempt came to.
type Kind int

const (
	Sent    Kind = iota // the receiver took it
	Again               // worth another attempt
	Final               // will not get better by itself
	Nothing             // the template said that there is nothing to send
	Crash               // the render took its worker down
	Cut                 // the program is stopping; as if it had not been tried
	Taken               // the receiver took it and tells later what becomes of it
)

// Result is one attempt. Its texts hold no secret.
type Result struct {
	Kind        Kind
	Attempt     *model.Attempt // nil when there is nothing to keep
	Error       string         // in words, names the rule
	UserMessage string         // the connection's timeout message, when the other side did not answer in time
	RetryAfter  time.Duration
	Renew       bool   // the token was not accepted, whatever the status
	Bound       bool   // it was too much: what is in a batch may go by itself
	Disable     string // why the destination is to be switched off; "" = it is not
	BodyIsData  bool
	// Each is what came of each delivery of the message, in their order, where the answer told them apart; nil = Kind is that
	// of all.
	Each []Part
	// Follow is how to ask for the outcome, when Kind is Taken.
	Follow *model.Follow
	// Renewed is the exchange before Attempt, when the receiver answered 401 to a token and another one was obtained at
	// once. It is an attempt row of its own that does not count.
	Renewed *model.Attempt
}

// Part is what came of one delivery of a message.
type Part struct {
	Kind       Kind // Sent, Again, Final, Nothing or Taken
	Error      string
	Said       string // by the other side, when it went well
	RetryAfter time.Duration
}

// Sender makes attempts. All fields but Note are required.
type Sender struct {
	Render func(context.Context, script.Job) (script.Output, error)
	Egress *egress.Client
	Keeper *scheme.Keeper // shared by all, so that its tokens are
	Now    func() time.Time
	// Setup is what the request of a delivery needs: its destination's, or its step's.
	Setup func(context.Context, *model.Work) (*Setup, error)
	// Note hears how each use of a credential went, "" = well; nil = nobody asks. It must be quick.
	Note func(id model.CredentialID, failure string)
}

// Attempt makes one attempt of a delivery.
func (s *Sender) Attempt(ctx context.Context, w *model.Work) Result {
	u, err := s.Setup(ctx, w)
	if err != nil {
		return s.unprepared(ctx, w, nil, err)
	}
	return s.Deliver(ctx, u, w)
}

// Deliver is Attempt with a set-up that is already known.
func (s *Sender) Deliver(ctx context.Context, u *Setup, w *model.Work) Result {
	p, err := s.Prepare(ctx, u, w)
	if err != nil {
		return s.noted(u, s.unprepared(ctx, w, u, err))
	}
	return s.noted(u, s.Send(ctx, p))
}

// noted tells what an attempt says of the credential: that it could not be had or was not accepted, or that the other
// side answered something else.
func (s *Sender) noted(u *Setup, r Result) Result {
	if r.Attempt == nil {
		return r
	}
	switch status := r.Attempt.StatusCode; {
	case r.Attempt.Class == model.ClassAuth || status == http.StatusUnauthorized || status == http.StatusForbidden:
		s.note(u.Credential.ID, u.Connection.Name+": "+r.Attempt.Error)
	case status != 0:
		s.note(u.Credential.ID, "")
	}
	if r.Attempt.StatusCode != 0 { // whatever it says: the handshake went well
		s.note(u.Certificate.ID, "")
	}
	return r
}

func (s *Sender) note(id model.CredentialID, failure string) {
	if s.Note != nil && id != "" {
		s.Note(id, failure)
	}
}

// Failure is why a request could not be made.
type Failure struct {
	Kind  Kind
	Class model.ErrorClass
	Words string
	// Problem is set when a template is at fault.
	Problem *script.Problem
	// Each is why, for each delivery of the message, where they differ.
	Each []Part
}

func (f *Failure) Error() string { return f.Words }

// unprepared is the result of an attempt that never left.
func (s *Sender) unprepared(ctx context.Context, w *model.Work, u *Setup, err error) Result {
	if ctx.Err() != nil {
		return Result{Kind: Cut}
	}
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Kind: Again, Class: model.ClassSetup, Words: "The destination could not be prepared: " + err.Error()}
		if fault.Is(err, fault.NotFound) {
			f.Kind, f.Words = Final, gone(w.Delivery)
		}
	}
	bound := f.Problem != nil && f.Problem.Bound != ""
	if f.Kind == Nothing || f.Kind == Crash {
		return Result{Kind: f.Kind, Error: f.Words}
	}
	a := s.begin(w)
	a.Class, a.Error = f.Class, f.Words
	if u != nil {
		a.Template, a.Method, a.URL = u.Destination.Version, u.Destination.Method, u.Redact.URL(u.Connection.EffectiveURL(), scheme.Applied{})
		a.Error = u.Redact.Text(a.Error)
	}
	return Result{Kind: f.Kind, Attempt: a, Error: a.Error, Bound: bound, Each: f.Each}
}

func gone(d model.Delivery) string {
	if d.DestinationID == "" {
		return "The step that this belongs to no longer exists."
	}
	return "The destination no longer exists."
}

func (s *Sender) begin(w *model.Work) *model.Attempt {
	now := s.Now()
	return &model.Attempt{ID: model.NewAttemptID(now), DeliveryID: w.Delivery.ID, Number: w.Delivery.Attempts + 1, StartedAt: now,
		Timings: model.Timings{Waited: w.Waited.Microseconds(), WaitedFor: w.WaitedFor}}
}

// Prepared is the exact request that would be sent.
type Prepared struct {
	Setup      *Setup
	Work       *model.Work
	Request    egress.Request
	Applied    scheme.Applied
	BodyIsData bool
	Rendered   time.Duration // spent in the template
	// Shown is the body with its client secret masked, nil when it holds none.
	Shown []byte
	// Records is how many records the request holds, of types that take several; 0 = it is one message.
	Records int
	// apart are the deliveries of the message that have no record in the request, by place, and why; nil = all have one.
	apart map[int]Part
}

// Draft makes the request as it is before it is signed and authenticated: rendered and joined, as of now. Nothing leaves the
// machine for it, so it serves to compare templates. The error is a *Failure, or ctx's.
func (s *Sender) Draft(ctx context.Context, u *Setup, w *model.Work, now time.Time) (*Prepared, error) {
	var apart map[int]Part
	draw := s.render
	if u.kind.Records {
		draw = func(ctx context.Context, u *Setup, w *model.Work, now time.Time) (r connector.Rendered, took time.Duration, err error) {
			r, apart, took, err = s.records(ctx, u, w, now)
			return r, took, err
		}
	}
	rendered, took, err := draw(ctx, u, w, now)
	if err != nil {
		return nil, err
	}
	p := &Prepared{Setup: u, Work: w, Rendered: took, apart: apart, BodyIsData: u.Destination.Template == "" && !u.batched(w) && !u.kind.Records}
	p.Records = len(rendered.Records)
	if p.Request, err = connector.Build(u.Connection, u.Destination, rendered); err != nil {
		return nil, refusedOr(err, Final, model.ClassRefused)
	}
	p.Request.Scope = u.Scope
	if trace := w.Event.Traceparent; trace != "" && p.Request.Header["Traceparent"] == nil {
		p.Request.Header.Set("Traceparent", trace) // the caller's trace goes on (W3C Trace Context)
	}
	// What is kept of a step is what its templates see; only where that is the body too, it need not be stored twice.
	p.BodyIsData = p.BodyIsData && len(p.Request.Body) > 0 && (w.Payload == nil || bytes.Equal(p.Request.Body, w.Payload))
	if u.ClientSecret != "" {
		p.Shown = withSecret(p.Request.Body, model.Mask)
		p.Request.Body = withSecret(p.Request.Body, u.ClientSecret.Reveal())
	}
	return p, nil
}

// Prepare makes the request: renders, joins, authenticates, signs. The error is a *Failure, or ctx's.
func (s *Sender) Prepare(ctx context.Context, u *Setup, w *model.Work) (*Prepared, error) {
	now := s.Now()
	p, err := s.Draft(ctx, u, w, now)
	if err != nil {
		return nil, err
	}
	if err := scheme.Stamp(&p.Request, u.Signing, w.MessageID(), now, u.Older...); err != nil {
		return nil, &Failure{Kind: Final, Class: model.ClassAuth, Words: err.Error()}
	}
	if u.Credential.ID != "" {
		// Applied last: some kinds sign what is sent.
		m := u.material()
		m.Depth = max(w.Event.Depth, u.Depth)
		if p.Applied, err = s.Keeper.Apply(ctx, &p.Request, m); err != nil {
			return nil, refusedOr(err, Again, model.ClassAuth)
		}
	}
	if err := s.Keeper.Handshake(&p.Request, u.handshake()); err != nil {
		s.note(u.Certificate.ID, u.Connection.Name+": "+err.Error())
		f := refusedOr(err, Again, model.ClassTLS)
		f.Class = model.ClassTLS // not the doing of the credential that the request carries
		return nil, f
	}
	return p, nil
}

// refusedOr is the failure of a request that could not be made: final when a rule refused it.
func refusedOr(err error, kind Kind, class model.ErrorClass) *Failure {
	var e *egress.Error
	if !errors.As(err, &e) {
		return &Failure{Kind: kind, Class: class, Words: err.Error()}
	}
	if e.Class == model.ClassRefused {
		kind = Final
	}
	return &Failure{Kind: kind, Class: e.Class, Words: e.Message}
}

// Send makes the exchange and judges it. A 401 (or what means the same to the type) to a token that was obtained for it,
// kept or fresh, is followed at once by one more exchange with another token (SEMANTICS 4).
func (s *Sender) Send(ctx context.Context, p *Prepared) Result {
	if !p.Applied.Renews {
		return s.exchange(ctx, p)
	}
	again := *p
	again.Request.Header = p.Request.Header.Clone() // the exchange takes the map over
	first := s.exchange(ctx, p)
	if first.Attempt == nil || first.Attempt.StatusCode != http.StatusUnauthorized && !first.Renew {
		return first
	}
	s.Keeper.Drop(p.Setup.material(), p.Applied.Token)
	return s.renewed(ctx, &again, first.Attempt)
}

// renewed makes the exchange once more with a fresh token; before is the one that was answered 401.
func (s *Sender) renewed(ctx context.Context, p *Prepared, before *model.Attempt) (r Result) {
	var err error
	if p.Applied, err = s.Keeper.Apply(ctx, &p.Request, p.Setup.material()); err != nil {
		r = s.unprepared(ctx, p.Work, p.Setup, refusedOr(err, Again, model.ClassAuth))
	} else {
		r = s.exchange(ctx, p)
	}
	if r.Kind == Cut {
		return r
	}
	r.Renewed = before
	if r.Error != "" {
		r.Error = "The token was " + how(before) + ", so another one was asked for. " + r.Error
		r.Attempt.Error = r.Error
	}
	return r
}

// how the receiver refused a token.
func how(before *model.Attempt) string {
	if before.StatusCode == http.StatusUnauthorized {
		return "answered 401"
	}
	return "not accepted"
}

func (s *Sender) exchange(ctx context.Context, p *Prepared) Result {
	a, x, err := s.record(ctx, p)
	if err != nil && ctx.Err() != nil {
		return Result{Kind: Cut}
	}
	u, redact := p.Setup, p.Setup.Redact.With(p.Applied.Token)
	r := Result{Attempt: a, BodyIsData: p.BodyIsData && len(a.Request.Body) == len(p.Request.Body)}
	var v connector.Verdict
	if err != nil {
		v = connector.JudgeError(err)
	} else {
		v = connector.Judge(connector.Answer{Connection: u.Connection, Destination: u.Destination, Exchange: x, Records: p.Records, Now: s.Now()}).Overrule(x, []model.RetryOn{u.Destination.RetryOn, u.Connection.RetryOn}, s.Now())
	}
	r.Kind, r.RetryAfter, r.Follow = kindOf(v), v.RetryAfter, v.Follow
	r.Each = each(p, v, redact)
	if v.Success && v.Words == "" {
		return r
	}
	a.Class, a.Error = v.Class, redact.Text(v.Words)
	r.Renew = v.Renew
	r.Error, r.Bound = a.Error, a.StatusCode == http.StatusRequestEntityTooLarge
	if a.Class == model.ClassTimeout {
		r.UserMessage = u.Connection.TimeoutMessage
	}
	if v.Disable {
		r.Disable = fmt.Sprintf("The receiver answered %d (gone for good).", x.Status)
	}
	return r
}

func kindOf(v connector.Verdict) Kind {
	switch {
	case v.Follow != nil:
		return Taken
	case v.Success:
		return Sent
	case v.Retry:
		return Again
	}
	return Final
}

// each is what a verdict means for each delivery of the message, nil when it is the same for all.
func each(p *Prepared, v connector.Verdict, redact *scheme.Redactor) []Part {
	if v.Each == nil && p.apart == nil {
		return nil
	}
	out, n := make([]Part, max(1, len(p.Work.Batch))), 0
	for i := range out {
		if apart, is := p.apart[i]; is {
			out[i] = apart
			continue
		}
		one := v
		if n < len(v.Each) {
			one = v.Each[n]
		}
		out[i] = part(one, redact)
		n++
	}
	return out
}

func part(v connector.Verdict, redact *scheme.Redactor) Part {
	p := Part{Kind: kindOf(v), RetryAfter: v.RetryAfter}
	if words := redact.Text(v.Words); v.Success {
		p.Said = words
	} else {
		p.Error = words
	}
	return p
}

// record makes the exchange and notes it.
func (s *Sender) record(ctx context.Context, p *Prepared) (*model.Attempt, egress.Exchange, error) {
	u, redact := p.Setup, p.Setup.Redact.With(p.Applied.Token)
	a := s.begin(p.Work)
	a.Template, a.Method, a.URL = u.Destination.Version, p.Request.Method, redact.URL(p.Request.URL, p.Applied)
	body := p.Request.Body
	if p.Shown != nil {
		body = p.Shown
	}
	a.Request = model.Message{Headers: redact.Request(p.Request.Header, p.Applied), Body: redact.Body(body, false), Size: int64(len(p.Request.Body))}
	x, err := s.Egress.Do(ctx, p.Request)
	a.Address, a.StatusCode = x.Address, x.Status
	for i := range x.Added {
		x.Added[i].Value = redact.Text(x.Added[i].Value)
	}
	a.Request.Headers = append(x.Added, a.Request.Headers...)
	x.Timings.Waited, x.Timings.WaitedFor = a.Timings.Waited, a.Timings.WaitedFor
	a.Timings = x.Timings
	a.Response = model.Message{Headers: redact.Response(x.Header), Body: redact.Body(x.Body, x.Truncated), Size: x.Size, Truncated: x.Truncated}
	if len(a.Response.Body) > model.MaxStoredResponse { // some types have to read more than is kept
		a.Response.Body, a.Response.Truncated = a.Response.Body[:model.MaxStoredResponse:model.MaxStoredResponse], true
	}
	return a, x, err
}
