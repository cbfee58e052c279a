package deliver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
)

// world is a token endpoint that grants token-1, token-2, …, a receiver that takes those from good on, and a sender.
type world struct {
	sender   Sender
	setup    *Setup
	good     atomic.Int32 // 0 = none
	broken   atomic.Bool  // the token endpoint
	granted  atomic.Int32
	received atomic.Int32
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	tokens := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		if w.broken.Load() {
			http.Error(out, `{"error":"temporarily_unavailable"}`, http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintf(out, `{"access_token":"token-%d","token_type":"bearer"}`, w.granted.Add(1))
	}))
	t.Cleanup(tokens.Close)
	receiver := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.received.Add(1)
		var n int32
		_, _ = fmt.Sscanf(r.Header.Get("Authorization"), "Bearer token-%d", &n)
		out.Header().Set("X-Echo", r.Header.Get("Authorization"))
		if n < w.good.Load() || w.good.Load() == 0 {
			out.WriteHeader(http.StatusUnauthorized)
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(out, "%s %s", r.Header.Get("Authorization"), body)
	}))
	t.Cleanup(receiver.Close)
	rules, err := egress.ParseRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	client := egress.New(egress.Options{Rules: rules})
	t.Cleanup(client.Close)
	w.sender = Sender{Egress: client, Keeper: scheme.NewKeeper(client, time.Now), Now: time.Now}
	w.setup = Setup{
		Connection:  model.Connection{ID: "con_1", Type: "webhook", BaseURL: receiver.URL, TimeoutSeconds: 10},
		Destination: model.Destination{ID: "dst_1", Version: 1, Method: "POST", ContentType: "application/json"},
		Credential: model.Credential{ID: "crd_1", Version: 1, Type: "oauth2",
			Config: model.Config{"grant": "client_credentials", "token_url": tokens.URL, "client_id": "waybill"}},
		Secrets: model.Secrets{"client_secret": "hush-hush-hush"},
		Signing: scheme.NewSigningSecret(),
	}.Ready()
	w.good.Store(1)
	return w
}

func (w *world) deliver(t *testing.T) Result {
	t.Helper()
	r := w.sender.Deliver(context.Background(), w.setup, &model.Work{Delivery: model.Delivery{ID: "dlv_1", Attempts: 2}, Event: model.Event{Data: []byte(`{"x":1}`)}})
	for _, a := range []*model.Attempt{r.Attempt, r.Renewed} {
		if text := fmt.Sprintf("%+v", a); a != nil && (strings.Contains(text, "token-") || strings.Contains(string(a.Response.Body), "token-") || strings.Contains(text, "hush")) {
			t.Errorf("a token is recorded: %s %s", text, a.Response.Body)
		}
	}
	return r
}

func TestATokenThatIsNotAcceptedIsRenewedOnce(t *testing.T) {
	w := newWorld(t)
	expect := func(what string, r Result, kind Kind, status, before int, granted, received int32, words string) {
		t.Helper()
		first := 0
		if r.Renewed != nil {
			first = r.Renewed.StatusCode
		}
		if r.Kind != kind || r.Attempt == nil || r.Attempt.StatusCode != status || first != before || w.granted.Load() != granted || w.received.Load() != received || !strings.Contains(r.Error, words) {
			t.Errorf("%s: kind %d, %+v before %+v, %d granted, %d received, %q", what, r.Kind, r.Attempt, r.Renewed, w.granted.Load(), w.received.Load(), r.Error)
		}
	}
	expect("fresh and accepted", w.deliver(t), Sent, 200, 0, 1, 1, "")
	expect("kept and accepted", w.deliver(t), Sent, 200, 0, 1, 2, "")
	w.good.Store(2)
	r := w.deliver(t)
	expect("kept and withdrawn", r, Sent, 200, 401, 2, 4, "")
	if body := string(r.Attempt.Response.Body); body != `Bearer ••• {"x":1}` || r.Attempt.ID == r.Renewed.ID || r.Attempt.Number != 3 || !r.BodyIsData {
		t.Errorf("%s %+v", body, r)
	}
	w.good.Store(0)
	expect("none is accepted", w.deliver(t), Final, 401, 401, 3, 6, "another one was asked for. Answered 401 Unauthorized")
	w.good.Store(9)
	expect("none is accepted, still", w.deliver(t), Final, 401, 401, 4, 8, "Answered 401")
	w.broken.Store(true)
	expect("the endpoint is down meanwhile", w.deliver(t), Again, 0, 401, 4, 9, "another one was asked for. The token endpoint")
	r = w.deliver(t)
	expect("the endpoint is down", r, Again, 0, 0, 4, 9, "temporarily_unavailable")
	if r.Attempt.Class != model.ClassAuth {
		t.Error(r.Attempt.Class)
	}
}

func TestManyDeliveriesShareOneRenewal(t *testing.T) {
	w := newWorld(t)
	w.deliver(t)
	w.good.Store(2)
	var wg sync.WaitGroup
	var sent atomic.Int32
	for range 50 {
		wg.Go(func() {
			if w.deliver(t).Kind == Sent {
				sent.Add(1)
			}
		})
	}
	wg.Wait()
	if sent.Load() != 50 || w.granted.Load() != 2 {
		t.Errorf("%d sent, %d tokens", sent.Load(), w.granted.Load())
	}
}

func TestAFixedTokenIsNotRenewed(t *testing.T) {
	w := newWorld(t)
	w.good.Store(2)
	u := *w.setup
	u.Credential = model.Credential{ID: "crd_2", Version: 1, Type: "bearer"}
	u.Secrets = model.Secrets{"token": "token-1"}
	w.setup = u.Ready()
	if r := w.deliver(t); r.Kind != Final || r.Renewed != nil || w.received.Load() != 1 {
		t.Errorf("%+v", r)
	}
}
