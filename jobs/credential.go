package jobs

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
)

// sampleURL is where the sample request of a credential's test would go; nothing is sent.
const sampleURL = "https://api.example.com/orders?limit=2"

// CredentialTest is what a credential does, secrets masked.
type CredentialTest struct {
	Preview                           // the sample request as it would carry the credential; Error says why it cannot
	Token        *scheme.TokenAnswer  // the real answer of the token endpoint; nil = there is none to ask
	Working      []scheme.Step        // the texts that were signed
	Certificates []scheme.Certificate // that are shown and trusted
}

// TestCredential opens a credential, has the token endpoint asked if there is one, and puts the credential on a sample
// request, which is not sent. That it cannot be applied is in the answer.
func (s *Service) TestCredential(ctx context.Context, id model.CredentialID) (CredentialTest, error) {
	c, err := s.o.Store.Credential(ctx, id)
	if err != nil {
		return CredentialTest{}, err
	}
	secrets, err := s.o.Store.OpenCredential(ctx, id)
	if err != nil {
		return CredentialTest{}, err
	}
	m := scheme.Material{Type: c.Type, Config: c.Config, Secrets: secrets} // without an ID: what is kept is not looked at
	out := CredentialTest{}
	switch c.Type {
	case model.CredentialClientSecret:
		out.Working = scheme.Sample(c.Type, c.Config, c.Stored, s.o.BaseURL)
		return out, nil
	case "oauth2":
		answer := s.keeper.AskToken(ctx, m)
		if out.Token, out.Error = &answer, answer.Exchange.Error; out.Error == "" {
			out.Preview = Preview{Method: http.MethodGet, URL: sampleURL, Headers: []model.Header{{Name: "Authorization", Value: "Bearer " + model.Mask}}}
		}
		return out, nil
	case model.CredentialCertificate:
		out.Certificates = scheme.Certificates(c.Config)
	}
	redact := scheme.NewRedactor([]scheme.Material{m})
	req := egress.Request{Method: http.MethodGet, URL: sampleURL, Header: http.Header{}}
	applied, err := s.keeper.Apply(ctx, &req, m)
	var refused *egress.Error
	switch {
	case errors.As(err, &refused):
		out.Error = redact.Text(refused.Message)
		return out, nil
	case err != nil:
		return out, err
	}
	redact = redact.With(applied.Token)
	out.Preview = Preview{Method: req.Method, URL: redact.URL(req.URL, applied), Headers: redact.Request(req.Header, applied)}
	for _, step := range applied.Working {
		out.Working = append(out.Working, scheme.Step{Title: step.Title, Text: redact.Text(step.Text)})
	}
	return out, nil
}

// CredentialSample is what a credential of these settings puts on the wire, as far as it can be said without its
// secrets; have names those that are typed or stored. Nothing is opened or asked.
func (s *Service) CredentialSample(t model.CredentialType, config model.Config, have []string) []scheme.Step {
	return scheme.Sample(t, scheme.Clean(t, config), have, s.o.BaseURL)
}

// TryRotation makes one real exchange with a destination, with the secret that is on trial in place of the one in use,
// and notes what became of it. The destination's connection must use the credential.
func (s *Service) TryRotation(ctx context.Context, actor model.Actor, id model.CredentialID, destination model.DestID, e model.Event) (model.Attempt, error) {
	if err := s.accepting(ctx); err != nil {
		return model.Attempt{}, err
	}
	c, err := s.o.Store.Credential(ctx, id)
	if err != nil {
		return model.Attempt{}, err
	}
	x, err := s.o.Store.Rotation(ctx, id)
	if fault.Is(err, fault.NotFound) || (err == nil && x.State != model.RotationPending) {
		return model.Attempt{}, fault.Coded(fault.Conflict, "no_rotation", "No new secret of “%s” is waiting; store one first.", c.Name)
	}
	if err != nil {
		return model.Attempt{}, err
	}
	snap, err := s.routing.current(ctx)
	if err != nil {
		return model.Attempt{}, err
	}
	d, ok := snap.Destinations[destination]
	conn := snap.Connections[d.ConnectionID]
	if !ok || (conn.CredentialID != id && conn.ClientCertificateID != id) {
		var bad fault.Check
		bad.Add("destination_id", "Choose a destination whose connection uses this credential.")
		return model.Attempt{}, bad.Err()
	}
	if err := s.MayAct(ctx, actor.Rights, d.ConnectionID); err != nil {
		return model.Attempt{}, err
	}
	u, err := s.routing.prepare(ctx, snap, conn, d)
	if err != nil {
		return model.Attempt{}, err
	}
	pending, err := s.o.Store.OpenPending(ctx, id)
	if err != nil {
		return model.Attempt{}, err
	}
	trial := *u
	tried := &trial.Credential
	if conn.CredentialID == id {
		trial.Secrets = pending
	} else {
		tried, trial.CertificateSecrets = &trial.Certificate, pending
	}
	// A name of its own: tokens and connections of the secret in use are not touched. And a version for every trial: what
	// the one before was granted, or refused a moment ago, says nothing of this one.
	tried.ID, tried.Version, tried.Config = id+" on trial", s.tried.Add(1), x.Config
	r := s.trials.Deliver(ctx, trial.Ready(), sampleWork(d, e))
	a := tested(r, s.o.Now(), d)
	err = s.o.Store.Write(ctx, actor, func(tx *db.Tx) error {
		return tx.TriedRotation(id, model.Trial{On: d.Name, Status: a.StatusCode, Error: a.Error})
	})
	return a, err
}

// tested is the attempt of a test, with its verdict.
func tested(r deliver.Result, now time.Time, d model.Destination) model.Attempt {
	if r.Attempt == nil {
		r.Attempt = &model.Attempt{StartedAt: now, Method: d.Method, Class: model.ClassTemplate, Error: r.Error}
	}
	r.Attempt.UserMessage = r.UserMessage
	if len(r.Each) == 1 { // the answer tells records apart; there is one
		r.Kind, r.Attempt.Said = r.Each[0].Kind, r.Each[0].Said
		r.Attempt.Error = cmp.Or(r.Each[0].Error, r.Attempt.Error)
	}
	switch r.Kind {
	case deliver.Sent, deliver.Taken:
		r.Attempt.Verdict = model.Delivered
	case deliver.Nothing:
		r.Attempt.Verdict, r.Attempt.Class = model.Skipped, model.ClassNone
	default:
		r.Attempt.Verdict = model.Failed
	}
	return *r.Attempt
}

// lives gathers what becomes of credentials in use; its zero value is ready.
type lives struct {
	mu      sync.Mutex
	seen    map[model.CredentialID]*model.CredentialLife
	written map[model.CredentialID]time.Time
}

// lifeEvery is how often the use of one credential is written at most.
const lifeEvery = time.Minute

// note hears of every request that was to carry a credential; failure is why it was not accepted, "" = it was.
func (l *lives) note(id model.CredentialID, failure string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.seen[id]
	if x == nil {
		if l.seen == nil {
			l.seen, l.written = map[model.CredentialID]*model.CredentialLife{}, map[model.CredentialID]time.Time{}
		}
		x = &model.CredentialLife{ID: id}
		l.seen[id] = x
	}
	x.UsedAt = now
	if failure != "" {
		x.FailedAt, x.Failure = now, failure
	}
}

// due takes what is to be written now; all takes everything.
func (l *lives) due(now time.Time, all bool) (out []model.CredentialLife) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, x := range l.seen {
		if age := now.Sub(l.written[id]); all || age >= lifeEvery || age < 0 {
			out = append(out, *x)
			delete(l.seen, id)
			l.written[id] = now
		}
	}
	return out
}

// writeLives writes what became of credentials. What cannot be written is forgotten: nothing depends on it.
func (s *Service) writeLives(all bool) {
	if err := s.o.Store.AddCredentialLives(s.lives.due(s.o.Now(), all)); err != nil {
		s.o.Log.Warn("the use of credentials could not be written", "error", err)
	}
}
