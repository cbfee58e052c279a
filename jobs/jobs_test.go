package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
	"waybill/jobs/script"
)

// The test binary is its own render worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "render-worker" {
		if err := script.ServeWorker(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// desk is a service over a real store and a real receiver on loopback.
type desk struct {
	*testing.T
	*Service
	store *db.Store
	rx    *httptest.Server
	conn  model.Connection
	cred  model.Credential
	dest  model.Destination
	act   model.Action

	ahead    atomic.Int64 // nanoseconds that the service's clock is ahead
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	answer   http.HandlerFunc // nil = 200
}

func newDesk(t *testing.T) *desk {
	d := &desk{T: t, store: dbtest.Open(t)}
	d.rx = httptest.NewServer(http.HandlerFunc(d.receive))
	t.Cleanup(d.rx.Close)
	rules, err := egress.ParseRules("127.0.0.1/32")
	if err != nil {
		t.Fatal(err)
	}
	d.Service = New(Options{Store: d.store, Now: func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }, Log: slog.New(slog.DiscardHandler), Rules: rules, Version: "test", Node: model.NewNodeID(time.Now())})
	if err := d.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
	d.cred = model.Credential{Name: "Key", Type: model.CredentialHeader, Config: model.Config{"header_name": "X-Key"}}
	d.conn = model.Connection{Name: "Shop", BaseURL: d.rx.URL + "/base/", TimeoutMessage: "The shop does not answer; try later.", TimeoutSeconds: 1, Enabled: true}
	d.dest = model.Destination{Name: "Orders", Path: "orders/{{ it.data[0].id }}", Template: `{{! return JSON.stringify(it.data[0]); }}`, Enabled: true, Sign: true,
		Headers: []model.Header{{Name: "X-Subject", Value: "{{ it.events[0].subject }}"}}}
	d.act = model.Action{Name: "Send orders", Event: "order.*", Filter: "event.data.total > 100", Enabled: true}
	d.write(func(tx *db.Tx) error {
		if err := tx.CreateCredential(&d.cred, model.Secrets{"header_value": "sesame-open-4711"}); err != nil {
			return err
		}
		d.conn.CredentialID = d.cred.ID
		d.conn.Clean()
		if err := tx.CreateConnection(&d.conn); err != nil {
			return err
		}
		d.dest.ConnectionID = d.conn.ID
		d.dest.Clean()
		if err := tx.CreateDestination(&d.dest, scheme.NewSigningSecret()); err != nil {
			return err
		}
		d.act.DestinationID = d.dest.ID
		return tx.CreateAction(&d.act)
	})
	return d
}

func (d *desk) receive(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.requests, d.bodies = append(d.requests, r), append(d.bodies, string(body))
	answer := d.answer
	d.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
}

func (d *desk) answers(h http.HandlerFunc) {
	d.mu.Lock()
	d.answer = h
	d.mu.Unlock()
}

func (d *desk) received() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.requests)
}

func (d *desk) write(fn func(*db.Tx) error) {
	d.Helper()
	dbtest.Write(d, d.store, fn)
}

const order = `{"total":129.5,"id":"A 1/2","big":12345678901234567890,"note":"say \"hi\""}`

func (d *desk) publish(name, data string) db.Published {
	d.Helper()
	out, err := d.Publish(context.Background(), dbtest.Admin(), "", false, []NewEvent{{Name: name, Subject: "A-1", Data: json.RawMessage(data)}})
	if err != nil {
		d.Fatal(err)
	}
	return out[0]
}

// settled waits for the only delivery of an event to reach one of the statuses.
func (d *desk) settled(id model.EventID, want ...model.Status) model.Delivery {
	d.Helper()
	var last []model.Delivery
	for range 4000 {
		list, _, err := d.store.Deliveries(context.Background(), db.DeliveryFilter{EventID: id}, db.Page{})
		if err != nil {
			d.Fatal(err)
		}
		for last = list; len(list) > 0; list = list[1:] {
			for _, s := range want {
				if list[0].Status == s {
					return list[0]
				}
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	d.Fatalf("never %v: %+v", want, last)
	return model.Delivery{}
}

func TestMainJob(t *testing.T) {
	d := newDesk(t)
	d.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("X-Key")) // an echo server gives our secret back
		fmt.Fprintf(w, "you sent %s", r.Header.Get("X-Key"))
	})
	p := d.publish("order.created", order)
	got := d.settled(p.ID, model.Delivered, model.Failed)
	if got.Status != model.Delivered {
		t.Fatalf("delivery failed: %s", got.LastError)
	}
	r, body := d.requests[0], d.bodies[0]
	if body != order {
		t.Errorf("body %s, want it byte for byte as %s", body, order)
	}
	want := map[string]string{"path": "/base/orders/A%201%2F2", "X-Key": "sesame-open-4711", "X-Subject": "A-1", "Content-Type": "application/json",
		"Webhook-Id": string(got.ID), "User-Agent": "Waybill/test"}
	have := map[string]string{"path": r.URL.EscapedPath()}
	for name := range want {
		if name != "path" {
			have[name] = r.Header.Get(name)
		}
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if r.ContentLength != int64(len(order)) || len(r.TransferEncoding) > 0 {
		t.Errorf("Content-Length %d, transfer encoding %v", r.ContentLength, r.TransferEncoding)
	}
	secret, err := d.store.SigningSecret(context.Background(), d.dest.ID)
	if err != nil {
		t.Fatal(err)
	}
	wh, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify([]byte(body), r.Header); err != nil {
		t.Errorf("the signature does not verify: %v", err)
	}
	attempts, err := d.store.Attempts(context.Background(), got.ID)
	if err != nil || len(attempts) != 1 {
		t.Fatalf("attempts %v, %v", attempts, err)
	}
	a := attempts[0]
	if text := fmt.Sprintf("%+v %s %s", a, a.Request.Body, a.Response.Body); strings.Contains(text, "sesame") {
		t.Errorf("the attempt holds the secret: %s", text)
	}
	added := []model.Header{{Name: "Host", Value: r.Host}, {Name: "User-Agent", Value: "Waybill/test"}, {Name: "Content-Length", Value: strconv.Itoa(len(order))}}
	if diff := cmp.Diff(added, a.Request.Headers[:len(added)]); diff != "" || len(a.Request.Headers) != len(r.Header)+1 { // Go tells the host apart from the others
		t.Errorf("headers that were sent besides: %s; %v of %v", diff, a.Request.Headers, r.Header)
	}
	if string(a.Request.Body) != order || a.StatusCode != 200 || a.Address == "" || a.Timings.Total == 0 {
		t.Errorf("attempt %+v", a)
	}
}

// What a filter says no to causes nothing, and the event tells why.
func TestFilterSaysNo(t *testing.T) {
	d := newDesk(t)
	p := d.publish("order.created", `{"total":99}`)
	e, err := d.store.Event(context.Background(), p.ID)
	if err != nil || p.Deliveries != 0 || len(e.Met) != 1 || e.Met[0].Result != model.MetFilter || e.Met[0].Detail == "" {
		t.Errorf("published %+v, event %+v, %v", p, e, err)
	}
}

func TestDedupes(t *testing.T) {
	d := newDesk(t)
	publish := func(key string, e NewEvent) (db.Published, error) {
		out, err := d.Publish(context.Background(), dbtest.Admin(), key, false, []NewEvent{e})
		if err != nil {
			return db.Published{}, err
		}
		return out[0], nil
	}
	e := NewEvent{Name: "order.created", Data: json.RawMessage(order)}
	first, err := publish("k1", e)
	if err != nil || first.Duplicate {
		t.Fatal(first, err)
	}
	again, err := publish("k1", e)
	if err != nil || !again.Duplicate || again.ID != first.ID || again.Deliveries != 1 {
		t.Errorf("again %+v, %v", again, err)
	}
	e.Data = json.RawMessage(`{}`)
	if _, err := publish("k1", e); !fault.Is(err, fault.Conflict) {
		t.Errorf("another body under the same key: %v, want a conflict", err)
	}
	e.ID = "shop-1"
	one, err1 := publish("", e)
	two, err2 := publish("", e)
	if err1 != nil || err2 != nil || one.Duplicate || !two.Duplicate || two.ExternalID != "shop-1" {
		t.Errorf("by id: %+v %v, %+v %v", one, err1, two, err2)
	}
	d.settled(first.ID, model.Delivered)
	if n := d.received(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// Routing that was just changed counts for the next event; a destination that is off holds, and goes on when it is on.
func TestHoldsWhileOff(t *testing.T) {
	d := newDesk(t)
	off := d.dest
	off.Enabled = false
	d.write(func(tx *db.Tx) error { return tx.UpdateDestination(&off) })
	p := d.publish("order.created", order)
	held := d.settled(p.ID, model.Held)
	if held.Held != model.HeldDisabled || !strings.Contains(held.LastError, "Orders") {
		t.Errorf("held as %+v", held)
	}
	off.Enabled = true
	d.write(func(tx *db.Tx) error { return tx.UpdateDestination(&off) })
	d.settled(p.ID, model.Delivered)
}

func TestSettling(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		status model.Status
		code   int
		says   string
	}{
		{"404 is final", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, model.Failed, 404, "404"},
		{"redirects are not followed", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, model.Failed, 302, "elsewhere"},
		{"503 is retried", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, model.Retrying, 503, "503"},
		{"429 with Retry-After", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
		}, model.Retrying, 429, "429"},
		{"no answer in time", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, model.Retrying, 0, "1 s"},
		{"a cut connection", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, model.Retrying, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.answers(c.answer)
			got := d.settled(d.publish("order.created", order).ID, model.Delivered, model.Failed, model.Retrying)
			if got.Status != c.status || got.LastStatusCode != c.code || !strings.Contains(got.LastError, c.says) || got.LastError == "" {
				t.Errorf("%s (%d): %q", got.Status, got.LastStatusCode, got.LastError)
			}
			if d.received() != 1 {
				t.Errorf("%d requests, want 1", d.received())
			}
			if message := ""; c.says == "1 s" {
				message = d.conn.TimeoutMessage
				if got.UserMessage != message {
					t.Errorf("user message %q, want %q", got.UserMessage, message)
				}
			}
			if c.code == 429 && time.Until(got.NextAttemptAt) < 50*time.Minute {
				t.Errorf("next attempt at %s; the receiver asked for an hour", got.NextAttemptAt)
			}
		})
	}
}

func TestGone(t *testing.T) {
	d := newDesk(t)
	d.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	d.settled(d.publish("order.created", order).ID, model.Failed)
	dest, err := d.store.Destination(context.Background(), d.dest.ID)
	if err != nil || dest.Enabled || dest.DisabledAt.IsZero() || !strings.Contains(dest.DisabledReason, "410") {
		t.Errorf("destination after 410: %+v, %v", dest, err)
	}
	d.settled(d.publish("order.created", order).ID, model.Held)
}

func TestTemplates(t *testing.T) {
	for _, c := range []struct {
		name, template string
		status         model.Status
		says           string
	}{
		{"nothing to send", `{{! return undefined; }}`, model.Skipped, ""},
		{"an error names its place", "{\n  \"a\": {{ it.data[0].no.such }}\n}", model.Failed, "line 2, column"},
		{"an endless loop meets its bound", `{{! for (;;) {} }}`, model.Failed, "250 ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.dest.Template = c.template
			d.write(func(tx *db.Tx) error { return tx.UpdateDestination(&d.dest) })
			got := d.settled(d.publish("order.created", order).ID, model.Delivered, model.Failed, model.Skipped, model.Held)
			if got.Status != c.status || !strings.Contains(got.LastError, c.says) || d.received() != 0 {
				t.Errorf("%s: %q, %d requests", got.Status, got.LastError, d.received())
			}
		})
	}
}

// A preview shows what a delivery sends, without secrets; a test sends it.
func TestPreviewIsWhatIsSent(t *testing.T) {
	d := newDesk(t)
	e := model.Event{ID: "evt_x", Name: "order.created", Subject: "A-1", Time: time.Now(), Data: json.RawMessage(order)}
	p, err := d.Preview(context.Background(), d.dest, e)
	if err != nil || p.Error != "" || string(p.Body) != order || !strings.HasSuffix(p.URL, "/base/orders/A%201%2F2") {
		t.Fatalf("preview %+v, %v", p, err)
	}
	if text := fmt.Sprintf("%+v", p); strings.Contains(text, "sesame") || !strings.Contains(text, model.Mask) {
		t.Errorf("the preview's secret is not masked: %s", text)
	}
	bad := d.dest
	bad.Template = `{"a": {{ it.data[0].id }}`
	if p, err = d.Preview(context.Background(), bad, e); err != nil || len(p.Warnings) == 0 || !strings.Contains(p.Warnings[0].String(), "JSON") {
		t.Errorf("a body that is no JSON: %+v, %v", p, err)
	}
	bad.Template = "{{ missing }}"
	if p, err = d.Preview(context.Background(), bad, e); err != nil || p.Problem == nil || p.Problem.Line != 1 {
		t.Errorf("a broken template: %+v, %v", p, err)
	}
	a, err := d.Test(context.Background(), d.dest, e)
	if err != nil || a.Verdict != model.Delivered || d.received() != 1 || d.bodies[0] != order {
		t.Errorf("test %+v, %v", a, err)
	}
}

// Without an allowance a private address is refused, in words that say where to change it.
func TestRefusesPrivateAddresses(t *testing.T) {
	d := newDesk(t)
	d.conn.BaseURL = strings.Replace(d.rx.URL, "127.0.0.1", "127.0.0.2", 1)
	d.write(func(tx *db.Tx) error { return tx.UpdateConnection(&d.conn) })
	got := d.settled(d.publish("order.created", order).ID, model.Failed)
	if !strings.Contains(got.LastError, "WAYBILL_ALLOW_HOSTS") || d.received() != 0 {
		t.Errorf("%q, %d requests", got.LastError, d.received())
	}
}

func TestBuiltInReceiver(t *testing.T) {
	d := newDesk(t)
	d.conn.BaseURL = "http://" + ReceiverHost
	d.write(func(tx *db.Tx) error { return tx.UpdateConnection(&d.conn) })
	if got := d.settled(d.publish("order.created", order).ID, model.Delivered, model.Failed); got.Status != model.Delivered {
		t.Errorf("%s: %s", got.Status, got.LastError)
	}
}

func TestRefusesTooMany(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		events []NewEvent
		kind   fault.Kind
	}{
		{nil, fault.Invalid},
		{[]NewEvent{{Name: "a b", Data: json.RawMessage("1")}}, fault.Invalid},
		{[]NewEvent{{Name: "big", Data: json.RawMessage(`"` + strings.Repeat("x", model.MaxEvent) + `"`)}}, fault.TooLarge},
		{make([]NewEvent, model.MaxBatchEvents+1), fault.Invalid},
	} {
		if _, err := d.Publish(context.Background(), dbtest.Admin(), "", true, c.events); !fault.Is(err, c.kind) {
			t.Errorf("%d events: %v, want %s", len(c.events), err, c.kind)
		}
	}
}
