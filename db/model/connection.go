package model

import (
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
)

// Credential is named secret material and the way it is applied to a request. The secrets themselves are sealed in
// the store and are not part of it.
type Credential struct {
	ID          CredentialID
	Name        string
	Type        CredentialType
	Description string
	Config      Config    // what is not secret
	Stored      []string  // names of the secrets that are stored, sorted
	ExpiresAt   time.Time // typed in by a person; zero = none
	EndsAt      time.Time // as the certificate or token itself says; zero = it does not
	// Drop names secrets that an update removes. It is not stored.
	Drop      []string
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
}

// Ends is when the credential ends as far as anybody knows, zero = never.
func (c Credential) Ends() time.Time {
	if c.EndsAt.IsZero() || (!c.ExpiresAt.IsZero() && c.ExpiresAt.Before(c.EndsAt)) {
		return c.ExpiresAt
	}
	return c.EndsAt
}

// CredentialLife is what became of a credential in use.
type CredentialLife struct {
	ID       CredentialID `json:"c"`
	UsedAt   time.Time    `json:"-"` // zero = never
	FailedAt time.Time    `json:"-"` // zero = never
	Failure  string       `json:"f"` // of the last time, in words without secrets
}

// Rotation is a change of a credential's secret that is under way or can still be taken back.
type Rotation struct {
	CredentialID CredentialID
	State        RotationState
	Config       Config   // pending: the new settings; live: the former ones
	Stored       []string // pending: names of the new secrets; live: of the former ones
	ExpiresAt    time.Time
	EndsAt       time.Time
	By           string // who began it
	StartedAt    time.Time
	Until        time.Time // live: the former secret is kept until then
	Trial        Trial
}

// RotationState says which secret is the one in use.
type RotationState string

const (
	RotationPending RotationState = "pending" // the new one is stored beside the one in use
	RotationLive    RotationState = "live"    // the new one is in use, the former one is kept
)

// FormerLife is how long a former secret is kept for going back.
const FormerLife = 7 * 24 * time.Hour

// Trial is what became of a new secret at one destination.
type Trial struct {
	At     time.Time // zero = not tried
	On     string    // the destination's name
	Status int       // 0 = no answer
	Error  string    // in words; "" = it went well
}

// CredentialType names a kind of jobs/scheme.
type CredentialType string

const (
	CredentialBasic        CredentialType = "basic"
	CredentialBearer       CredentialType = "bearer"
	CredentialHeader       CredentialType = "header"
	CredentialPlatform     CredentialType = "platform_api_key"
	CredentialClientSecret CredentialType = "client_secret" // for the body of step webhooks only
	CredentialCertificate  CredentialType = "client_certificate"
	CredentialSecretURL    CredentialType = "secret_url" // an address that is itself the password
)

// Clean puts what was typed into its stored form.
func (c *Credential) Clean() {
	c.Name, c.Description = clean(c.Name), strings.TrimSpace(c.Description)
	if c.Config == nil {
		c.Config = Config{}
	}
}

// Check lists what is wrong with the credential by itself; its settings are scheme's word.
func (c Credential) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, c.Name)
	checkText(&bad, "description", c.Description, 2000)
	return bad.Fields()
}

// Connection is a system that we talk to.
type Connection struct {
	ID           ConnectionID
	Name         string // unique
	Description  string
	Type         ConnectionType
	BaseURL      string
	Port         int          // 0 = as in BaseURL
	CredentialID CredentialID // "" = none
	// CA are certificates in PEM form that the system's is checked against, in place of the public authorities; "" = those.
	CA string
	// ClientCertificateID is a credential whose certificate is shown in the TLS handshake, beside the one that requests
	// carry; "" = none.
	ClientCertificateID CredentialID
	// Direct keeps requests from going through the proxy that is set for all of this Waybill.
	Direct         bool
	TimeoutSeconds int
	TimeoutMessage string // shown to people when the other side does not answer in time
	Enabled        bool
	RetrySchedule  []int   // as a Destination's; nil = DefaultSchedule
	RetryOn        RetryOn // which answers are retried, where that differs from the usual
	Settings       Config
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Version        int64
}

// ConnectionType names a type of jobs/connector.
type ConnectionType string

const (
	ConnectionWebhook    ConnectionType = "webhook"
	ConnectionCustomHTTP ConnectionType = "custom_http"
	ConnectionS3         ConnectionType = "s3"
	ConnectionSalesforce ConnectionType = "salesforce_mc"
	ConnectionMarketo    ConnectionType = "marketo"
	ConnectionSlack      ConnectionType = "slack"
	ConnectionTeams      ConnectionType = "teams"
)

// DefaultTimeout of a connection, and its bounds, in seconds.
const (
	DefaultTimeout = 30
	MinTimeout     = 1
	MaxTimeout     = 300
)

// MaxCA is the longest text of certificates, in characters.
const MaxCA = 64 << 10

// Clean puts what was typed into its stored form.
func (c *Connection) Clean() {
	c.Name, c.Description = clean(c.Name), strings.TrimSpace(c.Description)
	c.BaseURL, c.TimeoutMessage = strings.TrimSpace(c.BaseURL), strings.TrimSpace(c.TimeoutMessage)
	if c.TimeoutSeconds == 0 {
		c.TimeoutSeconds = DefaultTimeout
	}
	if c.Type == "" {
		c.Type = ConnectionWebhook
	}
	if len(c.RetrySchedule) == 0 {
		c.RetrySchedule = nil
	}
	c.RetryOn = c.RetryOn.Clean()
	c.CA = strings.TrimSpace(strings.ReplaceAll(c.CA, "\r\n", "\n"))
}

// Check lists what is wrong with the connection by itself; whether its address may be reached is egress's word.
func (c Connection) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, c.Name)
	checkText(&bad, "description", c.Description, 2000)
	checkText(&bad, "timeout_message", c.TimeoutMessage, 500)
	checkText(&bad, "ca", c.CA, MaxCA)
	if c.ClientCertificateID != "" && c.ClientCertificateID == c.CredentialID {
		bad.Add("client_certificate_id", "Requests carry this credential already, and it shows its certificate; name it once.")
	}
	if c.TimeoutSeconds < MinTimeout || c.TimeoutSeconds > MaxTimeout {
		bad.Add("timeout_seconds", "Between %d and %d seconds.", MinTimeout, MaxTimeout)
	}
	if c.Port < 0 || c.Port > 65535 {
		bad.Add("port", "Between 1 and 65535, or empty.")
	}
	checkRetries(&bad, c.RetrySchedule, c.RetryOn)
	u, err := url.Parse(c.BaseURL)
	switch {
	case c.BaseURL == "":
		bad.Add("base_url", "Where the system is, for instance https://api.example.com.")
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "":
		bad.Add("base_url", "An address that starts with https:// (or http://) and a host name.")
	case u.User != nil:
		bad.Add("base_url", "Leave user name and password out of the address; put them into a credential.")
	case u.Fragment != "" || strings.HasSuffix(c.BaseURL, "#"):
		bad.Add("base_url", "An address for requests has no #fragment.")
	case strings.Contains(c.BaseURL, "{{"):
		bad.Add("base_url", "The host is never templated; put tags into the destination's path.")
	}
	return bad.Fields()
}

// EffectiveURL is the base URL with the port in it, "" when the base URL cannot be read.
func (c Connection) EffectiveURL() string {
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return ""
	}
	if c.Port > 0 {
		host := u.Hostname()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		u.Host = host + ":" + strconv.Itoa(c.Port)
	}
	return u.String()
}

// Host is where the connection's requests, and its credential with them, go: host and port as far as they are given.
func (c Connection) Host() string {
	u, err := url.Parse(c.EffectiveURL())
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// Destination is one request under a connection.
type Destination struct {
	ID             DestID
	ConnectionID   ConnectionID
	Name           string // unique within its connection
	Description    string
	Method         string
	ContentType    string
	Path           string // joined to the base URL; may hold tags and a query
	Headers        []Header
	Template       string // "" = the event's data as JSON
	Enabled        bool
	DisabledAt     time.Time // zero = not by Waybill
	DisabledReason string
	Sign           bool    // Standard Webhooks signature
	RetrySchedule  []int   // seconds before attempt 1, 2, …; its length is the number of attempts; nil = the connection's
	RetryOn        RetryOn // which answers are retried: as the connection says, but for those that are named
	MaxInFlight    int
	Rate           float64 // messages a second, 0 = as fast as they come
	Ordered        bool    // one after the other within a subject, in the order in which they were accepted
	BatchSize      int     // events in one message at most, 1 = each by itself
	BatchWaitMS    int     // how long the first of a batch waits for others
	Settings       Config  // what the type of its connection asks for
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Version        int64
}

// Target is the queue that the destination's deliveries wait in.
func (d Destination) Target() TargetID { return TargetID(d.ID) }

// Methods that a destination can use.
func Methods() []string { return []string{"POST", "PUT", "PATCH", "GET", "DELETE"} }

// Defaults of a destination (SEMANTICS 3, PRODUCT 6).
const (
	DefaultMaxInFlight = 32
	DefaultContentType = "application/json"
	MaxTemplate        = 256 << 10
)

// DefaultSchedule is the retry schedule of new destinations, in seconds.
func DefaultSchedule() []int {
	return []int{0, 5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400}
}

// Bounds of what a destination asks of delivery.
const (
	MaxRate      = 10000 // a second
	MinRate      = 1.0 / 3600
	MaxBatchSize = 500
	MaxBatchWait = 60000 // milliseconds
	// DefaultBatchWait is how long a batch is collected when nothing was said, in milliseconds.
	DefaultBatchWait = 1000
)

// Schedule is the retry schedule that holds for a destination of c.
func (d Destination) Schedule(c Connection) []int {
	switch {
	case len(d.RetrySchedule) > 0:
		return d.RetrySchedule
	case len(c.RetrySchedule) > 0:
		return c.RetrySchedule
	}
	return DefaultSchedule()
}

// Clean puts what was typed into its stored form.
func (d *Destination) Clean() {
	d.Name, d.Description = clean(d.Name), strings.TrimSpace(d.Description)
	d.Method, d.Path = strings.ToUpper(strings.TrimSpace(d.Method)), strings.TrimSpace(d.Path)
	d.ContentType = strings.TrimSpace(d.ContentType)
	if d.Method == "" {
		d.Method = "POST"
	}
	if d.ContentType == "" {
		d.ContentType = DefaultContentType
	}
	if len(d.RetrySchedule) == 0 {
		d.RetrySchedule = nil
	}
	d.RetryOn = d.RetryOn.Clean()
	if d.MaxInFlight == 0 {
		d.MaxInFlight = DefaultMaxInFlight
	}
	switch {
	case d.BatchSize == 0:
		d.BatchSize = 1
	case d.BatchSize > 1 && d.BatchWaitMS == 0:
		d.BatchWaitMS = DefaultBatchWait
	}
}

// Check lists what is wrong with the destination by itself; templates and header rules are jobs.Check's word.
func (d Destination) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, d.Name)
	checkText(&bad, "description", d.Description, 2000)
	checkText(&bad, "path", d.Path, 4096)
	checkText(&bad, "content_type", d.ContentType, 200)
	checkContentType(&bad, d.ContentType)
	if !slices.Contains(Methods(), d.Method) {
		bad.Add("method", "One of %s.", strings.Join(Methods(), ", "))
	}
	if len(d.Template) > MaxTemplate {
		bad.Add("template", "At most 256 KiB; this one has %d bytes.", len(d.Template))
	}
	if len(d.Headers) > 50 {
		bad.Add("headers", "At most 50 headers.")
	}
	if d.MaxInFlight < 1 || d.MaxInFlight > 1024 {
		bad.Add("max_in_flight", "Between 1 and 1024 requests at once.")
	}
	if d.Rate != 0 && !(d.Rate >= MinRate && d.Rate <= MaxRate) {
		bad.Add("rate_per_second", "Between 1 an hour and %d a second, or nothing for no limit.", MaxRate)
	}
	if d.BatchSize < 1 || d.BatchSize > MaxBatchSize {
		bad.Add("batch_size", "Between 1 and %d events in one message.", MaxBatchSize)
	}
	if d.BatchWaitMS < 0 || d.BatchWaitMS > MaxBatchWait {
		bad.Add("batch_wait_ms", "Between 0 and %d milliseconds.", MaxBatchWait)
	}
	checkRetries(&bad, d.RetrySchedule, d.RetryOn)
	return bad.Fields()
}

func checkRetries(bad *fault.Check, schedule []int, on RetryOn) {
	if len(schedule) > 50 {
		bad.Add("retry_schedule", "At most 50 attempts.")
	}
	for _, s := range schedule {
		if s < 0 || s > 7*86400 {
			bad.Add("retry_schedule", "Each wait is between 0 seconds and 7 days (604800).")
			break
		}
	}
	if w := on.Check(); w != "" {
		bad.Add("retry_on", "%s", w)
	}
}

// Action says: when this event arrives and the filter holds, send it to that destination.
type Action struct {
	ID            ActionID
	Name          string
	Description   string
	Event         string // name or pattern: segments by dots, * one segment, ** the rest
	Filter        string // expression over event; "" = always
	DestinationID DestID
	Enabled       bool
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64
}

// Clean puts what was typed into its stored form.
func (a *Action) Clean() {
	a.Name, a.Description = clean(a.Name), strings.TrimSpace(a.Description)
	a.Event, a.Filter = strings.TrimSpace(a.Event), strings.TrimSpace(a.Filter)
}

// Check lists what is wrong with the action by itself; the filter is jobs.Check's word.
func (a Action) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, a.Name)
	checkText(&bad, "description", a.Description, 2000)
	checkText(&bad, "filter", a.Filter, 4096)
	if err := CheckPattern(a.Event); err != "" {
		bad.Add("event", "%s", err)
	}
	if a.DestinationID == "" {
		bad.Add("destination_id", "Pick where the event is sent.")
	}
	return bad.Fields()
}

func checkName(bad *fault.Check, name string) {
	if name == "" {
		bad.Add("name", "Give it a name.")
	}
	checkText(bad, "name", name, 120)
}

func checkText(bad *fault.Check, field, text string, limit int) {
	if n := len([]rune(text)); n > limit {
		bad.Add(field, "At most %d characters; these are %d.", limit, n)
	}
	if strings.ContainsRune(text, 0) {
		bad.Add(field, "A NUL character cannot be stored.")
	}
}

// checkContentType complains about what is none (RFC 9110, 8.3); "" is the usual one.
func checkContentType(bad *fault.Check, text string) {
	if media, _, err := mime.ParseMediaType(text); text != "" && (err != nil || !strings.Contains(media, "/")) {
		bad.Add("content_type", "This is not a content type.")
	}
}
