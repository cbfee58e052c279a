package model

import (
	"net/mail"
	"slices"
	"strings"
	"time"

	"waybill/db/fault"
)

// AlertKind is what a rule watches.
type AlertKind string

// The kinds of rules.
const (
	AlertFailureRate AlertKind = "failure_rate"
	AlertBreaker     AlertKind = "breaker_open"
	AlertSwitchedOff AlertKind = "destination_disabled"
	AlertBacklog     AlertKind = "backlog_age"
	AlertDisk        AlertKind = "disk"
	AlertCredential  AlertKind = "credential_ends"
	AlertInbound     AlertKind = "inbound_failing"
	AlertJob         AlertKind = "job_failing"
)

// AlertType describes a kind for people: what its rules ask for and what they usually hold.
type AlertType struct {
	Kind      AlertKind
	Title     string
	Lead      string
	Scope     string // what one can narrow it to: "destination", "endpoint"; "" = nothing
	Unit      string // of Threshold: "percent", "minutes", "days"; "" = it has none
	Threshold int
	Window    int // minutes; 0 = it has none
	Least     int // attempts or calls; 0 = it has none
}

// AlertTypes lists all kinds as people read them.
func AlertTypes() []AlertType {
	return []AlertType{
		{AlertFailureRate, "Deliveries fail", "So many of the attempts at a destination went wrong.", "destination", "percent", 20, 10, 20},
		{AlertSwitchedOff, "A destination was switched off", "Waybill switched it off, since it failed for days or is gone for good. Its deliveries are held.", "destination", "", 0, 0, 0},
		{AlertBreaker, "A destination is not sent to", "It failed too often in a row, so nothing is sent to it for a while.", "destination", "minutes", 5, 0, 0},
		{AlertBacklog, "Deliveries wait for long", "The oldest delivery that is not settled and not held is older than this.", "destination", "minutes", 60, 0, 0},
		{AlertInbound, "Inbound calls go wrong", "So many of the calls to an inbound URL were refused or failed.", "endpoint", "percent", 50, 15, 10},
		{AlertCredential, "A credential ends", "A token or certificate ends within so many days.", "", "days", 14, 0, 0},
		{AlertDisk, "The disk fills up", "The database takes so much of its budget, or nothing more is accepted.", "", "percent", 90, 0, 0},
		{AlertJob, "Work in the background fails", "Exports, mail or housekeeping do not get on for so long.", "", "minutes", 30, 0, 0},
	}
}

// AlertTypeOf is the description of a kind; false for none.
func AlertTypeOf(k AlertKind) (AlertType, bool) {
	for _, t := range AlertTypes() {
		if t.Kind == k {
			return t, true
		}
	}
	return AlertType{}, false
}

// AlertRule says what somebody wants to be told of, and where.
type AlertRule struct {
	ID            AlertRuleID
	Name          string // unique
	Kind          AlertKind
	Scope         string // id of a destination or endpoint, "" = any
	Threshold     int    // in the unit of the kind
	WindowMinutes int
	Least         int      // fewer attempts or calls than these say nothing
	Emails        []string // who gets letters
	DestinationID DestID   // where messages go as events, "" = nowhere
	Enabled       bool
	SnoozedUntil  time.Time // no messages before then, zero = it is not snoozed
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64
}

// Bounds of rules.
const (
	MaxAlertEmails = 20
	maxWindow      = 24 * 60
)

// Clean puts what was typed into its stored form; what the kind has no use for goes.
func (r *AlertRule) Clean() {
	r.Name, r.Scope = clean(r.Name), strings.TrimSpace(r.Scope)
	t, _ := AlertTypeOf(r.Kind)
	if t.Scope == "" {
		r.Scope = ""
	}
	if t.Unit == "" {
		r.Threshold = 0
	} else if r.Threshold == 0 {
		r.Threshold = t.Threshold
	}
	if t.Window == 0 {
		r.WindowMinutes, r.Least = 0, 0
	} else {
		if r.WindowMinutes == 0 {
			r.WindowMinutes = t.Window
		}
		if r.Least == 0 {
			r.Least = t.Least
		}
	}
	var emails []string
	for _, e := range r.Emails {
		if e = strings.TrimSpace(e); e != "" && !slices.Contains(emails, e) {
			emails = append(emails, e)
		}
	}
	r.Emails = emails
}

// Check lists what is wrong with the rule by itself.
func (r AlertRule) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, r.Name)
	t, known := AlertTypeOf(r.Kind)
	if !known {
		bad.Add("kind", "Choose what to watch.")
	}
	switch {
	case t.Unit == "percent" && (r.Threshold < 1 || r.Threshold > 100):
		bad.Add("threshold", "Between 1 and 100 percent.")
	case t.Unit == "minutes" && (r.Threshold < 1 || r.Threshold > 30*24*60):
		bad.Add("threshold", "Between one minute and 30 days, in minutes.")
	case t.Unit == "days" && (r.Threshold < 1 || r.Threshold > 365):
		bad.Add("threshold", "Between 1 and 365 days.")
	}
	if t.Window > 0 && (r.WindowMinutes < 1 || r.WindowMinutes > maxWindow) {
		bad.Add("window_minutes", "Between one minute and a day (%d minutes).", maxWindow)
	}
	if t.Window > 0 && (r.Least < 1 || r.Least > 1_000_000) {
		bad.Add("least", "At least 1.")
	}
	if len(r.Emails) > MaxAlertEmails {
		bad.Add("emails", "At most %d addresses.", MaxAlertEmails)
	}
	for _, e := range r.Emails {
		if CheckEmail(e) != "" {
			bad.Add("emails", "“%s” is not an email address.", e)
			break
		}
	}
	return bad.Fields()
}

// CheckEmail says what is wrong with an address that letters go to, "" = nothing.
func CheckEmail(text string) string {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > 254 || strings.ContainsAny(text, "\r\n") {
		return "An address such as name@example.com."
	}
	return ""
}

// Alert is one thing that a rule found, from when it began until it was over.
type Alert struct {
	ID        AlertID
	RuleID    AlertRuleID
	Rule      string // its name then
	Kind      AlertKind
	About     string // what it concerns: unique among the open ones of a rule
	Title     string
	Detail    string
	URL       string // path of the page that shows more, "" = none
	CreatedAt time.Time
	SeenAt    time.Time // when it last held
	ToldAt    time.Time // when its message was queued, zero = it was not
	EndedAt   time.Time // zero = it goes on
	EndToldAt time.Time
}

// AboutMail is what an alert about letters that do not go out is about.
const AboutMail = "job:mail"

// AboutDestination is what an alert about a destination is about.
func AboutDestination(id DestID) string { return "destination:" + string(id) }

// Tells reports whether somebody hears of an alert of the rule: what is wrong with a destination cannot be told by way of it,
// nor what is wrong with mail by letters.
func (r AlertRule) Tells(a Alert) bool {
	return len(r.Emails) > 0 && a.About != AboutMail || r.DestinationID != "" && a.About != AboutDestination(r.DestinationID)
}

// AlertQuiet is how long something must not have been seen before it counts as over: what comes and goes is told once.
const AlertQuiet = 3 * time.Minute

// Finding is what a rule says now.
type Finding struct{ About, Title, Detail, URL string }

// JudgeAlerts sets what a rule finds against its open alerts: what began, what goes on, what is over.
func JudgeAlerts(open []Alert, found []Finding, now time.Time) (begun []Finding, on, over []Alert) {
	seen := map[string]bool{}
	for _, f := range found {
		if seen[f.About] {
			continue
		}
		seen[f.About] = true
		if i := slices.IndexFunc(open, func(a Alert) bool { return a.About == f.About }); i >= 0 {
			a := open[i]
			a.Title, a.Detail, a.URL, a.SeenAt = f.Title, f.Detail, f.URL, now
			on = append(on, a)
		} else {
			begun = append(begun, f)
		}
	}
	for _, a := range open {
		if !seen[a.About] && !now.Before(a.SeenAt.Add(AlertQuiet)) {
			over = append(over, a)
		}
	}
	return begun, on, over
}

// Mail is a letter on its way.
type Mail struct {
	ID        MailID
	To        string
	Subject   string
	Why       string // alert, invitation, test
	Attempts  int
	DueAt     time.Time // zero = nothing is left to do
	SentAt    time.Time // zero = not sent
	LastError string
	CreatedAt time.Time
}

// MailSettings say how letters go out. The password is sealed.
type MailSettings struct {
	Host     string    `json:"host"` // "" = no mail
	Port     int       `json:"port"`
	Security string    `json:"security"` // starttls, tls, none
	Username string    `json:"username"` // "" = without signing in
	From     string    `json:"from"`
	FromName string    `json:"from_name"`
	Password bool      `json:"-"` // one is stored
	Version  int64     `json:"-"`
	Changed  time.Time `json:"-"`
}

// How a connection to the mail server is secured.
const (
	MailStartTLS = "starttls"
	MailTLS      = "tls"
	MailPlain    = "none"
)

// Clean puts what was typed into its stored form.
func (m *MailSettings) Clean() {
	m.Host, m.Username, m.From, m.FromName = strings.TrimSpace(m.Host), strings.TrimSpace(m.Username), strings.TrimSpace(m.From), clean(m.FromName)
	if m.Security == "" {
		m.Security = MailStartTLS
	}
	if m.Port == 0 {
		m.Port = map[string]int{MailStartTLS: 587, MailTLS: 465, MailPlain: 25}[m.Security]
	}
}

// Check lists what is wrong with the settings by themselves.
func (m MailSettings) Check() []fault.Field {
	var bad fault.Check
	if m.Host == "" {
		return nil
	}
	if strings.ContainsAny(m.Host, "/:@ \t\r\n") {
		bad.Add("host", "A host name such as smtp.example.com, without a scheme or port.")
	}
	if m.Port < 1 || m.Port > 65535 {
		bad.Add("port", "Between 1 and 65535.")
	}
	if !slices.Contains([]string{MailStartTLS, MailTLS, MailPlain}, m.Security) {
		bad.Add("security", "starttls, tls or none.")
	}
	if w := CheckEmail(m.From); w != "" {
		bad.Add("from", "%s", w)
	}
	checkText(&bad, "from_name", m.FromName, 200)
	checkText(&bad, "username", m.Username, 200)
	return bad.Fields()
}

// MailAttempts are the waits before each try to send a letter.
func MailAttempts() []time.Duration {
	return []time.Duration{0, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour}
}

// MailLife is how long letters are remembered after they went out or were given up.
const MailLife = 14 * 24 * time.Hour
