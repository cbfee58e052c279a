// Package scheme is how a credential is applied to a request, and how it is kept out of what is stored afterwards.
//
// Each kind of credential is one file that ends in a Kind; Kinds lists them. Secrets come in opened (db/seal is the
// caller's business) and leave only in the request itself: Applied names the places, and a Redactor removes every
// spelling of a value from what is recorded. A Keeper applies them, and keeps what must outlive one request: tokens and
// connections that show a certificate. The package also signs messages by Standard Webhooks. It makes no request of its
// own but for tokens, through jobs/egress, and decides nothing about retries.
package scheme

import (
	"context"
	"net/http"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// Kind is one type of credential: its form, its rules and its way onto a request.
type Kind struct {
	Type    model.CredentialType
	Title   string
	Summary string // one sentence for the card
	Glyph   string // path data of a 24 × 24 icon
	Weak    bool   // a better choice exists; Summary says which
	Body    bool   // it belongs into the body of step webhooks and on no other request
	Fields  []model.Field

	// check adds complaints beyond what Fields say.
	check func(in typed, bad *fault.Check)
	// apply puts the credential on the request.
	apply func(ctx context.Context, k *Keeper, req *egress.Request, m Material) (Applied, error)
	// derived are secret texts that consist of more than one field.
	derived func(m Material) []string
	// masks are what records leave out in place of the secrets themselves, of which a part is none; nil = they themselves.
	masks func(m Material) []string
}

// Material is an opened credential.
type Material struct {
	Type    model.CredentialType
	Config  model.Config
	Secrets model.Secrets
	// ID and Version say whose tokens may be kept and shared; with "" none are.
	ID      model.CredentialID
	Version int64
	// Depth is that of the event on whose account the request is made; platform tokens carry it along.
	Depth int
	// Origin is the member of the token's answer that says where requests go, in place of their own scheme, host and port;
	// "" = they go where they were made for, and so they do when the answer has no such member.
	Origin string
}

// Applied names where the credential stands in the request, so that records can leave it out whatever its value is.
type Applied struct {
	Headers []string // canonical names
	Query   []string // parameter names
	// Token is what was obtained or made for this request, "" = nothing was: mask it in records too.
	Token model.Secret
	// Renews says that the token came from elsewhere and may have ended early: Drop it when the receiver answers 401.
	Renews bool
	// Working are the texts that were signed, for people who look for what the other side sees differently; mask them.
	Working []Step
}

// Step is one text on the way to a signature.
type Step struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Kinds lists all kinds in the order in which the form offers them.
func Kinds() []Kind {
	return []Kind{basic(), bearer(), header(), oauth2(), awsSigV4(), secretURL(), clientCertificate(), platform(), clientSecret()}
}

// ByType finds a kind.
func ByType(t model.CredentialType) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Type == t {
			return k, true
		}
	}
	return Kind{}, false
}

// Keeper puts credentials on requests and keeps the tokens that it obtains for them, in memory only. It is safe for use
// by many goroutines; all that share one share its tokens.
type Keeper struct {
	// Platform signs the token of a platform key; nil = none can be signed. Its errors are sentences. Set before use.
	Platform func(context.Context, PlatformToken) (model.Secret, error)

	egress     *egress.Client
	now        func() time.Time
	tokens     tokens
	patience   time.Duration // for one token request, look-up to last byte
	identities identities
	kinds      map[model.CredentialType]Kind
}

// NewKeeper makes a keeper that asks token endpoints through e.
func NewKeeper(e *egress.Client, now func() time.Time) *Keeper {
	k := &Keeper{egress: e, now: now, patience: tokenTimeout, kinds: map[model.CredentialType]Kind{}}
	for _, kind := range Kinds() {
		k.kinds[kind.Type] = kind
	}
	return k
}

// Apply puts a credential on a request, in place of what stood there. The error is always an *egress.Error: class auth
// when the credential cannot be used now, refused when a rule forbids it (it would travel in the clear).
func (k *Keeper) Apply(ctx context.Context, req *egress.Request, m Material) (Applied, error) {
	kind, ok := k.kinds[m.Type]
	if !ok {
		return Applied{}, unusable("Waybill knows no credential type " + string(m.Type) + ".")
	}
	if r := k.egress.Check(req.URL, req.Scope); r != nil && r.Rule == egress.RulePlain {
		return Applied{}, &egress.Error{Class: model.ClassRefused, Refusal: r, Message: "The credential would travel in the clear. " + r.Message}
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	return kind.apply(ctx, k, req, m)
}

// Drop forgets the token that a receiver did not accept, so that the next Apply obtains another. One that was replaced
// meanwhile stays.
func (k *Keeper) Drop(m Material, token model.Secret) { k.tokens.drop(m.tokenKey(), token) }

func unusable(message string) *egress.Error {
	return &egress.Error{Class: model.ClassAuth, Message: message}
}

// set puts a secret into a header, in place of what stood there.
func set(req *egress.Request, name, value string) (Applied, error) {
	if bad := egress.CheckHeader(name, value); bad != nil {
		return Applied{}, unusable("The credential cannot be sent as the header " + name + ": " + bad.String())
	}
	req.Header.Set(name, value)
	return Applied{Headers: []string{http.CanonicalHeaderKey(name)}}, nil
}
