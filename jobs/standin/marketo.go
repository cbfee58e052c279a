// Package standin plays third parties for tests: servers on loopback that are built from the public descriptions of their
// APIs, and that misbehave as the real ones do. Nothing but tests imports it.
package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Marketo plays Adobe Marketo Engage: identity, leads and custom activities, with its errors inside HTTP 200, its limits of
// 100 calls in 20 seconds, 10 at once, 300 records a call and a quota a day. Set the exported fields before the first call.
type Marketo struct {
	*httptest.Server
	ID, Secret string        // of the client
	Life       time.Duration // of a token
	Fields     []string      // of leads
	Activities []int64       // ids of the custom activity types
	Quota      int           // calls a day, 0 = unbounded
	Slow       time.Duration // before each answer
	Denied     bool          // the role lacks the permission
	At         func() time.Time

	mu      sync.Mutex
	token   string
	granted int
	ends    time.Time
	calls   []time.Time // that count for the rate
	today   int
	busy    int
	most    int
	queue   []string // what the next calls come to: a code, "html" or "cut"
	leads   []map[string]any
	written []map[string]any // activities
	sizes   []int            // records of each call that was carried out
}

// NewMarketo starts one; Close ends it.
func NewMarketo() *Marketo {
	m := &Marketo{ID: "4f3c-client", Secret: "marketo-secret-8Kd", Life: time.Hour, Fields: []string{"email", "firstName", "lastName", "company", "score"}, Activities: []int64{100001}, At: time.Now}
	mux := http.NewServeMux()
	mux.HandleFunc("/identity/oauth/token", m.identity)
	mux.HandleFunc("POST /rest/v1/leads.json", m.rest(m.syncLeads))
	mux.HandleFunc("GET /rest/v1/leads/describe.json", m.rest(m.describe))
	mux.HandleFunc("POST /rest/v1/activities/external.json", m.rest(m.addActivities))
	mux.HandleFunc("/rest/", m.rest(func([]byte) any { return failure("610", "Requested resource not found") }))
	m.Server = httptest.NewServer(mux)
	return m
}

// TokenURL is its identity endpoint.
func (m *Marketo) TokenURL() string { return m.URL + "/identity/oauth/token" }

// Expire ends the token that was granted last: calls with it get a 602.
func (m *Marketo) Expire() { m.set(func() { m.ends = m.At().Add(-time.Second) }) }

// Forget makes it not know the token: calls with it get a 601.
func (m *Marketo) Forget() { m.set(func() { m.token, m.ends = "", time.Time{} }) }

// Next says what the next calls come to: error codes such as "606", "html" for a proxy's page with status 200, "cut".
func (m *Marketo) Next(what ...string) { m.set(func() { m.queue = append(m.queue, what...) }) }

// Granted is how often a new token was made.
func (m *Marketo) Granted() (n int) { m.set(func() { n = m.granted }); return n }

// Leads are those that were written, in the order of their ids, which begin at 50.
func (m *Marketo) Leads() (out []map[string]any) {
	m.set(func() { out = slices.Clone(m.leads) })
	return out
}

// Written are the activities.
func (m *Marketo) Written() (out []map[string]any) {
	m.set(func() { out = slices.Clone(m.written) })
	return out
}

// Sizes are the numbers of records of the calls that were carried out; most is how many calls were under way at once.
func (m *Marketo) Sizes() (sizes []int, most int) {
	m.set(func() { sizes, most = slices.Clone(m.sizes), m.most })
	return sizes, most
}

// Busy makes it slow from now on, and tells how many calls were under way at once since the last time.
func (m *Marketo) Busy(slow time.Duration) (most int) {
	m.set(func() { most, m.most, m.Slow = m.most, 0, slow })
	return most
}

func (m *Marketo) set(do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do()
}

func (m *Marketo) identity(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	q := r.URL.Query()
	if q.Get("client_id") != m.ID || q.Get("client_secret") != m.Secret {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"Bad client credentials"}`)
		return
	}
	if q.Get("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"unsupported_grant_type"}`)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.At()
	if m.token == "" || !now.Before(m.ends) { // else the same one, with what is left of its life
		m.granted++
		m.token, m.ends = fmt.Sprintf("cdf01657-110d-4155-99a7-f986b2ff13a0:%d", m.granted), now.Add(m.Life)
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":"api@example.com"}`, m.token, int(m.ends.Sub(now).Seconds()))
}

func failure(code, message string) any {
	return map[string]any{"success": false, "errors": []any{map[string]any{"code": code, "message": message}}}
}

var marketoWords = map[string]string{"502": "Bad Gateway", "601": "Access token invalid", "602": "Access token expired", "603": "Access denied", "604": "Request timed out",
	"606": "Max rate limit '100' exceeded with in '20' secs", "607": "Daily quota reached", "608": "API Temporarily Unavailable", "611": "System error",
	"615": "Concurrent access limit reached", "713": "Transient Error"}

// rest is what every call goes through.
func (m *Marketo) rest(do func(body []byte) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20+1))
		if err == nil && len(body) > 1<<20 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		m.set(func() { m.busy++; m.most = max(m.most, m.busy) })
		defer m.set(func() { m.busy-- })
		slow := time.Duration(0)
		m.set(func() { slow = m.Slow })
		time.Sleep(slow)
		code, what := m.refuses(r)
		switch {
		case what == "cut":
			panic(http.ErrAbortHandler)
		case what == "html":
			_, _ = io.WriteString(w, "<html><title>502 Bad Gateway</title></html>")
			return
		}
		answer := failure(code, marketoWords[code])
		if code == "" {
			kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
			switch {
			case r.Method == http.MethodPost && kind != "application/json":
				answer = failure("612", "Invalid Content Type")
			case r.Method == http.MethodPost && !json.Valid(body):
				answer = failure("609", "Invalid JSON")
			default:
				m.set(func() { answer = do(body) })
			}
		}
		fields := answer.(map[string]any)
		fields["requestId"] = "e42b#14272d07d78"
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		_ = json.NewEncoder(w).Encode(fields)
	}
}

// refuses is the code with which a call is not carried out, "" when it is; what is something worse.
func (m *Marketo) refuses(r *http.Request) (code, what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	now := m.At()
	m.calls = slices.DeleteFunc(m.calls, func(t time.Time) bool { return now.Sub(t) >= 20*time.Second })
	switch {
	case !bearer || m.token == "" || token != m.token:
		return "601", ""
	case !now.Before(m.ends):
		return "602", ""
	case len(m.queue) > 0:
		next := m.queue[0]
		m.queue = m.queue[1:]
		if next == "cut" || next == "html" {
			return "", next
		}
		return next, ""
	case m.Denied:
		return "603", ""
	case m.busy > 10:
		return "615", ""
	case len(m.calls) >= 100:
		return "606", ""
	case m.Quota > 0 && m.today >= m.Quota:
		return "607", ""
	}
	m.calls, m.today = append(m.calls, now), m.today+1 // refused ones do not count
	return "", ""
}

func (m *Marketo) describe([]byte) any {
	var out []any
	for i, f := range m.Fields {
		out = append(out, map[string]any{"id": i + 1, "displayName": f, "dataType": "string", "rest": map[string]any{"name": f, "readOnly": false}})
	}
	return map[string]any{"success": true, "result": out}
}

func skipped(list, code, message string) map[string]any {
	return map[string]any{"status": "skipped", list: []any{map[string]any{"code": code, "message": message}}}
}

func (m *Marketo) syncLeads(body []byte) any {
	var in struct {
		Action, LookupField, PartitionName string
		Input                              []map[string]any
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return failure("609", "Invalid JSON")
	}
	switch {
	case !slices.Contains([]string{"", "createOrUpdate", "createOnly", "updateOnly", "createDuplicate"}, in.Action):
		return failure("1003", "Invalid value for action")
	case len(in.Input) == 0:
		return failure("1003", "input cannot be empty")
	case len(in.Input) > 300:
		return failure("1003", "Number of input records exceeds 300")
	case in.PartitionName != "" && in.PartitionName != "Europe":
		return failure("1008", "Access denied to partition '"+in.PartitionName+"'")
	}
	if in.LookupField == "" {
		in.LookupField = "email"
	}
	m.sizes = append(m.sizes, len(in.Input))
	var out []any
	for _, lead := range in.Input {
		out = append(out, m.syncLead(in.Action, in.LookupField, lead))
	}
	return map[string]any{"success": true, "result": out}
}

func (m *Marketo) syncLead(action, lookup string, lead map[string]any) map[string]any {
	for name := range lead {
		if name != "id" && !slices.Contains(m.Fields, name) {
			return skipped("reasons", "1006", "Field '"+name+"' not found")
		}
	}
	if e, there := lead["email"]; there {
		if _, text := e.(string); !text {
			return skipped("reasons", "1001", "Invalid value 'email'. Required of type 'String'")
		}
	}
	key := fmt.Sprint(lead[lookup])
	if lead[lookup] == nil && action != "createDuplicate" {
		return skipped("reasons", "1003", "Value for required field '"+lookup+"' is missing")
	}
	var found []int
	for i, have := range m.leads {
		if fmt.Sprint(have[lookup]) == key || lookup == "id" && fmt.Sprint(50+i) == key {
			found = append(found, i)
		}
	}
	switch {
	case action == "createDuplicate" || len(found) == 0 && action != "updateOnly":
		m.leads = append(m.leads, lead)
		return map[string]any{"id": 49 + len(m.leads), "status": "created"}
	case len(found) == 0:
		return skipped("reasons", "1004", "Lead not found")
	case action == "createOnly":
		return skipped("reasons", "1005", "Lead already exists")
	case len(found) > 1:
		return skipped("reasons", "1007", "Multiple leads match the lookup criteria")
	}
	for name, v := range lead {
		m.leads[found[0]][name] = v
	}
	return map[string]any{"id": 50 + found[0], "status": "updated"}
}

func (m *Marketo) addActivities(body []byte) any {
	var in struct{ Input []map[string]any }
	if err := json.Unmarshal(body, &in); err != nil {
		return failure("609", "Invalid JSON")
	}
	if len(in.Input) == 0 || len(in.Input) > 300 {
		return failure("1003", "Number of input records must be between 1 and 300")
	}
	m.sizes = append(m.sizes, len(in.Input))
	var out []any
	for _, a := range in.Input {
		out = append(out, m.addActivity(a))
	}
	return map[string]any{"success": true, "result": out}
}

func (m *Marketo) addActivity(a map[string]any) map[string]any {
	for _, name := range []string{"leadId", "activityDate", "activityTypeId", "primaryAttributeValue", "attributes"} {
		if a[name] == nil {
			return skipped("errors", "1002", "Missing value for the required parameter '"+name+"'")
		}
	}
	lead, _ := a["leadId"].(float64)
	kind, _ := a["activityTypeId"].(float64)
	switch {
	case lead < 50 || int(lead) >= 50+len(m.leads):
		return skipped("errors", "1004", "Lead not found")
	case !slices.Contains(m.Activities, int64(kind)):
		return skipped("errors", "1003", "Invalid activity type")
	}
	m.written = append(m.written, a)
	id := 49 + len(m.written)
	return map[string]any{"id": id, "marketoGUID": fmt.Sprint(id), "status": "added"}
}
