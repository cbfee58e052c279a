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

// Salesforce plays Salesforce Marketing Cloud: v2/token on one server, and on another one, which the token's answer names,
// the asynchronous rows of data extensions, journey entry events and the token's context. Set the exported fields before the
// first call.
type Salesforce struct {
	Auth, REST *httptest.Server
	ID, Secret string
	Account    string        // the business unit that may be asked for
	Life       time.Duration // of a token
	Key        string        // column that is the primary key
	Columns    []string
	Hidden     int // how often the status of a request is not found at first
	Pending    int // how often it is pending after that
	PageSize   int // of results

	mu       sync.Mutex
	tokens   map[string]time.Time // until when
	granted  int
	queue    []string // what the next calls to REST come to: "429", "500", "cut", "401"
	fate     []string // what the next requests come to: "lost", "error", "deadlock", "short", "never"
	requests map[string]*request
	rows     map[string]map[string]any // by key
	entered  []map[string]any
	sizes    []int
}

type request struct {
	method string
	items  []map[string]any
	fate   string
	asked  int
	result []map[string]any // once it was carried out
}

// NewSalesforce starts one; Close ends it.
func NewSalesforce() *Salesforce {
	s := &Salesforce{ID: "sfmc-client", Secret: "sfmc-secret-q7R", Account: "7281698", Life: 20 * time.Minute, Key: "OrderId", Columns: []string{"OrderId", "Email", "Total"}, PageSize: 50,
		tokens: map[string]time.Time{}, requests: map[string]*request{}, rows: map[string]map[string]any{}}
	auth := http.NewServeMux()
	auth.HandleFunc("POST /v2/token", s.token)
	s.Auth = httptest.NewServer(auth)
	rest := http.NewServeMux()
	rest.HandleFunc("/data/v1/async/dataextensions/{key}/rows", s.guard(s.accept))
	rest.HandleFunc("GET /data/v1/async/{id}/status", s.guard(s.status))
	rest.HandleFunc("GET /data/v1/async/{id}/results", s.guard(s.results))
	rest.HandleFunc("POST /interaction/v1/events", s.guard(s.enter))
	rest.HandleFunc("GET /platform/v1/tokenContext", s.guard(func(*http.Request, []byte) (int, any) {
		return 200, map[string]any{"enterprise": map[string]any{"id": 7281698}, "organization": map[string]any{"id": 7281698}}
	}))
	s.REST = httptest.NewServer(rest)
	return s
}

// Close ends both servers.
func (s *Salesforce) Close() { s.Auth.Close(); s.REST.Close() }

// TokenURL is its token endpoint.
func (s *Salesforce) TokenURL() string { return s.Auth.URL + "/v2/token" }

// Expire ends all tokens.
func (s *Salesforce) Expire() { s.set(func() { clear(s.tokens) }) }

// Next says what the next calls come to: "401", "429", "500", "cut".
func (s *Salesforce) Next(what ...string) { s.set(func() { s.queue = append(s.queue, what...) }) }

// Fate says what the next requests to write rows come to after they were taken: "lost" (nothing is known of it), "error"
// (it fails as a whole), "deadlock" (its first row loses against another transaction), "short" (the results tell of the
// failed rows only), "never" (it stays pending), "" (it is carried out).
func (s *Salesforce) Fate(what ...string) { s.set(func() { s.fate = append(s.fate, what...) }) }

// Row is a row of the data extension, nil when there is none.
func (s *Salesforce) Row(key string) (out map[string]any) {
	s.set(func() { out = s.rows[key] })
	return out
}

// Entered are the journey entry events.
func (s *Salesforce) Entered() (out []map[string]any) {
	s.set(func() { out = slices.Clone(s.entered) })
	return out
}

// Seen tells how many tokens were granted, the numbers of rows of the requests, and how often outcomes were asked for.
func (s *Salesforce) Seen() (granted int, sizes []int, asked int) {
	s.set(func() {
		granted, sizes = s.granted, slices.Clone(s.sizes)
		for _, r := range s.requests {
			asked += r.asked
		}
	})
	return granted, sizes, asked
}

func (s *Salesforce) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Salesforce) token(w http.ResponseWriter, r *http.Request) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var in map[string]any
	refuse := func(status int, code, words string) {
		answerJSON(w, status, map[string]any{"error": code, "error_description": words, "error_uri": "https://developer.salesforce.com/docs"})
	}
	account := ""
	if json.NewDecoder(r.Body).Decode(&in) == nil {
		account, _ = in["account_id"].(string)
	}
	switch {
	case kind != "application/json" || in == nil:
		refuse(400, "invalid_request", "The request body must be JSON.")
	case in["grant_type"] != "client_credentials":
		refuse(400, "unsupported_grant_type", "The grant type is not supported.")
	case in["client_id"] != s.ID || in["client_secret"] != s.Secret:
		refuse(401, "invalid_client", "Invalid client ID. Use the client ID in Marketing Cloud Installed Packages.")
	case account != "" && account != s.Account:
		refuse(400, "invalid_request", "Invalid account ID.")
	default:
		var token string
		s.set(func() {
			s.granted++
			token = fmt.Sprintf("eyJhbGciOiJIUzI1NiJ9.%s.%d", strings.Repeat("a", 500), s.granted)
			s.tokens[token] = time.Now().Add(s.Life)
		})
		answerJSON(w, 200, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(s.Life.Seconds()) - 121, "scope": "data_extensions_write journeys_execute",
			"rest_instance_url": s.REST.URL + "/", "soap_instance_url": "https://soap.example.com/"})
	}
}

// guard is what every call to REST goes through.
func (s *Salesforce) guard(do func(r *http.Request, body []byte) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 6<<20))
		s.mu.Lock()
		defer s.mu.Unlock()
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		next := ""
		if len(s.queue) > 0 {
			next, s.queue = s.queue[0], s.queue[1:]
		}
		switch until, known := s.tokens[token]; {
		case next == "401" || !known || time.Now().After(until):
			delete(s.tokens, token)
			answerJSON(w, 401, map[string]any{"message": "Not Authorized", "errorcode": 0, "documentation": ""})
		case next == "cut":
			panic(http.ErrAbortHandler)
		case next == "429":
			w.Header().Set("Retry-After", "1")
			answerJSON(w, 429, map[string]any{"message": "Rate limit exceeded", "errorcode": 50100, "retryAfter": 1})
		case next == "500":
			answerJSON(w, 500, map[string]any{"message": "Internal Server Error", "errorcode": 0})
		default:
			status, answer := do(r, body)
			answerJSON(w, status, answer)
		}
	}
}

func messages(code, words string) []any {
	return []any{map[string]any{"resultType": "Operational", "resultClass": "Error", "resultCode": code, "message": words}}
}

func (s *Salesforce) accept(r *http.Request, body []byte) (int, any) {
	id := fmt.Sprintf("%08x-dd78-4f30-80b6-07bfc77db289", len(s.requests)+1)
	var in struct{ Items []map[string]any }
	switch err := json.Unmarshal(body, &in); {
	case r.Method != http.MethodPut && r.Method != http.MethodPost:
		return 405, map[string]any{"message": "Method not allowed", "errorcode": 30002}
	case r.PathValue("key") != "key:Orders & more":
		return 400, map[string]any{"requestId": id, "resultMessages": messages("CustomObjectNotFound", "Unable to find a Data Extension with the provided key.")}
	case err != nil || len(in.Items) == 0:
		return 400, map[string]any{"requestId": id, "resultMessages": messages("InvalidRequest", "The request body could not be deserialized.")}
	}
	q := &request{method: r.Method, items: in.Items}
	if len(s.fate) > 0 {
		q.fate, s.fate = s.fate[0], s.fate[1:]
	}
	s.requests[id] = q
	s.sizes = append(s.sizes, len(in.Items))
	return 202, map[string]any{"requestId": id, "resultMessages": []any{}}
}

func notFound(id string) any {
	return map[string]any{"requestId": "c3e4c4da-4e44-4b79-b991-5ba5616e68d1", "resultMessages": messages("AsyncRequestStatusNotFound", "Unable to locate an Async Request Status Record for the provided RequestId: "+id+".")}
}

func (s *Salesforce) status(r *http.Request, _ []byte) (int, any) {
	q := s.requests[r.PathValue("id")]
	if q == nil {
		return 200, notFound(r.PathValue("id"))
	}
	q.asked++
	state, result, bad := "Complete", "OK", false
	switch {
	case q.asked <= s.Hidden || q.fate == "lost":
		return 200, notFound(r.PathValue("id"))
	case q.fate == "never":
		state = "Executing"
	case q.asked <= s.Hidden+s.Pending:
		state = "Pending"
	case q.fate == "error":
		state, result, bad = "Error", "", true
	default:
		if s.carryOut(q); slices.ContainsFunc(q.result, func(r map[string]any) bool { return r["status"] == "Error" }) {
			result, bad = "Has Errors", true
		}
	}
	return 200, map[string]any{"requestId": "003fa441-0382-4953-a1c6-e8f67829f8fd", "resultMessages": []any{},
		"status": map[string]any{"callDateTime": "2026-03-01T12:00:00.98", "pickupDateTime": "2026-03-01T12:00:01.9", "completionDateTime": "2026-03-01T12:00:02.94",
			"requestStatus": state, "resultStatus": result, "hasErrors": bad, "requestId": r.PathValue("id")}}
}

// carryOut writes the rows of a request, once.
func (s *Salesforce) carryOut(q *request) {
	if q.result != nil {
		return
	}
	for i, row := range q.items {
		key, bad := fmt.Sprint(row[s.Key]), ""
		for name := range row {
			if !slices.Contains(s.Columns, name) {
				bad = "Invalid column name '" + name + "'."
			}
		}
		switch have := s.rows[key]; {
		case bad != "":
		case row[s.Key] == nil:
			bad = "Cannot insert the value NULL into column '" + s.Key + "'."
		case q.fate == "deadlock" && i == 0:
			bad = "Transaction (Process ID 71) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction."
		case have != nil && q.method == http.MethodPost:
			bad = "Violation of PRIMARY KEY constraint. The duplicate key value is (" + key + ")."
		default:
			s.rows[key] = row
		}
		if bad != "" {
			q.result = append(q.result, map[string]any{"errorCode": 2, "message": bad, "status": "Error"})
		} else {
			q.result = append(q.result, map[string]any{"message": "", "status": "OK"})
		}
	}
}

func (s *Salesforce) results(r *http.Request, _ []byte) (int, any) {
	q, page := s.requests[r.PathValue("id")], 1
	if q == nil {
		return 200, notFound(r.PathValue("id"))
	}
	if p := r.URL.Query().Get("$page"); p != "" {
		_, _ = fmt.Sscan(p, &page)
	}
	list := slices.Clone(q.result)
	if q.fate == "short" {
		list = slices.DeleteFunc(list, func(r map[string]any) bool { return r["status"] == "OK" })
	}
	from := min((page-1)*s.PageSize, len(list))
	items := list[from:min(from+s.PageSize, len(list))]
	answer := map[string]any{"page": page, "pageSize": s.PageSize, "count": len(list), "items": slices.Clip(items), "requestId": r.PathValue("id"), "resultMessages": []any{}}
	if q.fate == "error" {
		answer["resultMessages"] = messages("UnexpectedError", "This Data Extension does not have any primary keys defined.")
	}
	return 200, answer
}

func (s *Salesforce) enter(_ *http.Request, body []byte) (int, any) {
	var in map[string]any
	refuse := func(code int, words string) (int, any) {
		return 400, map[string]any{"message": words, "errorcode": code, "documentation": ""}
	}
	switch err := json.Unmarshal(body, &in); {
	case err != nil:
		return refuse(10006, "Unable to deserialize the request body.")
	case in["ContactKey"] == nil || in["ContactKey"] == "":
		return refuse(30001, "The ContactKey parameter is required.")
	case in["EventDefinitionKey"] != "APIEvent-2b9c":
		return refuse(30003, "The specified event definition key does not exist.")
	case in["ContactKey"] == "inactive@example.com":
		return refuse(30005, "The contact is not active.")
	}
	s.entered = append(s.entered, in)
	return 201, map[string]any{"eventInstanceId": fmt.Sprintf("%08x-f2c9-4b9c-8a11-31b8a1f0d2aa", len(s.entered))}
}
