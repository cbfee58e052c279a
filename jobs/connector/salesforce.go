package connector

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// What a destination of Salesforce Marketing Cloud writes, and how.
const (
	salesforceRows    = "rows"
	salesforceJourney = "journey"
	salesforceUpsert  = "upsert"
	salesforceInsert  = "insert"
)

// longAnswer is how much is read of answers that tell of many records, in bytes; of that, as much is kept as of any answer.
const longAnswer = 1 << 20

// salesforce is Salesforce Marketing Cloud Engagement: rows of data extensions, which it takes now and writes later, and
// events that let contacts enter a journey. Host and token come from the v2/token endpoint.
func salesforce() Type {
	return Type{
		Type: model.ConnectionSalesforce, Title: "Salesforce Marketing Cloud", Methods: []string{http.MethodPut, http.MethodPost},
		Hue:     "cyan",
		Summary: "Writes rows of data extensions, followed up to their outcome, and lets contacts enter journeys.",
		Glyph:   "M7 17h10a4 4 0 0 0 .6-7.95A6 6 0 0 0 6.2 10.2 3.5 3.5 0 0 0 7 17Zm5-1v-5m-2 2 2-2 2 2",
		Fields: []model.Field{{Name: "subdomain", Label: "Subdomain", Kind: model.FieldText, Max: 63, Placeholder: "mc563885gzs27c5t9-63k636ttgm",
			Help: "The part of your REST base URI before .rest.marketingcloudapis.com (Setup, Apps, Installed Packages). The base URL is made of it."}},
		BaseURL:         salesforceBase,
		Credentials:     func(model.Config) []model.CredentialType { return []model.CredentialType{"oauth2"} },
		NeedsCredential: true,
		TokenHost:       "rest_instance_url",
		Destination:     salesforceFields,
		Records:         true,
		Fixed:           true,
		Preset:          map[string]string{"client_auth": "post_json", "token_url": "https://SUBDOMAIN.auth.marketingcloudapis.com/v2/token"},
		Docs: "Rows are taken now and written later: a delivery is settled when Marketing Cloud has told what became of its row. " +
			"The credential is of type OAuth 2.0: client credentials, with all in a JSON body. Requests go to the host that the token's answer names.",
		Guide: salesforceGuide(), Samples: salesforceSamples(),
		defaults: func(_ model.Connection, c model.Config) model.Destination {
			if c.Text("write") == salesforceJourney {
				return model.Destination{Method: http.MethodPost, ContentType: utf8JSON, MaxInFlight: 10}
			}
			return model.Destination{Method: http.MethodPut, ContentType: utf8JSON, MaxInFlight: 10, BatchSize: 200, BatchWaitMS: 2000}
		},
		checkConnection: func(c model.Connection, bad *fault.Check) {
			if s := c.Settings.Text("subdomain"); s != "" && !subdomain.MatchString(s) {
				bad.Add("settings.subdomain", "Only the subdomain: letters, digits and hyphens, without dots.")
			}
		},
		check: salesforceCheck, template: salesforceTemplate,
		build: buildSalesforce, judge: judgeSalesforce, follow: followSalesforce, probes: salesforceProbes,
	}
}

const utf8JSON = "application/json; charset=UTF-8" // Salesforce asks for it where texts go beyond ASCII

var subdomain = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

func salesforceBase(c model.Config) string {
	if s := c.Text("subdomain"); subdomain.MatchString(s) {
		return "https://" + s + ".rest.marketingcloudapis.com"
	}
	return ""
}

func salesforceFields(model.Connection) []model.Field {
	rows, journey := []string{salesforceRows}, []string{salesforceJourney}
	return []model.Field{
		{Name: "write", Label: "What is written", Kind: model.FieldSelect, Required: true, Default: salesforceRows, Options: []model.Option{
			{Value: salesforceRows, Label: "Rows of a data extension"}, {Value: salesforceJourney, Label: "A journey entry event"}}},
		{Name: "data_extension", Label: "External key of the data extension", Kind: model.FieldText, Max: 200, Required: true, When: rows, Placeholder: "Orders",
			Help: "In Contact Builder or Email Studio, under the properties of the data extension."},
		{Name: "mode", Label: "Rows that exist", Kind: model.FieldSelect, Default: salesforceUpsert, When: rows, Options: []model.Option{
			{Value: salesforceUpsert, Label: "are updated (PUT; the data extension needs a primary key)"}, {Value: salesforceInsert, Label: "are refused (POST; repeating an attempt can fail for that)"}}},
		{Name: "event_definition_key", Label: "Event definition key", Kind: model.FieldText, Max: 200, Required: true, When: journey, Placeholder: "APIEvent-2b9c…",
			Help: "Of the journey's API entry source. It holds no period."},
	}
}

func salesforceCheck(_ model.Connection, d model.Destination, bad *fault.Check) {
	switch {
	case d.Path != "":
		bad.Add("path", "Leave the path empty; what is written decides it.")
	case d.Settings.Text("write") == salesforceJourney && d.BatchSize > 1:
		bad.Add("batch_size", "A journey entry event is one contact; set this to 1.")
	case strings.Contains(d.Settings.Text("event_definition_key"), "."):
		bad.Add("settings.event_definition_key", "An event definition key holds no period.")
	}
}

// salesforceTemplate lets the subject of an event be the contact where no template says otherwise.
func salesforceTemplate(_ model.Connection, d model.Destination) string {
	if d.Settings.Text("write") == salesforceJourney {
		return "{{! return { ContactKey: it.events[0].subject, Data: it.data[0] }; }}"
	}
	return ""
}

func buildSalesforce(conn model.Connection, dest model.Destination, r Rendered) (egress.Request, error) {
	s := dest.Settings
	if s.Text("write") == salesforceJourney {
		dest.Method, r.Path = http.MethodPost, "/interaction/v1/events"
		if len(r.Records) != 1 {
			return egress.Request{}, refused(egress.RuleURL, fault.Say("A journey entry event is one contact; set the batch size of the destination to 1."))
		}
		record, bad := member(r.Records[0], "EventDefinitionKey", s.Text("event_definition_key"))
		if bad != nil {
			return egress.Request{}, bad
		}
		r.Body = record
	} else {
		dest.Method, r.Path = http.MethodPut, "/data/v1/async/dataextensions/key:"+url.PathEscape(s.Text("data_extension"))+"/rows"
		if s.Text("mode") == salesforceInsert {
			dest.Method = http.MethodPost
		}
		body, bad := list(`{"items":`, r.Records)
		if bad != nil {
			return egress.Request{}, bad
		}
		r.Body = body
	}
	req, err := buildHTTP(conn, dest, r)
	req.MaxBody = longAnswer
	return req, err
}

// list joins records, each a JSON object, to an array behind the beginning of an object.
func list(begin string, records [][]byte) ([]byte, *egress.Error) {
	out := append([]byte(begin), '[')
	for i, r := range records {
		if bad := object(r); bad != nil {
			return nil, bad
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r...)
	}
	return append(out, ']', '}'), nil
}

func object(record []byte) *egress.Error {
	var any map[string]json.RawMessage
	if err := json.Unmarshal(record, &any); err != nil || any == nil {
		return &egress.Error{Class: model.ClassTemplate, Message: "The template has to make one JSON object for each event; it made: " + oneLine(string(record[:min(len(record), 200)]))}
	}
	return nil
}

// member is a JSON object with a member that is added where it is missing; "" adds nothing.
func member(record []byte, name string, value any) ([]byte, *egress.Error) {
	if bad := object(record); bad != nil {
		return nil, bad
	}
	var have map[string]json.RawMessage
	_ = json.Unmarshal(record, &have) // object has done so
	if _, there := have[name]; there || value == "" {
		return record, nil
	}
	v, _ := json.Marshal(value) // texts and numbers always encode
	rest := strings.TrimSpace(string(record))[1:]
	comma := ","
	if len(have) == 0 {
		comma = ""
	}
	return []byte(`{"` + name + `":` + string(v) + comma + rest), nil
}

// salesforceAnswer is what answers hold, whichever of its services they come from.
type salesforceAnswer struct {
	RequestID string `json:"requestId"`
	Event     string `json:"eventInstanceId"`
	Message   string `json:"message"`
	Code      any    `json:"errorcode"`
	Messages  []struct {
		Code    string `json:"resultCode"`
		Class   string `json:"resultClass"`
		Message string `json:"message"`
		Inner   *struct {
			Code    string `json:"resultCode"`
			Message string `json:"message"`
		} `json:"resultMessage"`
	} `json:"resultMessages"`
	Status *struct {
		Errors  bool   `json:"hasErrors"`
		Request string `json:"requestStatus"`
		Result  string `json:"resultStatus"`
	} `json:"status"`
	Page  int `json:"page"`
	Count int `json:"count"`
	Items []struct {
		Code    any    `json:"errorCode"`
		Message string `json:"message"`
		Status  string `json:"status"`
	} `json:"items"`
}

// said is the first complaint in an answer with its code, "" when there is none.
func (a salesforceAnswer) said() (code, words string) {
	for _, m := range a.Messages {
		if m.Inner != nil {
			m.Code, m.Message = m.Inner.Code, m.Inner.Message
		}
		if code, words = m.Code, oneLine(m.Message); words != "" || code != "" {
			return code, cmp.Or(words, code)
		}
	}
	if a.Message != "" && a.Code != nil {
		return fmt.Sprint(a.Code), oneLine(a.Message) + fmt.Sprintf(" (error %v)", a.Code)
	}
	return "", oneLine(a.Message)
}

func judgeSalesforce(a Answer) Verdict {
	var said salesforceAnswer
	readable := json.Unmarshal(a.Exchange.Body, &said) == nil
	_, words := said.said()
	v := judgeHTTP(a)
	switch journey := a.Destination.Settings.Text("write") == salesforceJourney; {
	case !v.Success && words != "":
		v.Words += " It says: " + words
	case !v.Success:
	case !readable || said.RequestID == "" && !journey:
		return Verdict{Retry: true, Class: model.ClassStatus, Words: "Answered " + statusText(a.Exchange.Status) + ", but not as Marketing Cloud does: there is no requestId in it. Check the base URL."}
	case journey:
		v.Each = []Verdict{{Success: true, Words: "The contact entered as event " + cmp.Or(oneLine(said.Event), "without an id") + "."}}
	default:
		v.Follow = &model.Follow{Reference: said.RequestID, After: time.Second}
	}
	return v
}

// How long a request that Salesforce does not find is believed to come up yet: its status is there a little after its 202.
const salesforceAppears = 10 * time.Minute

// followSalesforce asks for the status of a request, and when something went wrong for the results of its rows.
func followSalesforce(f Followed) Asked {
	return Asked{Request: salesforceGet(f.Connection, "/data/v1/async/"+url.PathEscape(f.Reference)+"/status"), Tell: f.status}
}

func salesforceGet(c model.Connection, path string) egress.Request {
	address, _ := Join(c, path)
	return egress.Request{Method: http.MethodGet, URL: address, Header: http.Header{"Accept": {"application/json"}},
		Timeout: time.Duration(cmp.Or(c.TimeoutSeconds, model.DefaultTimeout)) * time.Second, MaxBody: longAnswer}
}

// wait is how long until it is asked again: the longer it takes, the less often.
func (f Followed) wait(now time.Time) time.Duration {
	return min(max(now.Sub(f.Since)/2, time.Second), 5*time.Minute)
}

// again is what an answer means that tells nothing: it is asked again.
func (f Followed) again(a Answer, said salesforceAnswer) Tale {
	v, words := judgeHTTP(a), "Answered "+statusText(a.Exchange.Status)+"."
	if v.Words != "" {
		words = v.Words
	}
	if _, w := said.said(); w != "" {
		words += " It says: " + w
	}
	return Tale{Wait: max(f.wait(a.Now), v.RetryAfter, 5*time.Second), Words: words}
}

func (f Followed) status(a Answer) Tale {
	var said salesforceAnswer
	err := json.Unmarshal(a.Exchange.Body, &said)
	code, words := said.said()
	switch {
	case code == "AsyncRequestStatusNotFound" && a.Now.Sub(f.Since) < salesforceAppears:
		return Tale{Wait: f.wait(a.Now), Words: "It does not know the request yet."}
	case code == "AsyncRequestStatusNotFound":
		return Tale{Verdict: f.failed("Marketing Cloud took the rows, but knows nothing of the request any more: " + words)}
	case err != nil || a.Exchange.Status/100 != 2 || said.Status == nil:
		return f.again(a, said)
	}
	switch s := said.Status; strings.ToLower(s.Request) {
	case "complete", "completed":
		if !s.Errors && (s.Result == "" || strings.EqualFold(s.Result, "OK")) {
			return Tale{Verdict: f.stored()}
		}
	case "error":
	default: // Pending, Executing
		return Tale{Wait: f.wait(a.Now)}
	}
	return Tale{Next: f.results(1, nil)}
}

func (f Followed) stored() Verdict {
	v := Verdict{Success: true}
	for range f.Records {
		v.Each = append(v.Each, Verdict{Success: true, Words: "Stored in the data extension."})
	}
	return v
}

// failed is the end of a request that came to nothing as a whole: to repeat it does no harm where rows are updated.
func (f Followed) failed(words string) Verdict {
	return Verdict{Class: model.ClassStatus, Words: words, Retry: f.Destination.Settings.Text("mode") != salesforceInsert}
}

// results asks for a page of what became of the rows; got are those of the pages before.
func (f Followed) results(page int, got []Verdict) *Asked {
	path := "/data/v1/async/" + url.PathEscape(f.Reference) + "/results"
	if page > 1 {
		path += fmt.Sprintf("?$page=%d", page)
	}
	return &Asked{Request: salesforceGet(f.Connection, path), Tell: func(a Answer) Tale { return f.rows(a, page, got) }}
}

func (f Followed) rows(a Answer, page int, got []Verdict) Tale {
	var said salesforceAnswer
	if err := json.Unmarshal(a.Exchange.Body, &said); err != nil || a.Exchange.Status/100 != 2 {
		return f.again(a, said)
	}
	if page == 1 || said.Page == page { // else pages are not what they seem
		for _, it := range said.Items {
			got = append(got, rowVerdict(it.Status, oneLine(it.Message), it.Code))
		}
		if len(said.Items) > 0 && len(got) < min(said.Count, f.Records) {
			return Tale{Next: f.results(page+1, got)}
		}
	}
	switch _, words := said.said(); {
	case len(got) == f.Records:
		return Tale{Verdict: summed(got)}
	case len(got) == 0:
		return Tale{Verdict: f.failed("Marketing Cloud took the rows, but then failed with them. " + words)}
	case f.Records == 1:
		return Tale{Verdict: summed(got[:1])}
	case f.failed("").Retry:
		return Tale{Split: true, Verdict: Verdict{Words: fmt.Sprintf("Marketing Cloud told of %d of the %d rows only. %s", len(got), f.Records, summed(got).Words)}}
	}
	return Tale{Verdict: Verdict{Class: model.ClassStatus, Words: fmt.Sprintf("Marketing Cloud told of %d of the %d rows only, so which ones it refused is not known. %s", len(got), f.Records, summed(got).Words)}}
}

// rowVerdict is what became of a row. Rows that lost against others that were written at the same time are worth another
// attempt: the sentence for that comes from the database below.
func rowVerdict(status, message string, code any) Verdict {
	if strings.EqualFold(status, "OK") {
		return Verdict{Success: true, Words: "Stored in the data extension."}
	}
	words := "Marketing Cloud refused the row: " + cmp.Or(message, "it does not say why.")
	if text := fmt.Sprint(code); code != nil && text != "" {
		words += " (error " + text + ")"
	}
	return Verdict{Class: model.ClassStatus, Retry: strings.HasSuffix(message, "Rerun the transaction."), Words: words}
}

// summed is the verdict of records that were told apart: it went well if one did.
func summed(each []Verdict) Verdict {
	v := Verdict{Each: each, Retry: true}
	bad, first := 0, Verdict{}
	for _, e := range each {
		if e.Success {
			v.Success = true
			continue
		}
		if v.Retry = v.Retry && e.Retry; bad == 0 {
			first = e
		}
		bad++
	}
	switch {
	case bad == 0:
		v.Retry = false
	case bad == 1 && len(each) == 1:
		v.Class, v.Words = first.Class, first.Words
	default:
		v.Class, v.Words = first.Class, fmt.Sprintf("%d of %d records were not taken. The first of them: %s", bad, len(each), first.Words)
	}
	if v.Success {
		v.Retry = false
	}
	return v
}

func salesforceProbes(c model.Connection, _ time.Time) []Probe {
	return []Probe{{Title: "Ask whose token it is", Request: salesforceGet(c, "/platform/v1/tokenContext"), Judge: func(a Answer) Verdict {
		v := judgeHTTP(a)
		var said salesforceAnswer
		_ = json.Unmarshal(a.Exchange.Body, &said) // what is no JSON says nothing
		if _, words := said.said(); !v.Success && words != "" {
			v.Words += " It says: " + words
		}
		return v
	}}}
}
