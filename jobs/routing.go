package jobs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/connector"
	"waybill/jobs/deliver"
	"waybill/jobs/dispatch"
	"waybill/jobs/filter"
	"waybill/jobs/s3"
)

// rule is one action, ready to decide.
type rule struct {
	action model.Action
	filter *filter.Program // nil = always
	broken string          // why the filter cannot be used; "" = it can
}

// snapshot is everything that routing and attempts need to know, as of one Version. It never changes; what is opened
// lazily (secrets) is remembered in it.
type snapshot struct {
	db.Routing
	exact    map[string][]*rule // patterns without wildcards, by event name
	patterns []*rule
	rules    map[model.ActionID]*rule
	setups   sync.Map                              // model.DestID → *deliver.Setup
	targets  sync.Map                              // model.DestID → dispatch.Target
	steps    sync.Map                              // stepKey → *deliver.Setup
	begins   []*begin                              // workflows that events start
	shares   map[model.ConnectionID]dispatch.Share // of connections whose system limits all of its clients
}

// routing keeps the current snapshot.
type routing struct {
	store *db.Store
	use   func(context.Context, db.Routing) error // hears of what is read before anything is sent by it; nil = nobody does
	now   atomic.Pointer[snapshot]
	load  sync.Mutex
}

// current is the snapshot of the newest Version that this process knows of.
func (r *routing) current(ctx context.Context) (*snapshot, error) {
	v, err := r.store.Version(ctx)
	if err != nil {
		return nil, err
	}
	if s := r.now.Load(); s != nil && s.Version >= v {
		return s, nil
	}
	r.load.Lock()
	defer r.load.Unlock()
	old := r.now.Load()
	if old != nil && old.Version >= v {
		return old, nil
	}
	rows, err := r.store.Routing(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the routing: %w", err)
	}
	if r.use != nil {
		if err := r.use(ctx, rows); err != nil {
			return nil, err
		}
	}
	s := newSnapshot(rows, old)
	r.now.Store(s)
	return s, nil
}

func newSnapshot(rows db.Routing, old *snapshot) *snapshot {
	s := &snapshot{Routing: rows, exact: map[string][]*rule{}, rules: map[model.ActionID]*rule{}, shares: map[model.ConnectionID]dispatch.Share{}}
	for id, c := range rows.Connections {
		if l := connector.LimitOf(c); l != (connector.Limit{}) {
			s.shares[id] = dispatch.Share{Key: c.Host(), Rate: l.Rate, MaxInFlight: l.MaxInFlight}
		}
	}
	for _, a := range rows.Actions {
		ru := newRule(a, old)
		s.rules[a.ID] = ru
		if strings.Contains(a.Event, "*") {
			s.patterns = append(s.patterns, ru)
		} else {
			s.exact[a.Event] = append(s.exact[a.Event], ru)
		}
	}
	s.begins = newBegins(rows.Workflows, old)
	if old != nil {
		old.setups.Range(func(k, v any) bool {
			if s.fits(v.(*deliver.Setup)) {
				s.setups.Store(k, v)
			}
			return true
		})
	}
	return s
}

// newRule compiles an action's filter, or takes it over when the action is as it was.
func newRule(a model.Action, old *snapshot) *rule {
	if old != nil {
		if was := old.rules[a.ID]; was != nil && was.action.Version == a.Version {
			return &rule{action: a, filter: was.filter, broken: was.broken}
		}
	}
	ru := &rule{action: a}
	if a.Filter != "" {
		p, problem := filter.Compile(a.Filter)
		if ru.filter = p; problem != nil {
			ru.broken = problem.Message
		}
	}
	return ru
}

// fits reports whether a prepared destination is still what the rows say.
func (s *snapshot) fits(u *deliver.Setup) bool {
	d, ok := s.Destinations[u.Destination.ID]
	c := s.Connections[d.ConnectionID]
	return ok && d.Version == u.Destination.Version && c.ID == u.Connection.ID && c.Version == u.Connection.Version &&
		c.CredentialID == u.Credential.ID && s.Credentials[c.CredentialID].Version == u.Credential.Version &&
		c.ClientCertificateID == u.Certificate.ID && s.Credentials[c.ClientCertificateID].Version == u.Certificate.Version &&
		s.sameScope(u.Scope, c, d.ID)
}

// met is every action whose pattern fits the event's name.
func (s *snapshot) met(name string) []*rule {
	out := s.exact[name]
	if len(s.patterns) == 0 {
		return out
	}
	out = append([]*rule(nil), out...)
	for _, r := range s.patterns {
		if model.Matches(r.action.Event, name) {
			out = append(out, r)
		}
	}
	return out
}

// off says why a destination may not be sent to, "" when it may.
func (s *snapshot) off(id model.DestID) string { return s.offWords(id).String() }

// offWords is off in words that other languages can say.
func (s *snapshot) offWords(id model.DestID) *fault.Words {
	d, ok := s.Destinations[id]
	if !ok {
		return fault.Say("The destination no longer exists.")
	}
	switch c := s.Connections[d.ConnectionID]; {
	case !s.Features.Has(model.FeatureOf(c.Type)):
		return fault.Say("%s Until then what is sent there is held.", model.FeatureOf(c.Type).OffWords())
	case !d.Enabled && d.DisabledReason != "":
		return fault.Say("The destination “%s” is switched off: %s It goes on when somebody switches it on.", d.Name, fault.Text(d.DisabledReason))
	case !d.Enabled:
		return fault.Say("The destination “%s” is switched off; it goes on when somebody switches it on.", d.Name)
	case !c.Enabled:
		return fault.Say("The connection “%s” is switched off; it goes on when somebody switches it on.", c.Name)
	}
	return nil
}

// within is the routing as it stands in a transaction.
func (r *routing) within(tx *db.Tx) (*snapshot, error) {
	old := r.now.Load()
	if old != nil && tx.Fresh(old.Version) {
		return old, nil
	}
	rows, err := tx.Routing()
	if err != nil {
		return nil, fmt.Errorf("read the routing: %w", err)
	}
	return newSnapshot(rows, old), nil
}

// target is what dispatch asks about the queue of a destination. It never waits: what is not known yet is known after
// the next change.
func (r *routing) target(id model.TargetID) dispatch.Target {
	return r.now.Load().target(model.DestID(id))
}

func (s *snapshot) target(id model.DestID) dispatch.Target {
	if t, ok := s.targets.Load(id); ok {
		return t.(dispatch.Target)
	}
	d := s.Destinations[id]
	t := dispatch.Target{Share: s.shares[d.ConnectionID], MaxInFlight: d.MaxInFlight, Rate: d.Rate, Schedule: d.Schedule(s.Connections[d.ConnectionID]), Off: s.off(d.ID),
		BatchSize: d.BatchSize, BatchWait: time.Duration(d.BatchWaitMS) * time.Millisecond, Ordered: d.Ordered}
	s.targets.Store(id, t)
	return t
}

// setup is everything that a request to one destination needs, secrets opened.
func (r *routing) setup(ctx context.Context, id model.DestID) (*deliver.Setup, error) {
	s, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	if v, ok := s.setups.Load(id); ok {
		return v.(*deliver.Setup), nil
	}
	d, ok := s.Destinations[id]
	if !ok {
		return nil, fault.Absent("destination")
	}
	u, err := r.prepare(ctx, s, s.Connections[d.ConnectionID], d)
	if err != nil {
		return nil, err
	}
	s.setups.Store(id, u)
	return u, nil
}

// prepare opens what a destination, saved or being edited, needs.
func (r *routing) prepare(ctx context.Context, s *snapshot, c model.Connection, d model.Destination) (*deliver.Setup, error) {
	u := deliver.Setup{Connection: c, Destination: d}
	var err error
	if u.Scope, err = s.scope(c, d.ID); err != nil {
		return nil, err
	}
	if c.CredentialID != "" {
		u.Credential = s.Credentials[c.CredentialID]
		u.Credential.Config = s3.Signing(c, u.Credential.Config)
		if u.Secrets, err = r.store.OpenCredential(ctx, c.CredentialID); err != nil {
			return nil, fmt.Errorf("open the credential: %w", err)
		}
	}
	if c.ClientCertificateID != "" {
		u.Certificate = s.Credentials[c.ClientCertificateID]
		if u.CertificateSecrets, err = r.store.OpenCredential(ctx, c.ClientCertificateID); err != nil {
			return nil, fmt.Errorf("open the client certificate: %w", err)
		}
	}
	if d.Sign && d.ID != "" {
		if u.Signing, u.Older, err = r.store.SigningSecrets(ctx, d.ID, time.Now()); err != nil {
			return nil, fmt.Errorf("open the signing secret: %w", err)
		}
	}
	return u.Ready(), nil
}
