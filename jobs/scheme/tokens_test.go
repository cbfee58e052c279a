package scheme

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// counting grants tok-1, tok-2, …
func counting() http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) { granting(fmt.Sprintf("tok-%d", n.Add(1)))(w, r) }
}

func TestManyDeliveriesAskOnce(t *testing.T) {
	gate := make(chan struct{})
	grant := counting()
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		<-gate
		grant(w, r)
	})
	k, m := NewKeeper(local(t), time.Now), clientCredentials(i.URL)
	got := make([]string, 50)
	var wg sync.WaitGroup
	for n := range got {
		wg.Go(func() { got[n], _, _ = authorize(k, m) })
	}
	for i.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(gate)
	wg.Wait()
	for _, header := range got {
		if header != "Bearer tok-1" {
			t.Fatal(got)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

func TestHowLongTokensAreKept(t *testing.T) {
	i := newIssuer(t, counting())
	now := time.Unix(1_800_000_000, 0)
	k, m := NewKeeper(local(t), func() time.Time { return now }), clientCredentials(i.URL)
	step := func(what, want string) {
		t.Helper()
		header, _, err := authorize(k, m)
		if header != "Bearer "+want || err != nil {
			t.Errorf("%s: %q %v, want %s", what, header, err, want)
		}
	}
	step("cold", "tok-1")
	now = now.Add(44 * time.Second)
	step("within 45 s", "tok-1")
	now = now.Add(time.Second)
	step("after 45 s", "tok-2")
	k.Drop(m, "tok-1")
	step("dropped by one who comes late", "tok-2")
	k.Drop(m, "tok-2")
	step("dropped", "tok-3")
	m.Version++
	step("edited", "tok-4")
	m.Version++
	m.Config["cache_seconds"] = 7200.0
	step("kept for longer", "tok-5")
	now = now.Add(3589 * time.Second)
	step("as long as it lives", "tok-5")
	now = now.Add(time.Second)
	step("not to its very end", "tok-6")
	m.Version++
	m.Config["cache_seconds"] = 0.0
	step("never kept", "tok-7")
	step("never kept", "tok-8")
	m.Version++
	delete(m.Config, "cache_seconds")
	m.ID = "crd_2"
	step("another credential", "tok-9")
	m.Config["scope"] = "other"
	step("another scope", "tok-10")
	m.ID = ""
	step("tried out", "tok-11")
	step("tried out again", "tok-12")
	now = now.Add(time.Hour)
	m.ID = "crd_3"
	step("much later", "tok-13")
	if len(k.tokens.kept) != 1 {
		t.Errorf("%d grants are kept", len(k.tokens.kept))
	}
}

func TestFailuresAnswerForASecond(t *testing.T) {
	var healthy atomic.Bool
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		if !healthy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		granting("t")(w, r)
	})
	now := time.Unix(1_800_000_000, 0)
	k, m := NewKeeper(local(t), func() time.Time { return now }), clientCredentials(i.URL)
	for range 50 {
		if _, _, err := authorize(k, m); err == nil || !strings.Contains(err.Message, "503") {
			t.Fatal(err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("%d token requests in one second", n)
	}
	healthy.Store(true)
	now = now.Add(refusalKept)
	if header, _, err := authorize(k, m); header != "Bearer t" {
		t.Error(err)
	}
}

func TestOneWhoLeavesDoesNotTakeTheTokenAlong(t *testing.T) {
	gate := make(chan struct{})
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		<-gate
		granting("t")(w, r)
	})
	k, m := NewKeeper(local(t), time.Now), clientCredentials(i.URL)
	ctx, leave := context.WithCancel(context.Background())
	left, stayed := make(chan error), make(chan string)
	go func() {
		_, err := k.Apply(ctx, &egress.Request{URL: "https://api.example.com"}, m)
		left <- err
	}()
	for i.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() {
		header, _, _ := authorize(k, m)
		stayed <- header
	}()
	leave()
	if err := <-left; err == nil || !strings.Contains(err.Error(), "ended before") {
		t.Error(err)
	}
	close(gate)
	if header := <-stayed; header != "Bearer t" {
		t.Error(header)
	}
}

func TestAPanicStaysInItsFlight(t *testing.T) {
	var store tokens
	err := store.get(context.Background(), tokenKey{id: "crd_1"}, time.Now, func(context.Context) grant { panic("boom") }).err
	if err == nil || err.Class != model.ClassAuth || strings.Contains(err.Message, "boom") {
		t.Error(err)
	}
}

func TestTokensAreCovered(t *testing.T) {
	r := NewRedactor([]Material{{Type: "bearer", Secrets: model.Secrets{"token": "client-secret"}}})
	with := r.With("tok-client-secret-end")
	if diff := cmp.Diff("••• ••• •••", with.Text("tok-client-secret-end client-secret dG9rLWNsaWVudC1zZWNyZXQtZW5k")); diff != "" {
		t.Error(diff)
	}
	if r.With("tok-client-secret-end") != with || r.With("") != r {
		t.Error("built again")
	}
	if got := r.Text("tok-client-secret-end"); got != "tok-•••-end" {
		t.Error(got)
	}
	var none *Redactor
	if got := none.With("abcdef").Text("abcdef"); got != "•••" {
		t.Error(got)
	}
}
