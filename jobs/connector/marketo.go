package connector

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// What a destination of Marketo writes.
const (
	marketoLeads      = "leads"
	marketoActivities = "activities"
)

// Settings of a connection to Marketo that say how much of the subscription's limits Waybill may use.
const (
	marketoCalls  = "calls_in_20_seconds"
	marketoAtOnce = "calls_at_once"
)

// allowance is a setting that is a number from 1, usual when it is not set.
func allowance(c model.Config, name string, usual float64) float64 {
	if n, is := c[name].(float64); is && n >= 1 {
		return n
	}
	return usual
}

func checkAllowance(c model.Config, name string, most float64, bad *fault.Check) {
	if n, is := c[name].(float64); is && (n < 1 || n > most) {
		bad.Add("settings."+name, "Between 1 and %g.", most)
	}
}

// maxMarketo is how many records Marketo takes in one request.
const maxMarketo = 300

// marketo is Adobe Marketo Engage: leads and custom activities, with an answer for each record and errors inside HTTP 200.
func marketo() Type {
	return Type{
		Type: model.ConnectionMarketo, Title: "Marketo", Methods: []string{http.MethodPost},
		Hue:     "plum",
		Summary: "Creates and updates leads in batches, and writes custom activities.",
		Glyph:   "M4 19V9m5 10V5m5 14v-8m5 8v-4M3 19h18",
		Fields: []model.Field{{Name: "munchkin_id", Label: "Munchkin account id", Kind: model.FieldText, Max: 20, Placeholder: "123-ABC-456",
			Help: "In Admin, Munchkin; the REST endpoint begins with it. The base URL is made of it."},
			{Name: marketoCalls, Label: "Calls in 20 seconds", Kind: model.FieldNumber, Default: "100", More: true,
				Help: "All destinations that lead to this subscription keep to it together, those of other connections too. Lower it when other programs call Marketo as well."},
			{Name: marketoAtOnce, Label: "Calls at once", Kind: model.FieldNumber, Default: "10", More: true, Help: "Of all of them together."}},
		BaseURL: func(c model.Config) string {
			if id := c.Text("munchkin_id"); munchkin.MatchString(id) {
				return "https://" + strings.ToLower(id) + ".mktorest.com"
			}
			return ""
		},
		Credentials:     func(model.Config) []model.CredentialType { return []model.CredentialType{"oauth2"} },
		NeedsCredential: true,
		Destination:     marketoFields,
		Records:         true,
		Fixed:           true,
		Preset:          map[string]string{"client_auth": "get_query", "token_url": "https://123-ABC-456.mktorest.com/identity/oauth/token"},
		Docs: "Marketo answers for each record of a request, so each event is settled with words of its own. The credential is of type OAuth 2.0: client credentials, by GET with all in the query. " +
			"Marketo allows 100 calls in 20 seconds and 10 at once, for all clients of a subscription together; all destinations that lead there keep to that together.",
		Guide: marketoGuide(), Samples: marketoSamples(),
		defaults: func(model.Connection, model.Config) model.Destination {
			return model.Destination{Method: http.MethodPost, ContentType: model.DefaultContentType, MaxInFlight: 10, BatchSize: maxMarketo, BatchWaitMS: 2000}
		},
		checkConnection: func(c model.Connection, bad *fault.Check) {
			if id := c.Settings.Text("munchkin_id"); id != "" && !munchkin.MatchString(id) {
				bad.Add("settings.munchkin_id", "Three groups of letters and digits with hyphens between them, such as 123-ABC-456.")
			}
			checkAllowance(c.Settings, marketoCalls, 5000, bad)
			checkAllowance(c.Settings, marketoAtOnce, 500, bad)
		},
		limit: func(c model.Connection) Limit {
			return Limit{Rate: allowance(c.Settings, marketoCalls, 100) / 20, MaxInFlight: int(allowance(c.Settings, marketoAtOnce, 10))}
		},
		check: marketoCheck,
		build: buildMarketo, judge: judgeMarketo,
		probes: func(c model.Connection, _ time.Time) []Probe {
			return []Probe{{Title: "Read the list of lead fields", Request: salesforceGet(c, "/rest/v1/leads/describe.json"), Judge: judgeMarketo}}
		},
	}
}

var munchkin = regexp.MustCompile(`^[0-9A-Za-z]{3}-[0-9A-Za-z]{3}-[0-9A-Za-z]{3}$`)

func marketoFields(model.Connection) []model.Field {
	leads, activities := []string{marketoLeads}, []string{marketoActivities}
	return []model.Field{
		{Name: "write", Label: "What is written", Kind: model.FieldSelect, Required: true, Default: marketoLeads, Options: []model.Option{
			{Value: marketoLeads, Label: "Leads"}, {Value: marketoActivities, Label: "Custom activities"}}},
		{Name: "action", Label: "Action", Kind: model.FieldSelect, Default: "createOrUpdate", When: leads, Options: []model.Option{
			{Value: "createOrUpdate", Label: "Create or update"}, {Value: "createOnly", Label: "Create only (a lead that exists is skipped)"},
			{Value: "updateOnly", Label: "Update only (a lead that does not exist is skipped)"}, {Value: "createDuplicate", Label: "Create a duplicate, whatever exists"}}},
		{Name: "lookup_field", Label: "Lookup field", Kind: model.FieldText, Max: 100, When: leads, Placeholder: "email",
			Help: "By which leads are found, under its API name. Empty = email. id only to update."},
		{Name: "partition", Label: "Partition", Kind: model.FieldText, Max: 100, When: leads, More: true, Help: "Its name. Empty = the default one."},
		{Name: "activity_type_id", Label: "Activity type id", Kind: model.FieldNumber, When: activities, Placeholder: "100001",
			Help: "Added to records that do not name one (Admin, Marketo Custom Activities)."},
	}
}

func marketoCheck(_ model.Connection, d model.Destination, bad *fault.Check) {
	switch s := d.Settings; {
	case d.Path != "":
		bad.Add("path", "Leave the path empty; what is written decides it.")
	case d.BatchSize > maxMarketo:
		bad.Add("batch_size", "Marketo takes at most %d records in one request.", maxMarketo)
	case s.Text("lookup_field") == "id" && s.Text("action") != "updateOnly":
		bad.Add("settings.lookup_field", "Leads are found by id only to update them.")
	case s.Text("partition") != "" && s.Text("action") != "createOrUpdate" && s.Text("action") != "createOnly":
		bad.Add("settings.partition", "A partition goes with “create or update” and “create only”.")
	}
}

func buildMarketo(conn model.Connection, dest model.Destination, r Rendered) (egress.Request, error) {
	begin, records := `{"input":`, r.Records
	r.Path = "/rest/v1/activities/external.json"
	if dest.Settings.Text("write") == marketoActivities {
		records = make([][]byte, len(r.Records))
		for i, one := range r.Records {
			var bad *egress.Error
			if records[i], bad = member(one, "activityTypeId", number(dest.Settings["activity_type_id"])); bad != nil {
				return egress.Request{}, bad
			}
		}
	} else {
		r.Path = "/rest/v1/leads.json"
		begin = `{"action":` + quoted(cmp.Or(dest.Settings.Text("action"), "createOrUpdate")) + `,"lookupField":` + quoted(cmp.Or(dest.Settings.Text("lookup_field"), "email"))
		if p := dest.Settings.Text("partition"); p != "" {
			begin += `,"partitionName":` + quoted(p)
		}
		begin += `,"input":`
	}
	body, bad := list(begin, records)
	if bad != nil {
		return egress.Request{}, bad
	}
	dest.Method, r.Body = http.MethodPost, body
	req, err := buildHTTP(conn, dest, r)
	req.MaxBody = longAnswer
	return req, err
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // text always encodes
	return string(b)
}

// number is a setting as a whole number, "" when there is none.
func number(v any) any {
	if n, is := v.(float64); is {
		return int64(n)
	}
	return ""
}

// marketoAnswer is what every answer of Marketo's REST services holds.
type marketoAnswer struct {
	Success *bool           `json:"success"`
	Errors  []marketoReason `json:"errors"`
	Result  []marketoRecord `json:"result"`
}

type marketoRecord struct {
	ID      json.Number     `json:"id"`
	Status  string          `json:"status"`
	Reasons []marketoReason `json:"reasons"` // of leads
	Errors  []marketoReason `json:"errors"`  // of activities
}

type marketoReason struct {
	Code    json.Number `json:"code"` // text in some answers, a number in others
	Message string      `json:"message"`
}

func (r marketoReason) String() string {
	return strings.TrimSpace(r.Code.String() + " " + oneLine(r.Message))
}

func judgeMarketo(a Answer) Verdict {
	if v := judgeHTTP(a); !v.Success {
		return v
	}
	var said marketoAnswer
	if err := json.Unmarshal(a.Exchange.Body, &said); err != nil || said.Success == nil {
		return Verdict{Retry: true, Class: model.ClassStatus, Words: "Answered " + statusText(a.Exchange.Status) + ", but not as Marketo does. Check the base URL."}
	}
	if !*said.Success {
		return marketoFailure(said.Errors, a.Now)
	}
	switch {
	case a.Records == 0: // it only asked
		return Verdict{Success: true}
	case len(said.Result) != a.Records:
		return Verdict{Class: model.ClassStatus, Words: fmt.Sprintf("Marketo told what became of %d of %d records, so which of them it took is not known.", len(said.Result), a.Records)}
	}
	var each []Verdict
	for _, r := range said.Result {
		each = append(each, marketoRecordVerdict(r, a.Destination))
	}
	return summed(each)
}

func marketoRecordVerdict(r marketoRecord, d model.Destination) Verdict {
	noun := "lead"
	if d.Settings.Text("write") == marketoActivities {
		noun = "activity"
	}
	switch reasons := append(r.Reasons, r.Errors...); {
	case r.Status != "skipped" && len(reasons) == 0:
		words := strings.ToUpper(cmp.Or(r.Status, "taken")[:1]) + cmp.Or(r.Status, "taken")[1:]
		if r.ID != "" {
			words += " as " + noun + " " + r.ID.String()
		}
		return Verdict{Success: true, Words: words + "."}
	case len(reasons) == 0:
		return Verdict{Class: model.ClassStatus, Words: "Marketo skipped the record without saying why."}
	default:
		return Verdict{Class: model.ClassStatus, Words: "Marketo skipped the record: " + reasons[0].String() + "." + marketoRecordAdvice(reasons[0].Code.String())}
	}
}

func marketoRecordAdvice(code string) string {
	switch code {
	case "1002":
		return " Let the template make that field."
	case "1004":
		return " There is nothing to update or to write to."
	case "1005":
		return " The destination only creates."
	case "1006":
		return " Use the API name of a field that exists (Admin, Field Management)."
	case "1007":
		return " Merge them in Marketo, or look leads up by another field."
	}
	return ""
}

// marketoFailure is what it means that a request was not carried out (Marketo's response-level errors).
func marketoFailure(errors []marketoReason, now time.Time) Verdict {
	first := marketoReason{Message: "without an error"}
	if len(errors) > 0 {
		first = errors[0]
	}
	v := Verdict{Class: model.ClassStatus, Words: "Marketo refused the request: " + first.String() + "."}
	code, _ := strconv.Atoi(first.Code.String())
	switch code {
	case 600, 601, 602:
		v.Renew, v.Retry = true, true
	case 603:
		v.Words += " Give the role of the API user this permission (Admin, Users & Roles), or let its allowlist of addresses take Waybill in."
	case 606:
		v.Retry, v.RetryAfter = true, 20*time.Second
		v.Words += " Other clients of the subscription share the limit of 100 calls in 20 seconds; lower “Calls in 20 seconds” of the connection."
	case 607:
		v.Retry, v.RetryAfter = true, untilQuota(now)
		v.Words += " The quota begins anew at midnight US Central time."
	case 615:
		v.Retry, v.RetryAfter = true, 2*time.Second
		v.Words += " Other clients of the subscription share the limit of 10 calls at once; lower “Calls at once” of the connection."
	case 500, 502, 604, 608, 611, 614, 713, 719:
		v.Retry, v.RetryAfter = true, 5*time.Second
	case 610:
		v.Words += " Check the base URL."
	}
	return v
}

// untilQuota is how long until Marketo's day begins, which it does at midnight of US Central standard time.
func untilQuota(now time.Time) time.Duration {
	central := now.In(time.FixedZone("CST", -6*3600))
	next := time.Date(central.Year(), central.Month(), central.Day()+1, 0, 0, 0, 0, central.Location())
	return min(next.Sub(now), MaxRetryAfter)
}
