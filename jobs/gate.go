package jobs

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/inbound"
	"waybill/jobs/script"
)

// route is an endpoint, ready to take calls, as of one Version.
type route struct {
	db.InboundRoute
	bucket *bucket
	opened sync.Once
	known  []model.InboundSecret
	locked error // why the secrets do not open

	templates templates
}

// templates are what an endpoint renders; nil = nothing of it is a template.
type templates struct {
	mapping  *script.Template
	response *script.Template
}

// secrets are those that verify calls now.
func (r *route) secrets(ctx context.Context, s *db.Store, now time.Time) (inbound.Secrets, error) {
	r.opened.Do(func() { r.known, r.locked = s.OpenInboundSecrets(context.WithoutCancel(ctx), r.InboundEndpoint) })
	return inbound.Live(r.known, now), r.locked
}

// open reports whether calls with this key are taken at now.
func (r *route) open(key model.InboundKeyID, now time.Time) bool {
	live := false
	for _, k := range r.Keys {
		live = live || k.ID == key && k.Live(now)
	}
	return live && r.Enabled && !r.User.Powerless()
}

// doors are all endpoints as of one Version.
type doors struct {
	version int64
	byHash  map[string]door
	byID    map[model.InboundID]*route
}

type door struct {
	route *route
	key   model.InboundKeyID
}

// gate lets calls in: it finds endpoints by key, and bounds how many calls are taken.
type gate struct {
	store    *db.Store
	now      atomic.Pointer[doors]
	load     sync.Mutex
	strays   strays
	inFlight atomic.Int64
	held     atomic.Int64 // bytes of bodies that are in memory
}

func (g *gate) current(ctx context.Context) (*doors, error) {
	v, err := g.store.Version(ctx)
	if err != nil {
		return nil, err
	}
	if d := g.now.Load(); d != nil && d.version >= v {
		return d, nil
	}
	g.load.Lock()
	defer g.load.Unlock()
	old := g.now.Load()
	if old != nil && old.version >= v {
		return old, nil
	}
	version, rows, err := g.store.InboundRoutes(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	d := &doors{version: version, byHash: map[string]door{}, byID: map[model.InboundID]*route{}}
	for _, row := range rows {
		r := &route{InboundRoute: row, templates: templatesOf(row.InboundEndpoint)}
		if old != nil && old.byID[row.ID] != nil && old.byID[row.ID].Rate == row.Rate {
			r.bucket = old.byID[row.ID].bucket
		} else {
			r.bucket = newBucket(float64(row.Rate), float64(row.Rate))
		}
		d.byID[row.ID] = r
		for id, hash := range row.Hashes {
			d.byHash[hash] = door{r, id}
		}
	}
	g.now.Store(d)
	return d, nil
}

// Bounds of what is taken at once, in this process.
const (
	mostCalls = 2048
	mostHeld  = 64 << 20
	retrySoon = 1 // seconds
)

// Stranger is who calls an inbound endpoint, before anything is known of the call.
type Stranger struct {
	Key      model.Secret
	Endpoint model.InboundID // as the URL names it, "" when the key itself is in the URL
	Address  netip.Addr
}

// Admission is a call that was let in. Release must be called.
type Admission struct {
	who   Stranger
	hash  string
	route *route
	key   model.InboundKeyID
	gate  *gate
	bytes int64
}

// refusedCall is the one answer to calls whose key or proof is not good; it never says which.
func refusedCall() error {
	return fault.Coded(fault.SignedOut, "refused", "This URL or key is not valid, or the call could not be verified.")
}

// Admit lets a call in, by its key, before its body is read. Unknown, ended and revoked keys, endpoints that are off and
// users who may do nothing are refused alike, after the same work.
func (s *Service) Admit(ctx context.Context, who Stranger) (*Admission, error) {
	if err := s.accepting(ctx); err != nil {
		return nil, err
	}
	if s.gate.inFlight.Add(1) > mostCalls {
		s.gate.inFlight.Add(-1)
		return nil, &fault.Fault{Kind: fault.Unavailable, Code: "busy", RetryAfter: retrySoon, Message: "This server takes as many calls as it can; nothing was accepted. Try again."}
	}
	a := &Admission{who: who, hash: string(db.HashKey(who.Key.Reveal())), gate: &s.gate}
	if err := s.admit(ctx, a); err != nil {
		a.Release()
		return nil, err
	}
	return a, nil
}

func (s *Service) admit(ctx context.Context, a *Admission) error {
	now := s.o.Now()
	all, err := s.gate.current(ctx)
	if err != nil {
		return err
	}
	d, known := all.byHash[a.hash]
	if !known {
		d = door{route: nobody}
	}
	right := known && (a.who.Endpoint == "" || a.who.Endpoint == d.route.ID)
	if open := d.route.open(d.key, now); !right || !open {
		if right {
			s.notes.refused(d.route, d.key, a.who.Address, now, whyShut(d.route, d.key, now))
		}
		if wait, ok := s.gate.strays.take(a.who.Address, now); !ok {
			return throttled(wait)
		}
		return refusedCall()
	}
	if a.route == nil {
		if wait, ok := d.route.bucket.take(now); !ok {
			s.notes.note(model.InboundCall{EndpointID: d.route.ID, KeyID: d.key, State: model.CallRefused, StatusCode: 429, Address: a.who.Address.String(), CreatedAt: now,
				Reason: "More calls came than the rate of this endpoint allows."})
			return throttled(wait)
		}
	}
	a.route, a.key = d.route, d.key
	return nil
}

// nobody stands in for the endpoint of a key that is not known.
var nobody = &route{InboundRoute: db.InboundRoute{InboundEndpoint: model.InboundEndpoint{Keys: []model.InboundKey{{ID: "ink_"}}, Enabled: true}}}

// whyShut says for the log of calls why an endpoint refuses a key that is its own.
func whyShut(r *route, key model.InboundKeyID, now time.Time) string {
	for _, k := range r.Keys {
		switch {
		case k.ID != key:
		case !k.RevokedAt.IsZero():
			return "The key " + k.Hint + "… was revoked."
		case !k.Live(now):
			return "The key " + k.Hint + "… has expired."
		}
	}
	switch {
	case !r.Enabled:
		return "The endpoint is switched off."
	case r.User.Disabled:
		return "The service user is disabled."
	}
	return "The service user holds no right."
}

func throttled(wait time.Duration) error {
	return &fault.Fault{Kind: fault.Throttled, Code: "rate", RetryAfter: max(1, int((wait+time.Second-1)/time.Second)), Message: "Too many calls; nothing was accepted. Try again later."}
}

// MaxBytes is how large the body of this call may be.
func (a *Admission) MaxBytes() int { return a.route.MaxBytes }

// Endpoint is whose key was shown.
func (a *Admission) Endpoint() model.InboundEndpoint { return a.route.InboundEndpoint }

// Hold reserves memory for n more bytes of the body.
func (a *Admission) Hold(n int) error {
	a.bytes += int64(n)
	if a.gate.held.Add(int64(n)) > mostHeld {
		return &fault.Fault{Kind: fault.Unavailable, Code: "busy", RetryAfter: retrySoon, Message: "This server holds as many bodies as it can; nothing was accepted. Try again."}
	}
	return nil
}

// Release gives back what the call held.
func (a *Admission) Release() {
	a.gate.held.Add(-a.bytes)
	a.bytes = 0
	a.gate.inFlight.Add(-1)
}

// bucket lets so many calls through a second, and burst at once.
type bucket struct {
	mu     sync.Mutex
	rate   float64
	burst  float64
	tokens float64
	at     time.Time
}

func newBucket(rate, burst float64) *bucket { return &bucket{rate: rate, burst: burst, tokens: burst} }

// take uses one token, or says how long until there is one.
func (b *bucket) take(now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since := now.Sub(b.at).Seconds(); since > 0 && !b.at.IsZero() {
		b.tokens = min(b.burst, b.tokens+since*b.rate)
	}
	b.at = now
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / b.rate * float64(time.Second)), false
	}
	b.tokens--
	return 0, true
}

// strays bounds how many calls without a good key one network may make: enough that it is not noticed by who mistyped
// one, few enough that guessing costs us nothing.
type strays struct {
	mu   sync.Mutex
	nets map[netip.Prefix]*bucket
}

const (
	strayRate  = 200
	strayBurst = 2000
	mostNets   = 10_000
)

func (s *strays) take(a netip.Addr, now time.Time) (time.Duration, bool) {
	bits := 64
	if a.Is4() {
		bits = 24
	}
	net, _ := a.Prefix(bits) // of an address that is not valid: the zero prefix, which all of those share
	s.mu.Lock()
	if len(s.nets) >= mostNets || s.nets == nil {
		s.nets = map[netip.Prefix]*bucket{}
	}
	b := s.nets[net]
	if b == nil {
		b = newBucket(strayRate, strayBurst)
		s.nets[net] = b
	}
	s.mu.Unlock()
	return b.take(now)
}
