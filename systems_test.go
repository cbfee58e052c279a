package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/jobs/standin"
)

// market is the program beside stand-ins of Marketo and Marketing Cloud.
type market struct {
	*program
	marketo    *standin.Marketo
	salesforce *standin.Salesforce
	of         map[string]string // connections by type
	raises     map[string]string // events that lead to them
}

func newMarket(t *testing.T) *market {
	s := &market{program: newProgram(t, ""), marketo: standin.NewMarketo(), salesforce: standin.NewSalesforce(), of: map[string]string{}}
	t.Cleanup(s.marketo.Close)
	t.Cleanup(s.salesforce.Close)
	s.salesforce.Hidden = 1
	s.start()
	return s
}

// connect makes the connections over REST; Marketo's has the wrong secret at first.
func (s *market) connect() (marketoKey string) {
	s.t.Helper()
	key := func(name string, config map[string]any) string {
		config["grant"], config["cache_seconds"] = "client_credentials", 600
		return s.must(201, "POST", "credentials", map[string]any{"name": name, "type": "oauth2", "config": config}).str("id")
	}
	marketoKey = key("Marketo key", map[string]any{"client_auth": "get_query", "token_url": s.marketo.TokenURL(), "client_id": s.marketo.ID, "client_secret": "of somebody else"})
	cloud := key("Cloud key", map[string]any{"client_auth": "post_json", "token_url": s.salesforce.TokenURL(), "client_id": s.salesforce.ID, "client_secret": s.salesforce.Secret})
	s.of["marketo"] = s.must(201, "POST", "connections", map[string]any{"name": "Marketo", "type": "marketo", "base_url": s.marketo.URL, "credential_id": marketoKey,
		"settings": map[string]any{"calls_in_20_seconds": 2000, "calls_at_once": 2}}).str("id")
	s.of["salesforce_mc"] = s.must(201, "POST", "connections", map[string]any{"name": "Cloud", "type": "salesforce_mc", "base_url": "https://mc.rest.marketingcloudapis.com", "credential_id": cloud}).str("id")
	return marketoKey
}

// to makes a destination that gets the events of a name.
func (s *market) to(kind, event string, settings, more map[string]any) string {
	s.t.Helper()
	d := map[string]any{"name": event, "settings": settings, "batch_size": 1, "retry_schedule": []int{0, 0, 0}}
	for k, v := range more {
		d[k] = v
	}
	id := s.must(201, "POST", "connections/"+s.of[kind]+"/destinations", d).str("id")
	s.must(201, "POST", "actions", map[string]any{"name": event, "event": event, "destination_id": id})
	return id
}

func (s *market) raise(event, subject string, data any) string {
	s.t.Helper()
	return s.must(202, "POST", "events", map[string]any{"name": event, "subject": subject, "data": data}).str("id")
}

// says checks what became of the delivery of an event, and the words that are stored with it.
func (s *market) says(event, status, words string, attempts int) map[string]any {
	s.t.Helper()
	d := s.settled(event, status)
	list := s.must(200, "GET", fmt.Sprint("deliveries/", d["id"], "/attempts"), nil)
	if !strings.Contains(fmt.Sprint(d["last_error"])+list.text, words) {
		s.t.Errorf("%s: “%s” is not said of it: %v %s", status, words, d["last_error"], list.text)
	}
	if n := len(list.items()); n != attempts {
		s.t.Errorf("%s, %s: %d exchanges, want %d", status, words, n, attempts)
	}
	if strings.Contains(list.text, s.marketo.Secret) || strings.Contains(list.text, s.salesforce.Secret) {
		s.t.Error("a secret stands in the attempts")
	}
	return d
}

// TestNamedSystems sends to Marketo and Salesforce Marketing Cloud as they answer, well and badly, and reads what is said of it.
func TestNamedSystems(t *testing.T) {
	t.Parallel()
	s := newMarket(t)
	key := s.connect()
	s.salesforceTests()
	s.marketoAnswers(key)
	s.marketoLimits()
	s.journeys()
	s.features()
}

// marketoAnswers are the answers of its identity, and the errors inside 200.
func (s *market) marketoAnswers(key string) {
	s.t.Helper()
	s.to("marketo", "lead", map[string]any{"write": "leads"}, nil)
	if a := s.must(200, "POST", "connections/"+s.of["marketo"]+"/test", nil); a.json["ok"] == true || !strings.Contains(a.text, "Bad client credentials") {
		s.t.Errorf("tested with the wrong secret: %s", a.text)
	}
	s.says(s.raise("lead", "", map[string]any{"email": "a@example.com"}), "failed", "Bad client credentials", 3)
	c := s.must(200, "GET", "credentials/"+key, nil).json
	c["config"].(map[string]any)["client_secret"] = s.marketo.Secret
	s.must(200, "PUT", "credentials/"+key, c)
	if a := s.must(200, "POST", "connections/"+s.of["marketo"]+"/test", nil); a.json["ok"] != true {
		s.t.Errorf("tested: %s", a.text)
	}
	s.says(s.raise("lead", "", map[string]any{"email": "a@example.com"}), "delivered", "Created as lead 50.", 1)
	s.marketo.Expire()
	s.says(s.raise("lead", "", map[string]any{"email": "b@example.com"}), "delivered", "602 Access token expired", 2)
	s.marketo.Forget()
	s.says(s.raise("lead", "", map[string]any{"email": "c@example.com"}), "delivered", "601 Access token invalid", 2)
	s.says(s.raise("lead", "", map[string]any{"email": "c@example.com", "x": 1}), "failed", "Marketo skipped the record: 1006 Field 'x' not found. Use the API name of a field that exists", 1)
	for _, tc := range []struct {
		code, status, words string
		after               time.Duration
	}{
		{"603", "failed", "603 Access denied. Give the role of the API user this permission", 0},
		{"604", "retrying", "604 Request timed out", 4 * time.Second},
		{"502", "retrying", "502 Bad Gateway", 4 * time.Second},
		{"606", "retrying", "lower “Calls in 20 seconds” of the connection", 19 * time.Second},
		{"607", "retrying", "The quota begins anew at midnight US Central time", 20 * time.Second},
		{"615", "retrying", "share the limit of 10 calls at once", time.Second},
	} {
		s.marketo.Next(tc.code)
		asked := time.Now()
		d := s.says(s.raise("lead", "", map[string]any{"email": tc.code + "@example.com"}), tc.status, tc.words, 1)
		if next, _ := time.Parse(time.RFC3339, fmt.Sprint(d["next_attempt_at"])); tc.after > 0 && next.Sub(asked) < tc.after {
			s.t.Errorf("%s: tried again %s later", tc.code, next.Sub(asked))
		}
	}
}

// marketoLimits sends to several destinations of one subscription at once.
func (s *market) marketoLimits() {
	s.t.Helper()
	s.marketo.Busy(60 * time.Millisecond)
	var events []string
	for i := range 3 {
		name := fmt.Sprintf("lead.%d", i)
		s.to("marketo", name, map[string]any{"write": "leads"}, nil)
		for n := range 4 {
			events = append(events, s.raise(name, "", map[string]any{"email": fmt.Sprintf("p%d.%d@example.com", i, n)}))
		}
	}
	for _, e := range events {
		s.settled(e, "delivered")
	}
	if most := s.marketo.Busy(0); most != 2 {
		s.t.Errorf("%d calls at once over all destinations, want the 2 of the connection", most)
	}
}

// salesforceTests try destinations for real: what was taken is waited for.
func (s *market) salesforceTests() {
	s.t.Helper()
	rows := s.to("salesforce_mc", "row", map[string]any{"write": "rows", "data_extension": "Orders & more"}, nil)
	try := func(fate string, data map[string]any) string {
		s.salesforce.Fate(fate)
		a := s.must(200, "POST", "destinations/"+rows+"/test", map[string]any{"event": map[string]any{"name": "row", "data": data}})
		return a.text
	}
	var wg sync.WaitGroup // each waits a second or two
	for _, tc := range []struct {
		data  map[string]any
		words []string
	}{
		{map[string]any{"OrderId": "1", "Total": 5}, []string{"It was taken as request", "later it told: Stored in the data extension", `"verdict":"delivered"`}},
		{map[string]any{"OrderId": "2", "Color": "red"}, []string{"It was taken as request", "Invalid column name 'Color'", `"verdict":"failed"`}},
	} {
		wg.Go(func() {
			text := try("", tc.data)
			for _, w := range tc.words {
				if !strings.Contains(text, w) {
					s.t.Errorf("“%s” is not said in %s", w, text)
				}
			}
		})
	}
	wg.Wait()
	if a := s.must(200, "POST", "connections/"+s.of["salesforce_mc"]+"/test", nil); a.json["ok"] != true {
		s.t.Errorf("tested: %s", a.text)
	}
	// A delivery waits for its outcome, and says so.
	event := s.raise("row", "", map[string]any{"OrderId": "3"})
	s.eventually("it waits for its outcome", func() bool {
		list := s.must(200, "GET", "deliveries?event_id="+event, nil).items()
		return len(list) == 1 && (list[0]["waiting_for"] == "outcome" || list[0]["status"] == "delivered")
	})
	s.says(event, "delivered", "Stored in the data extension", 2)
}

// journeys are contacts that enter, and those that do not.
func (s *market) journeys() {
	s.t.Helper()
	s.to("salesforce_mc", "enter", map[string]any{"write": "journey", "event_definition_key": "APIEvent-2b9c"}, nil)
	s.to("salesforce_mc", "enter.nowhere", map[string]any{"write": "journey", "event_definition_key": "APIEvent-gone"}, nil)
	s.says(s.raise("enter", "ada@example.com", map[string]any{"OrderId": "1"}), "delivered", "The contact entered as event", 1)
	s.says(s.raise("enter", "", map[string]any{}), "failed", "The ContactKey parameter is required", 1)
	s.says(s.raise("enter", "inactive@example.com", map[string]any{}), "failed", "The contact is not active", 1)
	s.says(s.raise("enter.nowhere", "ada@example.com", map[string]any{}), "failed", "event definition key does not exist", 1)
	s.salesforce.Next("401")
	s.says(s.raise("enter", "bob@example.com", map[string]any{}), "delivered", "The contact entered as event", 2)
	s.salesforce.Next("500")
	s.says(s.raise("enter", "eve@example.com", map[string]any{}), "delivered", "Internal Server Error", 2)
	s.salesforce.Next("429")
	d := s.says(s.raise("enter", "joe@example.com", map[string]any{}), "delivered", "Rate limit exceeded", 2)
	if text, _ := json.Marshal(d); d["attempts"] != 2.0 {
		s.t.Errorf("%s", text)
	}
}

// features switches each part off: nothing new of it can be made, tried or chosen, what is sent there is held, and the reason is
// said; switched on again, all goes on.
func (s *market) features() {
	s.t.Helper()
	hook := s.must(201, "POST", "credentials", map[string]any{"name": "Hook", "type": "secret_url", "config": map[string]any{"url": "https://slack.example/services/T0/B0/x"}}).str("id")
	s.of["slack"] = s.must(201, "POST", "connections", map[string]any{"name": "Slack", "type": "slack", "base_url": "https://slack.example", "credential_id": hook}).str("id")
	key := s.must(201, "POST", "credentials", map[string]any{"name": "Bucket", "type": "aws_sigv4", "config": map[string]any{"access_key_id": "A", "secret_access_key": "b", "service": "s3", "region": "eu-west-1"}}).str("id")
	bucket := s.must(201, "POST", "connections", map[string]any{"name": "Bucket", "type": "s3", "credential_id": key, "settings": map[string]any{"bucket": "acme", "region": "eu-west-1"}}).str("id")
	browser := s.signIn("ada@example.com", password)
	page := func(path string) (int, string) {
		resp, err := browser.Get(s.url(path))
		if err != nil {
			s.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	s.raises = map[string]string{"marketo": "lead", "salesforce_mc": "enter"}
	for _, tc := range []struct {
		feature, title, kind string
		put, body            any // what is refused beside connections of the kind
	}{
		{"marketo", "Marketo", "marketo", nil, nil},
		{"salesforce_mc", "Salesforce Marketing Cloud", "salesforce_mc", nil, nil},
		{"slack", "Slack", "slack", nil, nil},
		{"teams", "Microsoft Teams", "teams", nil, nil},
		{"s3_analytics", "Amazon S3 analytics", "", "settings/export", map[string]any{"enabled": true, "connection_id": bucket}},
		{"s3_uploads", "Amazon S3 uploads", "", "settings/files", map[string]any{"connection_id": bucket}},
	} {
		off := tc.title + " is switched off in this Waybill"
		refused := func(what string, a answer, err error) {
			if err != nil || a.status < 400 || a.status >= 500 || !strings.Contains(a.text, off) {
				s.t.Errorf("%s, %s: answered %d %s %v", tc.feature, what, a.status, a.text, err)
			}
		}
		s.must(200, "PUT", "settings/features", map[string]any{"features": map[string]any{tc.feature: false}})
		if tc.put != nil {
			a, err := s.api("PUT", fmt.Sprint(tc.put), tc.body)
			refused("setting", a, err)
		}
		if tc.kind != "" {
			a, err := s.api("POST", "connections", map[string]any{"name": "New", "type": tc.kind, "base_url": "https://new.example"})
			refused("a new connection", a, err)
			if status, text := page("/connections/new"); status != 200 || !strings.Contains(text, off) {
				s.t.Errorf("%s: the cards do not say why: %d", tc.feature, status)
			}
			if status, text := page("/connections/new/" + tc.kind); status != 409 || !strings.Contains(text, off) {
				s.t.Errorf("%s: the form answered %d", tc.feature, status)
			}
		}
		if id := s.of[tc.kind]; id != "" {
			a, err := s.api("POST", "connections/"+id+"/test", nil)
			refused("a test", a, err)
			a, err = s.api("POST", "connections/"+id+"/destinations", map[string]any{"name": "New", "settings": map[string]any{"write": "leads"}})
			refused("a new destination", a, err)
		}
		if event := s.raises[tc.kind]; event != "" {
			held := s.raise(event, "zoe@example.com", map[string]any{"email": "zoe@example.com"})
			if d := s.settled(held, "held"); !strings.Contains(fmt.Sprint(d["last_error"]), off) {
				s.t.Errorf("%s: held as %v", tc.feature, d["last_error"])
			}
			s.must(200, "PUT", "settings/features", map[string]any{"features": map[string]any{tc.feature: true}})
			s.settled(held, "delivered", "failed")
		}
		s.must(200, "PUT", "settings/features", map[string]any{"features": map[string]any{tc.feature: true}})
	}
}
