package api

import (
	"net/http"
	"slices"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/connector"
	"waybill/jobs/scheme"
)

// Destination is a destination as it is answered.
type Destination struct {
	Meta
	ConnectionID   string         `json:"connection_id" readOnly:"true"`
	Name           string         `json:"name"`
	Description    string         `json:"description"`
	Method         string         `json:"method"`
	ContentType    string         `json:"content_type"`
	Path           string         `json:"path"`
	Headers        []model.Header `json:"headers"`
	Template       string         `json:"template"`
	Enabled        bool           `json:"enabled"`
	DisabledAt     *string        `json:"disabled_at" format:"date-time" readOnly:"true" doc:"When Waybill switched it off by itself"`
	DisabledReason string         `json:"disabled_reason" readOnly:"true"`
	Sign           bool           `json:"sign"`
	RetrySchedule  []int          `json:"retry_schedule"`
	MaxInFlight    int            `json:"max_in_flight"`
	RetryOn        string         `json:"retry_on"`
	RatePerSecond  *float64       `json:"rate_per_second"`
	Ordered        bool           `json:"ordered"`
	BatchSize      int            `json:"batch_size"`
	BatchWaitMS    int            `json:"batch_wait_ms"`
	Settings       map[string]any `json:"settings" doc:"What the type of the connection asks for"`
	Health         health         `json:"health" readOnly:"true"`
}

// health is how well the target of a destination is, as it is answered.
type health struct {
	Breaker      string  `json:"breaker" enum:"closed,open,recovering" doc:"open: nothing is sent until breaker_until, then one message as a probe; recovering: the probe got through, and more go at once by and by"`
	BreakerUntil *string `json:"breaker_until" format:"date-time"`
	FailingSince *string `json:"failing_since" format:"date-time" doc:"The first failure since the last success"`
	Failures     int     `json:"failures" doc:"How many since then"`
	LastError    string  `json:"last_error"`
}

func showHealth(h model.Health) health {
	words := map[model.Breaker]string{model.BreakerClosed: "closed", model.BreakerOpen: "open", model.BreakerRamp: "recovering"}
	return health{Breaker: words[h.Breaker], BreakerUntil: stamp(h.Until), FailingSince: stamp(h.FailingSince), Failures: h.Tries, LastError: h.LastError}
}

// destination is d as it is answered; what it leaves to its connection c shows as it holds.
func (a *API) destination(d model.Destination, c model.Connection) Destination {
	return Destination{Meta: newMeta(d.ID, d.CreatedAt, d.UpdatedAt, d.Version), ConnectionID: string(d.ConnectionID), Name: d.Name,
		Description: d.Description, Method: d.Method, ContentType: d.ContentType, Path: d.Path, Headers: full(d.Headers), Template: d.Template,
		Enabled: d.Enabled, DisabledAt: stamp(d.DisabledAt), DisabledReason: d.DisabledReason, Sign: d.Sign, RetrySchedule: d.Schedule(c),
		RetryOn: string(d.RetryOn), MaxInFlight: d.MaxInFlight, RatePerSecond: orNil(d.Rate), Ordered: d.Ordered, BatchSize: d.BatchSize,
		BatchWaitMS: d.BatchWaitMS, Settings: config(d.Settings), Health: showHealth(a.jobs.Health(d.Target()))}
}

// newDestination is the answer to POST: the one that holds the signing secret.
type newDestination struct {
	Destination
	SigningSecret string `json:"signing_secret" doc:"whsec_…, for the receiver to check signatures with"`
}

type destinationInput struct {
	Versioned
	Name          string         `json:"name" needed:"true"`
	Description   string         `json:"description"`
	Method        string         `json:"method" doc:"POST (default), PUT, PATCH, GET or DELETE"`
	ContentType   string         `json:"content_type" doc:"application/json when absent"`
	Path          string         `json:"path" doc:"Joined to the base URL; may hold template tags and a query"`
	Headers       []model.Header `json:"headers"`
	Template      string         `json:"template" doc:"Empty = the event's data as JSON"`
	Enabled       *bool          `json:"enabled" doc:"true when absent"`
	Sign          *bool          `json:"sign" doc:"Sign by Standard Webhooks; as the type of the connection usually does when absent"`
	RetrySchedule []int          `json:"retry_schedule" doc:"Seconds before attempt 1, 2, …; its length is the number of attempts; empty, or as the connection's = the connection's, whatever it becomes"`
	RetryOn       string         `json:"retry_on" doc:"Answers to try again after, and with ! those to give up after, such as 500-599, !501; what is not named is judged as the connection says, else as usual: 408, 425, 429 and 5xx are tried again"`
	MaxInFlight   int            `json:"max_in_flight" minimum:"0" maximum:"1024" doc:"Requests at once; 0 = 32"`
	RatePerSecond *float64       `json:"rate_per_second" doc:"Messages a second at most, such as 0.5; null or 0 = no limit"`
	Ordered       bool           `json:"ordered" doc:"One after the other within a subject, in the order in which the events were accepted; holds for events from now on"`
	BatchSize     int            `json:"batch_size" doc:"Events in one message at most, up to 500; 0 or 1 = each by itself"`
	BatchWaitMS   int            `json:"batch_wait_ms" doc:"How long the first event of a message waits for others; 0 = 1000 when there are batches"`
	Settings      map[string]any `json:"settings" doc:"As the type of the connection asks; none of it is secret"`
}

func (in destinationInput) destination(c model.Connection) model.Destination {
	out := model.Destination{Name: in.Name, Description: in.Description, Method: in.Method, ContentType: in.ContentType, Path: in.Path,
		Headers: in.Headers, Template: in.Template, Enabled: or(in.Enabled, true), Sign: or(in.Sign, signs(c)), RetrySchedule: in.RetrySchedule,
		RetryOn: model.RetryOn(in.RetryOn), MaxInFlight: in.MaxInFlight, Rate: or(in.RatePerSecond, 0), Ordered: in.Ordered, BatchSize: in.BatchSize,
		BatchWaitMS: in.BatchWaitMS, Settings: in.Settings, Version: in.Version}
	if slices.Equal(out.RetrySchedule, model.Destination{}.Schedule(c)) { // PUT takes what GET gave: it stays the connection's
		out.RetrySchedule = nil
	}
	return out
}

// signs reports whether a destination of c that says nothing of it is signed.
func signs(c model.Connection) bool {
	t, ok := connector.ByType(c.Type)
	return !ok || t.Sign
}

// config is settings as they are answered: never null.
func config(c model.Config) map[string]any {
	if c == nil {
		return map[string]any{}
	}
	return c
}

// orNil is a number, nil for none.
func orNil(n float64) *float64 {
	if n == 0 {
		return nil
	}
	return &n
}

func (a *API) destinations() {
	view, manage := model.Connections.View(), model.Connections.Manage()
	add(a, route{http.MethodGet, "/connections/{id}/destinations", "list-destinations", "List the destinations of a connection", "Destinations", "", view, 0}, a.listDestinations)
	add(a, route{http.MethodPost, "/connections/{id}/destinations", "create-destination", "Create a destination", "Destinations", "", manage, 0}, a.createDestination)
	add(a, route{http.MethodGet, "/destinations/{id}", "show-destination", "Show a destination", "Destinations", "", view, 0}, a.showDestination)
	add(a, route{http.MethodPut, "/destinations/{id}", "update-destination", "Replace a destination", "Destinations", "", manage, 0}, a.updateDestination)
	add(a, route{http.MethodDelete, "/destinations/{id}", "delete-destination", "Delete a destination", "Destinations", "", manage, 0}, a.deleteDestination)
	add(a, route{http.MethodGet, "/destinations/{id}/secret", "show-signing-secret", "Show the signing secret", "Destinations", "", manage, 0}, a.signingSecret)
	add(a, route{http.MethodPost, "/destinations/{id}/secret/rotate", "rotate-signing-secret", "Replace the signing secret", "Destinations",
		"Messages are signed by both until the overlap is over, so that the receiver can change at any time in between.", manage, http.StatusOK}, a.rotateSecret)
	add(a, route{http.MethodDelete, "/destinations/{id}/secret/older", "end-signing-secrets", "End the overlap now", "Destinations", "Replaced secrets sign no longer.", manage, 0}, a.endSecrets)
	add(a, route{http.MethodPost, "/destinations/{id}/preview", "preview-destination", "Render a message without sending it", "Destinations", "", manage, http.StatusOK}, a.previewDestination)
	add(a, route{http.MethodPost, "/destinations/{id}/test", "test-destination", "Send one message now", "Destinations",
		"Makes one real exchange and shows it whole; nothing is queued.", manage, http.StatusOK}, a.testDestination)
	add(a, route{http.MethodPost, "/destinations/{id}/held", "settle-held", "Send or drop what is held", "Destinations",
		"What came while the destination was off. send switches it on; drop cancels those deliveries and leaves it as it is.", manage, http.StatusOK}, a.settleHeld)
}

func (a *API) listDestinations(c call, in *struct {
	ByID
	Paging
}) (*body[list[Destination]], error) {
	of := model.ConnectionID(in.ID)
	x, err := a.store.Connection(c, of)
	if err != nil {
		return nil, err
	}
	items, next, err := a.store.Destinations(c, of, in.page())
	return listed(items, next, err, func(d model.Destination) Destination { return a.destination(d, x) })
}

func (a *API) createDestination(c call, in *struct {
	ByID
	Body destinationInput
}) (*made[newDestination], error) {
	x, err := a.store.Connection(c, model.ConnectionID(in.ID))
	if err != nil {
		return nil, err
	}
	n, secret := in.Body.destination(x), scheme.NewSigningSecret()
	n.ConnectionID = x.ID
	if connector.Start(x, &n); in.Body.RatePerSecond != nil {
		n.Rate = *in.Body.RatePerSecond
	}
	if err = a.jobs.CheckDestination(&n); err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateDestination(&n, secret) })
	}
	return created(newDestination{a.destination(n, x), secret.Reveal()}, "/destinations/"+string(n.ID), err)
}

func (a *API) showDestination(c call, in *ByID) (*body[Destination], error) {
	n, x, err := a.destinationOf(c, in.ID)
	return single(a.destination(n, x), err)
}

// destinationOf is a destination and its connection.
func (a *API) destinationOf(c call, id string) (d model.Destination, x model.Connection, err error) {
	if d, err = a.store.Destination(c, model.DestID(id)); err == nil {
		x, err = a.store.Connection(c, d.ConnectionID)
	}
	return d, x, err
}

func (a *API) updateDestination(c call, in *struct {
	ByID
	Body destinationInput
}) (*body[Destination], error) {
	old, x, err := a.destinationOf(c, in.ID)
	if err != nil {
		return nil, err
	}
	n := in.Body.destination(x)
	n.ID, n.ConnectionID = old.ID, old.ConnectionID
	if err = a.jobs.CheckDestination(&n); err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateDestination(&n) })
	}
	return single(a.destination(n, x), err)
}

func (a *API) deleteDestination(c call, in *Removal) (*none, error) {
	id := model.DestID(in.ID)
	drop := func() error {
		return a.write(c, func(tx *db.Tx) error { return tx.DeleteDestination(id, in.Force) })
	}
	err := drop()
	if !tooManyOpen(err) {
		return nil, err
	}
	if err := a.cancelAll(c, model.TargetID(id)); err != nil {
		return nil, err
	}
	return nil, drop()
}

type signingSecret struct {
	SigningSecret string        `json:"signing_secret" doc:"whsec_…; empty when messages are signed with a key"`
	PublicKey     string        `json:"public_key" doc:"whpk_…, for the receiver to check signatures of a key with; also at /.well-known/jwks.json"`
	Older         []olderSecret `json:"older" doc:"Replaced ones that still sign"`
}

type olderSecret struct {
	SignsUntil *string `json:"signs_until" format:"date-time"`
}

func (a *API) signingSecret(c call, in *ByID) (*body[signingSecret], error) {
	id := model.DestID(in.ID)
	if _, err := a.store.Destination(c, id); err != nil {
		return nil, err
	}
	x, err := a.jobs.Signing(c, id)
	out := signingSecret{PublicKey: x.Public, Older: []olderSecret{}}
	if x.Public == "" {
		out.SigningSecret = x.Secret.Reveal()
	}
	for _, o := range x.Older {
		out.Older = append(out.Older, olderSecret{stamp(o.Until)})
	}
	return single(out, err)
}

func (a *API) rotateSecret(c call, in *struct {
	ByID
	Body struct {
		Algorithm    string `json:"algorithm,omitempty" enum:",hmac,ed25519" doc:"hmac when absent"`
		OverlapHours *int   `json:"overlap_hours,omitempty" minimum:"0" maximum:"720" doc:"How long the one before goes on signing; 24 when absent"`
	}
}) (*body[signingSecret], error) {
	id := model.DestID(in.ID)
	if err := a.jobs.RotateSigning(c, c.actor, id, in.Body.Algorithm == "ed25519", time.Duration(or(in.Body.OverlapHours, 24))*time.Hour); err != nil {
		return nil, err
	}
	return a.signingSecret(c, &in.ByID)
}

func (a *API) endSecrets(c call, in *ByID) (*none, error) {
	return nil, a.jobs.EndSigning(c, c.actor, model.DestID(in.ID))
}

type heldOrder struct {
	Action string `json:"action" needed:"true" enum:"send,drop"`
}

type heldAnswer struct {
	Action string `json:"action"`
	Count  int64  `json:"count" doc:"How many deliveries; of send, counted up to 10000"`
}

func (a *API) settleHeld(c call, in *struct {
	ByID
	Body heldOrder
}) (*body[heldAnswer], error) {
	settle := a.jobs.SendHeld
	switch in.Body.Action {
	case "":
		var bad fault.Check
		bad.Add("action", "Say what becomes of them: send or drop.")
		return nil, bad.Err()
	case "drop":
		settle = a.jobs.DropHeld
	}
	n, err := settle(c, c.actor, model.DestID(in.ID))
	return single(heldAnswer{in.Body.Action, n}, err)
}
