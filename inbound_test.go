package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// called is what a third party was answered.
type called struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

func (c called) receipt() string { s, _ := c.json["receipt"].(string); return s }

// call calls an inbound URL as a third party does.
func (p *program) call(method, url, contentType, body string, headers ...string) called {
	p.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	out := called{status: resp.StatusCode, header: resp.Header, text: string(text)}
	_ = json.Unmarshal(text, &out.json)
	return out
}

// accepted is call with the answer 202; it gives the receipt.
func (p *program) accepted(url, contentType, body string, headers ...string) string {
	p.t.Helper()
	c := p.call("POST", url, contentType, body, headers...)
	if c.status != http.StatusAccepted || !strings.HasPrefix(c.receipt(), "rcp_") {
		p.t.Fatalf("the call was answered %d: %s", c.status, c.text)
	}
	return c.receipt()
}

// became waits until the receipt has this status, and gives it.
func (p *program) became(url, receipt, status string) map[string]any {
	p.t.Helper()
	var last called
	p.eventually("receipt is "+status, func() bool {
		last = p.call("GET", url+"/receipts/"+receipt, "", "")
		return last.json["status"] == status
	})
	return last.json
}

// endpoint makes an inbound endpoint that acts as Ada.
func (p *program) endpoint(name string, more map[string]any) answer {
	p.t.Helper()
	body := map[string]any{"name": name, "service_user_id": p.ada()}
	for k, v := range more {
		body[k] = v
	}
	return p.must(201, "POST", "inbound-endpoints", body)
}

func (p *program) ada() string {
	p.t.Helper()
	return p.must(200, "GET", "users?q=ada@example.com", nil).items()[0]["id"].(string)
}

func signedWith(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// A third party calls; the call is verified, raises an event, and that is delivered.
func TestInboundCallsAreVerifiedAndDelivered(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var bodies []string
	rx := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(text))
	}))
	defer rx.Close()
	p := newProgram(t, "")
	p.start()
	p.route(rx.URL, "parcel.moved", nil, nil)
	const secret = "inbound-signing-canary-4711"
	e := p.endpoint("Carrier", map[string]any{"event": "parcel.moved", "subject": "{{ it.data[0].parcel }}",
		"mapping": `{"parcel": "{{ it.data[0].parcel }}", "at": {{ it.data[0].where }}, "from": "{{ it.request.headers["x-github-event"] }}"}`, "verification": map[string]any{"preset": "github", "secret": secret}})
	url := e.str("url")
	if !strings.Contains(url, "/in/wbi_") || strings.Contains(e.text, secret) {
		t.Fatalf("the answer: %s", e.text)
	}
	body := `{"parcel":"P-1","where":{"city":"Wellington"}}`
	receipt := p.accepted(url, "application/json", body, "X-Hub-Signature-256", signedWith(secret, body), "X-GitHub-Delivery", "d-1", "X-GitHub-Event", "push")
	got := p.became(url, receipt, "accepted")
	event := got["events"].([]any)[0].(map[string]any)
	p.settled(event["id"].(string), "delivered")
	mu.Lock()
	if want := `{"parcel": "P-1", "at": {"city":"Wellington"}, "from": "push"}`; len(bodies) != 1 || bodies[0] != want {
		t.Errorf("delivered %q, want %q", bodies, want)
	}
	mu.Unlock()
	delivered := p.became(url, receipt, "accepted")["events"].([]any)[0].(map[string]any)["deliveries"].([]any)[0].(map[string]any)
	if delivered["status"] != "delivered" {
		t.Errorf("the receipt says %v of the delivery", delivered)
	}
	if again := p.accepted(url, "application/json", body, "X-Hub-Signature-256", signedWith(secret, body), "X-GitHub-Delivery", "d-1"); again != receipt {
		t.Errorf("the repeated call has receipt %s, want the first one's %s", again, receipt)
	}
	byHeader := p.url("/in/" + e.str("id"))
	key := url[strings.LastIndexByte(url, '/')+1:]
	p.accepted(byHeader, "application/json", body, "Authorization", "Bearer "+key, "X-Hub-Signature-256", signedWith(secret, body), "X-GitHub-Delivery", "d-2")

	p.refusals(e, url, byHeader, key, body, secret)
	p.must(200, "GET", "audit?kind=inbound_endpoint", nil)
	for what, text := range map[string]string{"the log": p.log.String(), "the audit log": p.must(200, "GET", "audit", nil).text} {
		for name, canary := range map[string]string{"key": key, "secret": secret} {
			if strings.Contains(text, canary) {
				t.Errorf("%s holds the %s", what, name)
			}
		}
	}
}

// refusals are calls that are not taken: all of them are answered alike.
func (p *program) refusals(e answer, url, byHeader, key, body, secret string) {
	t, good := p.t, signedWith(secret, body)
	t.Helper()
	alike := func(what string, c called) {
		t.Helper()
		if c.status != http.StatusUnauthorized || c.json["code"] != "refused" || c.header.Get("Www-Authenticate") == "" {
			t.Errorf("%s was answered %d %s", what, c.status, c.text)
		}
	}
	post := func(url string, headers ...string) called {
		return p.call("POST", url, "application/json", body, headers...)
	}
	alike("an unknown key", post(p.url("/in/wbi_00000000000000000000000000000000000000")))
	alike("no key", post(byHeader))
	alike("an API key", post(p.url("/in/"+p.key)))
	alike("a wrong signature", post(url, "X-Hub-Signature-256", signedWith("other", body)))
	alike("no signature", post(url))
	alike("a key of another endpoint", post(p.url("/in/"+e.str("id")), "Authorization", "Bearer wbi_00000000000000000000000000000000000000"))
	if c := p.call("POST", url, "application/json", strings.Repeat("x", 1<<20+1)); c.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body was answered %d", c.status)
	}
	if a, err := p.api("GET", "events", nil, "Authorization", "Bearer "+key); err != nil || a.status != http.StatusUnauthorized {
		t.Errorf("the key opens the API: %d %v", a.status, err)
	}
	id := e.str("id")
	rotated := p.must(200, "POST", "inbound-endpoints/"+id+"/rotate", map[string]any{"overlap_seconds": 3600})
	second := rotated.str("url")
	if second == url {
		t.Fatal("rotating made no other URL")
	}
	p.accepted(url, "application/json", body, "X-Hub-Signature-256", good, "X-GitHub-Delivery", "d-3")
	p.accepted(second, "application/json", body, "X-Hub-Signature-256", good, "X-GitHub-Delivery", "d-4")
	first := rotated.json["keys"].([]any)[0].(map[string]any)["id"]
	p.must(200, "POST", "inbound-endpoints/"+id+"/revoke", map[string]any{"key_id": first})
	alike("a revoked key", post(url, "X-Hub-Signature-256", good))
	p.accepted(second, "application/json", body, "X-Hub-Signature-256", good, "X-GitHub-Delivery", "d-5")

	sam := p.must(201, "POST", "users", map[string]any{"email": "sam@example.com", "name": "Sam", "roles": []string{"Viewer"}})
	set := func(change map[string]any) {
		t.Helper()
		now := p.must(200, "GET", "inbound-endpoints/"+id, nil).json
		for k, v := range change {
			now[k] = v
		}
		p.must(200, "PUT", "inbound-endpoints/"+id, now)
	}
	set(map[string]any{"service_user_id": sam.str("id")})
	p.accepted(second, "application/json", body, "X-Hub-Signature-256", good, "X-GitHub-Delivery", "d-6")
	p.must(200, "PUT", "users/"+sam.str("id"), map[string]any{"email": "sam@example.com", "name": "Sam", "roles": []string{"Viewer"}, "disabled": true})
	alike("an inactive user", post(second, "X-Hub-Signature-256", good))
	set(map[string]any{"service_user_id": p.ada(), "enabled": false})
	alike("an endpoint that is off", post(second, "X-Hub-Signature-256", good))
	p.eventually("refused calls are in the log with their reasons", func() bool {
		text := p.must(200, "GET", "inbound-endpoints/"+id+"/calls?status=refused", nil).text
		for _, want := range []string{"was revoked", "switched off", "service user is disabled", "No signature in X-Hub-Signature-256 fits", "is missing"} {
			if !strings.Contains(text, want) {
				return false
			}
		}
		return true
	})
}

// What was answered 202 is there after the process was killed; what was still to be mapped is mapped then.
func TestInboundCallsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	plain, slow := p.endpoint("Plain", nil).str("url"), p.endpoint("Mapped", map[string]any{"mapping": `{{! let end = Date.now(); for (let i = 0; i < 1e5; i++) { end += i; } return {n: it.data[0].n, end: 1}; }}`}).str("url")
	receipts := map[string]string{}
	for i := range 5 {
		body := `{"n":` + string(rune('0'+i)) + `}`
		receipts[p.accepted(plain, "application/json", body)] = plain
		receipts[p.accepted(slow, "application/json", body)] = slow
	}
	p.kill()
	p.start()
	for receipt, url := range receipts {
		if got := p.became(url, receipt, "accepted"); len(got["events"].([]any)) != 1 {
			t.Errorf("receipt %s raised %v", receipt, got["events"])
		}
	}
}

// A flood on one endpoint, slow clients and a heap of idle connections leave everybody else alone.
func TestInboundFlood(t *testing.T) {
	p := newProgram(t, "")
	p.start()
	flooded := p.endpoint("Flooded", map[string]any{"rate_per_second": 5})
	other := p.endpoint("Other", nil).str("url")
	var slow []io.Closer
	defer func() {
		for _, c := range slow {
			_ = c.Close()
		}
	}()
	for i := range 200 {
		slow = append(slow, p.slowly(i%2 == 0, flooded.str("url")))
	}
	limited, stop, ended := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			resp, err := http.Post(flooded.str("url"), "application/json", bytes.NewReader([]byte(`{}`)))
			if err != nil {
				continue
			}
			if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" {
				limited++
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}()
	for range 20 {
		p.accepted(other, "application/json", `{"n":1}`)
		p.must(200, "GET", "inbound-endpoints", nil)
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	<-ended
	if limited == 0 {
		t.Error("the flood was never told to wait")
	}
	p.eventually("the flood is counted, and only some of it kept", func() bool {
		return len(p.must(200, "GET", "inbound-endpoints/"+flooded.str("id")+"/calls?status=refused&limit=200", nil).items()) > 0
	})
	if n := len(p.must(200, "GET", "inbound-endpoints/"+flooded.str("id")+"/calls?status=refused&limit=200", nil).items()); n > 90 {
		t.Errorf("%d refused calls are kept", n)
	}
}

// slowly opens a connection that never ends its headers, or its body.
func (p *program) slowly(headers bool, url string) io.Closer {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	text := "POST " + url[strings.Index(url, "/in/"):] + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	if !headers {
		text += "Content-Length: 1000\r\n\r\n{"
	}
	if _, err := io.WriteString(conn, text); err != nil {
		p.t.Fatal(err)
	}
	return conn
}
