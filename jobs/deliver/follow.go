package deliver

import (
	"context"
	"net/http"
	"time"

	"waybill/db/model"
	"waybill/jobs/connector"
	"waybill/jobs/egress"
)

// Heard is what asking for the outcome of a message came to.
type Heard struct {
	// Result is what became of the message, with the exchange that told it; meaningless while Wait is set.
	Result Result
	Wait   time.Duration // it is not known yet: ask again after this long
	Words  string        // … because; "" = the other side works on it
}

// longestFollowed is how long a message is followed: after that nobody will tell any more.
const longestFollowed = 24 * time.Hour

// Follow asks once what became of a message that the other side took. w is the message as far as its deliveries still wait,
// at the place that each had in it.
func (s *Sender) Follow(ctx context.Context, u *Setup, w *model.Work, at []int, f model.FollowUp) Heard {
	asked, ok := connector.Follow(connector.Followed{Connection: u.Connection, Destination: u.Destination, Reference: f.Reference, Since: f.Since, Records: len(f.Members)})
	if !ok {
		return s.lost(w, u, "The connection's type no longer tells what became of it.")
	}
	for {
		p := &Prepared{Setup: u, Work: w, Request: asked.Request}
		p.Request.Scope = u.Scope
		a, x, err := s.asks(ctx, p)
		switch {
		case ctx.Err() != nil:
			return Heard{Result: Result{Kind: Cut}}
		case err != nil && s.Now().Sub(f.Since) < longestFollowed:
			return Heard{Wait: patience(f, s.Now()), Words: u.Redact.Text(connector.JudgeError(err).Words)}
		case err != nil:
			return s.lost(w, u, u.Redact.Text(connector.JudgeError(err).Words))
		}
		tale := asked.Tell(connector.Answer{Connection: u.Connection, Destination: u.Destination, Exchange: x, Records: len(f.Members), Now: s.Now()})
		words := u.Redact.Text(tale.Words)
		switch {
		case tale.Next != nil:
			asked = *tale.Next
		case tale.Wait > 0 && s.Now().Sub(f.Since) < longestFollowed:
			return Heard{Wait: tale.Wait, Words: words}
		case tale.Wait > 0:
			return s.lost(w, u, words)
		default:
			return Heard{Result: s.told(p, a, tale, at)}
		}
	}
}

// patience is how long to wait before a message is asked for again whose outcome could not be asked for.
func patience(f model.FollowUp, now time.Time) time.Duration {
	return min(max(now.Sub(f.Since)/2, 5*time.Second), 10*time.Minute)
}

// lost is the end of following a message without an outcome.
func (s *Sender) lost(w *model.Work, u *Setup, why string) Heard {
	a := s.begin(w)
	a.Class, a.Error = model.ClassBroken, "It was taken, but what became of it was not told within a day. Look there before you send it again. "+why
	a.Template = u.Destination.Version
	return Heard{Result: Result{Kind: Final, Attempt: a, Error: a.Error}}
}

// told is what a tale means for those that still wait.
func (s *Sender) told(p *Prepared, a *model.Attempt, tale connector.Tale, at []int) Result {
	v, redact := tale.Verdict, p.Setup.Redact
	r := Result{Kind: kindOf(v), Attempt: a, RetryAfter: v.RetryAfter}
	if !v.Success {
		a.Class, a.Error = v.Class, redact.Text(v.Words)
		r.Error = a.Error
	}
	if tale.Split {
		r.Kind, r.Bound = Again, true
	}
	if v.Each == nil {
		return r
	}
	for _, place := range at {
		one := v
		if place < len(v.Each) {
			one = v.Each[place]
		}
		r.Each = append(r.Each, part(one, redact))
	}
	return r
}

// asks makes one exchange with the credential of the connection; a token that is not accepted is renewed once.
func (s *Sender) asks(ctx context.Context, p *Prepared) (a *model.Attempt, x egress.Exchange, err error) {
	plain := p.Request
	for renewed := false; ; renewed = true {
		p.Request = plain
		if p.Request.Header = plain.Header.Clone(); p.Request.Header == nil {
			p.Request.Header = http.Header{}
		}
		if p.Setup.Credential.ID != "" {
			if p.Applied, err = s.Keeper.Apply(ctx, &p.Request, p.Setup.material()); err != nil {
				return nil, x, err
			}
		}
		if err := s.Keeper.Handshake(&p.Request, p.Setup.handshake()); err != nil {
			return nil, x, err
		}
		a, x, err = s.record(ctx, p)
		if err != nil || renewed || !p.Applied.Renews || x.Status != http.StatusUnauthorized {
			return a, x, err
		}
		s.Keeper.Drop(p.Setup.material(), p.Applied.Token)
	}
}
