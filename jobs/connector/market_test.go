package connector

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
	"waybill/jobs/egress"
)

func answered(kind model.ConnectionType, settings model.Config, status, records int, body string) Answer {
	return Answer{Connection: model.Connection{Type: kind}, Destination: model.Destination{Settings: settings}, Records: records,
		Now:      time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Exchange: egress.Exchange{Status: status, Header: http.Header{}, Body: []byte(body)}}
}

func TestJudgeMarketo(t *testing.T) {
	failed := func(code string) string {
		return `{"requestId":"e42b","success":false,"errors":[{"code":"` + code + `","message":"So it is"}]}`
	}
	for _, tc := range []struct {
		status int
		body   string
		want   Verdict // Words: how they begin
	}{
		{200, failed("601"), Verdict{Retry: true, Renew: true, Words: "Marketo refused the request: 601 So it is."}},
		{200, failed("602"), Verdict{Retry: true, Renew: true}},
		{200, failed("603"), Verdict{Words: "Marketo refused the request: 603 So it is. Give the role"}},
		{200, failed("604"), Verdict{Retry: true, RetryAfter: 5 * time.Second}},
		{200, failed("606"), Verdict{Retry: true, RetryAfter: 20 * time.Second}},
		{200, failed("607"), Verdict{Retry: true, RetryAfter: 18 * time.Hour}}, // 12:00 UTC is 06:00 there
		{200, failed("615"), Verdict{Retry: true, RetryAfter: 2 * time.Second}},
		{200, failed("502"), Verdict{Retry: true, RetryAfter: 5 * time.Second}},
		{200, failed("713"), Verdict{Retry: true, RetryAfter: 5 * time.Second}},
		{200, failed("609"), Verdict{}}, {200, failed("610"), Verdict{}}, {200, failed("1003"), Verdict{}},
		{200, `{"success":false}`, Verdict{Words: "Marketo refused the request: without an error."}},
		{200, "<html>502</html>", Verdict{Retry: true, Words: "Answered 200 OK, but not as Marketo does."}},
		{200, `{"success":true,"result":[{"id":1,"status":"created"}]}`, Verdict{Words: "Marketo told what became of 1 of 3 records"}},
		{413, "", Verdict{Words: "Answered 413"}},
		{502, "", Verdict{Retry: true, Words: "Answered 502"}},
		{200, `{"success":true,"result":[{"id":50,"status":"created"},{"status":"skipped","reasons":[{"code":"1006","message":"Field 'x' not found"}]},{"id":12345678901234567890,"status":"updated"}]}`,
			Verdict{Success: true, Words: "1 of 3 records were not taken. The first of them: Marketo skipped the record: 1006", Each: []Verdict{
				{Success: true, Words: "Created as lead 50."}, {Class: model.ClassStatus, Words: "Marketo skipped the record: 1006 Field 'x' not found. Use the API name of a field that exists (Admin, Field Management)."},
				{Success: true, Words: "Updated as lead 12345678901234567890."}}}},
	} {
		got := Judge(answered(model.ConnectionMarketo, model.Config{"write": "leads"}, tc.status, 3, tc.body))
		if !strings.HasPrefix(got.Words, tc.want.Words) {
			t.Errorf("%s: %s", tc.body, got.Words)
		}
		tc.want.Words, tc.want.Class = got.Words, model.ClassStatus
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.body, diff)
		}
	}
	one := Judge(answered(model.ConnectionMarketo, model.Config{"write": "activities"}, 200, 1, `{"success":true,"result":[{"status":"skipped","errors":[{"code":"1004","message":"Lead not found"}]}]}`))
	if one.Success || one.Retry || !strings.HasPrefix(one.Words, "Marketo skipped the record: 1004 Lead not found.") {
		t.Errorf("%+v", one)
	}
}

func TestJudgeSalesforce(t *testing.T) {
	rows, journey := model.Config{"write": "rows"}, model.Config{"write": "journey"}
	for _, tc := range []struct {
		settings model.Config
		status   int
		body     string
		want     Verdict
	}{
		{rows, 202, `{"requestId":"b7c1","resultMessages":[]}`, Verdict{Success: true, Follow: &model.Follow{Reference: "b7c1", After: time.Second}}},
		{rows, 202, `{}`, Verdict{Retry: true, Words: "Answered 202 Accepted, but not as Marketing Cloud does"}},
		{rows, 200, `<html>`, Verdict{Retry: true, Words: "Answered 200 OK, but not as Marketing Cloud does"}},
		{rows, 400, `{"requestId":"x","resultMessages":[{"resultClass":"Error","resultCode":"CustomObjectNotFound","message":"Unable to find it."}]}`, Verdict{Words: "Answered 400 Bad Request. It says: Unable to find it."}},
		{rows, 429, `{"message":"Rate limit exceeded","errorcode":50100}`, Verdict{Retry: true, Words: "Answered 429 Too Many Requests. It says: Rate limit exceeded (error 50100)"}},
		{rows, 401, `{"message":"Not Authorized","errorcode":0,"documentation":""}`, Verdict{Words: "Answered 401 Unauthorized. Check the credential"}},
		{journey, 201, `{"eventInstanceId":"0a1b"}`, Verdict{Success: true, Each: []Verdict{{Success: true, Words: "The contact entered as event 0a1b."}}}},
		{journey, 400, `{"message":"It does not exist.","errorcode":30003}`, Verdict{Words: "Answered 400 Bad Request. It says: It does not exist. (error 30003)"}},
	} {
		got := Judge(answered(model.ConnectionSalesforce, tc.settings, tc.status, 1, tc.body))
		if !strings.HasPrefix(got.Words, tc.want.Words) {
			t.Errorf("%s: %s", tc.body, got.Words)
		}
		if tc.want.Words = got.Words; !got.Success {
			tc.want.Class = model.ClassStatus
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.body, diff)
		}
	}
}

// What is told of a request that was taken, from its status to the results of its rows.
func TestFollowSalesforce(t *testing.T) {
	const lost = `{"requestId":"x","resultMessages":[{"resultClass":"Error","resultCode":"AsyncRequestStatusNotFound","message":"Unable to locate it."}]}`
	const hidden = `{"requestId":"x","resultMessages":[{"resultMessage":{"resultCode":"AsyncRequestStatusNotFound","message":"Unable to locate it."}}]}`
	status := func(request, result, errors string) string {
		return `{"status":{"requestStatus":"` + request + `","resultStatus":"` + result + `","hasErrors":` + errors + `}}`
	}
	ok, bad := `{"message":"","status":"OK"}`, `{"errorCode":2,"message":"Invalid column.","status":"Error"}`
	dead := `{"errorCode":2,"message":"It was deadlocked. Rerun the transaction.","status":"Error"}`
	page := func(n, count string, items ...string) string {
		return `{"page":` + n + `,"pageSize":2,"count":` + count + `,"items":[` + strings.Join(items, ",") + `]}`
	}
	refused := Verdict{Class: model.ClassStatus, Words: "Marketing Cloud refused the row: Invalid column. (error 2)"}
	stored := Verdict{Success: true, Words: "Stored in the data extension."}
	victim := Verdict{Class: model.ClassStatus, Retry: true, Words: "Marketing Cloud refused the row: It was deadlocked. Rerun the transaction. (error 2)"}
	for _, tc := range []struct {
		name    string
		mode    string
		records int
		age     time.Duration
		answers []string
		want    Tale // without Next; words: how they begin
	}{
		{"not there yet", "upsert", 2, time.Minute, []string{lost}, Tale{Wait: 30 * time.Second, Words: "It does not know the request yet."}},
		{"not there yet, in its other shape", "upsert", 2, 4 * time.Second, []string{hidden}, Tale{Wait: 2 * time.Second, Words: "It does not know the request yet."}},
		{"gone, updated", "upsert", 2, time.Hour, []string{lost}, Tale{Verdict: Verdict{Class: model.ClassStatus, Retry: true, Words: "Marketing Cloud took the rows, but knows nothing"}}},
		{"gone, inserted", "insert", 2, time.Hour, []string{lost}, Tale{Verdict: Verdict{Class: model.ClassStatus, Words: "Marketing Cloud took the rows, but knows nothing"}}},
		{"works on it", "upsert", 2, time.Hour, []string{status("Executing", "", "false")}, Tale{Wait: 5 * time.Minute}},
		{"is down", "upsert", 2, time.Second, []string{"500"}, Tale{Wait: 5 * time.Second, Words: "Answered 500"}},
		{"all is well", "upsert", 2, time.Second, []string{status("Complete", "OK", "false")}, Tale{Verdict: Verdict{Success: true, Each: []Verdict{stored, stored}}}},
		{"some are refused", "upsert", 3, time.Second, []string{status("Complete", "Has Errors", "true"), page("1", "3", ok, bad), page("2", "3", dead)},
			Tale{Verdict: Verdict{Success: true, Class: model.ClassStatus, Words: "2 of 3 records were not taken.", Each: []Verdict{stored, refused, victim}}}},
		{"all are victims", "upsert", 1, time.Second, []string{status("Complete", "Has Errors", "true"), page("1", "1", dead)},
			Tale{Verdict: Verdict{Retry: true, Class: model.ClassStatus, Words: victim.Words, Each: []Verdict{victim}}}},
		{"which ones is not told, updated", "upsert", 3, time.Second, []string{status("Complete", "Has Errors", "true"), page("1", "1", bad)},
			Tale{Split: true, Verdict: Verdict{Words: "Marketing Cloud told of 1 of the 3 rows only."}}},
		{"which ones is not told, inserted", "insert", 3, time.Second, []string{status("Complete", "Has Errors", "true"), page("1", "1", bad)},
			Tale{Verdict: Verdict{Class: model.ClassStatus, Words: "Marketing Cloud told of 1 of the 3 rows only, so which ones"}}},
		{"pages are not what they seem", "insert", 3, time.Second, []string{status("Complete", "Has Errors", "true"), page("1", "3", ok, bad), page("1", "3", ok, bad)},
			Tale{Verdict: Verdict{Class: model.ClassStatus, Words: "Marketing Cloud told of 2 of the 3 rows only"}}},
		{"fails as a whole", "upsert", 2, time.Second, []string{status("Error", "", "true"), `{"page":1,"count":0,"items":[],"resultMessages":[{"resultCode":"UnexpectedError","message":"No primary keys."}]}`},
			Tale{Verdict: Verdict{Class: model.ClassStatus, Retry: true, Words: "Marketing Cloud took the rows, but then failed with them. No primary keys."}}},
	} {
		f := Followed{Connection: model.Connection{Type: model.ConnectionSalesforce, BaseURL: "https://a.example"}, Reference: "r 1", Records: tc.records,
			Destination: model.Destination{Settings: model.Config{"mode": tc.mode}}}
		asked, _ := Follow(f)
		var got Tale
		for i, body := range tc.answers {
			code := 200
			if body == "500" {
				code = 500
			}
			a := answered(model.ConnectionSalesforce, nil, code, tc.records, body)
			f.Since = a.Now.Add(-tc.age)
			if i == 0 {
				asked, _ = Follow(f)
			}
			if want := "https://a.example/data/v1/async/r%201/"; !strings.HasPrefix(asked.Request.URL, want) {
				t.Errorf("%s: %s", tc.name, asked.Request.URL)
			}
			if got = asked.Tell(a); got.Next != nil {
				asked, got.Next = *got.Next, nil
			}
		}
		if !strings.HasPrefix(got.Words, tc.want.Words) || !strings.HasPrefix(got.Verdict.Words, tc.want.Verdict.Words) {
			t.Errorf("%s: %q %q", tc.name, got.Words, got.Verdict.Words)
		}
		tc.want.Words, tc.want.Verdict.Words = got.Words, got.Verdict.Words
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func TestBuildRecords(t *testing.T) {
	records := func(list ...string) (r Rendered) {
		for _, one := range list {
			r.Records = append(r.Records, []byte(one))
		}
		return r
	}
	for _, tc := range []struct {
		kind     model.ConnectionType
		settings model.Config
		records  Rendered
		want     string // method, path and body, or the beginning of what is wrong
	}{
		{"marketo", model.Config{"write": "leads"}, records(`{"email":"a"}`, `{"n":12345678901234567890}`),
			`POST /rest/v1/leads.json {"action":"createOrUpdate","lookupField":"email","input":[{"email":"a"},{"n":12345678901234567890}]}`},
		{"marketo", model.Config{"write": "leads", "action": "updateOnly", "lookup_field": "id", "partition": "Eu\"rope"}, records(`{}`),
			`POST /rest/v1/leads.json {"action":"updateOnly","lookupField":"id","partitionName":"Eu\"rope","input":[{}]}`},
		{"marketo", model.Config{"write": "activities", "activity_type_id": float64(100001)}, records(`{"leadId":1}`, ` {}`, `{"activityTypeId":7}`),
			`POST /rest/v1/activities/external.json {"input":[{"activityTypeId":100001,"leadId":1},{"activityTypeId":100001},{"activityTypeId":7}]}`},
		{"marketo", model.Config{"write": "leads"}, records(`[{}]`), "The template has to make one JSON object for each event; it made: [{}]"},
		{"salesforce_mc", model.Config{"write": "rows", "data_extension": "Orders & more/1"}, records(`{"a":1}`, `{"b":2}`),
			`PUT /data/v1/async/dataextensions/key:Orders%20&%20more%2F1/rows {"items":[{"a":1},{"b":2}]}`},
		{"salesforce_mc", model.Config{"write": "rows", "data_extension": "O", "mode": "insert"}, records(`{"a":1}`), `POST /data/v1/async/dataextensions/key:O/rows {"items":[{"a":1}]}`},
		{"salesforce_mc", model.Config{"write": "journey", "event_definition_key": "E-1"}, records(`{"ContactKey":"c"}`), `POST /interaction/v1/events {"EventDefinitionKey":"E-1","ContactKey":"c"}`},
		{"salesforce_mc", model.Config{"write": "journey", "event_definition_key": "E-1"}, records(`{}`, `{}`), "A journey entry event is one contact"},
	} {
		req, err := Build(model.Connection{Type: tc.kind, BaseURL: "https://a.example"}, model.Destination{Method: "POST", Settings: tc.settings}, tc.records)
		got := req.Method + " " + strings.TrimPrefix(req.URL, "https://a.example") + " " + string(req.Body)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s %v:\n%s\nwant %s", tc.kind, tc.settings, got, tc.want)
		}
	}
}
