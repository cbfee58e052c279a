package dbtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// Conform runs every use case that a store must stand. open gives a new, empty store with a working master key.
func Conform(t *testing.T, open func(t testing.TB) *db.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *db.Store)
	}{
		{"a failing write harms no neighbour", neighbours},
		{"what a closure filled in is taken back when it fails", filled},
		{"the version grows with routing", version},
		{"routing is read in one piece", routing},
		{"publishing is all or nothing", publishing},
		{"publishing again under the same key", dedupe},
		{"publishing with stale routing", stale},
		{"claiming", claiming},
		{"finishing is fenced", finishing},
		{"cancelled while it is sent, then retried", cancelledInFlight},
		{"an outcome that comes after a retry by hand", lateOutcome},
		{"rescue and giving back", rescue},
		{"holding and releasing", holding},
		{"connections", connections},
		{"deleting what is in use", deleting},
		{"destinations", destinations},
		{"credentials", credentials},
		{"another secret for a credential", rotation},
		{"what became of credentials", lives},
		{"users", users},
		{"roles", roles},
		{"invitations", invitations},
		{"second factors", secondFactors},
		{"sessions", sessions},
		{"API keys", apiKeys},
		{"limited and rotated API keys", keyScope},
		{"throttling", throttling},
		{"event definitions", eventDefinitions},
		{"audiences", audiences},
		{"integrations", integrations},
		{"workflows", workflows},
		{"runs, tasks and timers", runs},
		{"lists page to their end", paging},
		{"every change is audited", audited},
		{"the audit log", auditLog},
		{"nodes", nodes},
		{"versions of a template", templateVersions},
		{"saved filters", savedFilters},
		{"statistics", statistics},
		{"rolling statistics up", rollingUp},
		{"network rules and the proxy", networkRules},
		{"counting and the attempts in short", tallying},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

var ctx = context.Background()

func connection(name string) *model.Connection {
	c := &model.Connection{Name: name, BaseURL: "https://example.com", Enabled: true}
	c.Clean()
	return c
}

// wantFault fails unless err is a fault of this kind and code.
func wantFault(t *testing.T, what string, err error, kind fault.Kind, code string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil || f.Kind != kind || f.Code != code {
		t.Errorf("%s: got %v, want a fault %s %q", what, err, kind, code)
	}
}

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func equal[T comparable](t *testing.T, what string, want, got T) {
	t.Helper()
	if want != got {
		t.Errorf("%s: want %v, got %v", what, want, got)
	}
}

// together queues all of fns behind a write that is under way, so that they share commit groups, and returns their errors.
func together(s *db.Store, ctxs []context.Context, fns []func(*db.Tx) error) []error {
	running, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	all.Go(func() {
		_ = s.Write(ctx, Admin(), func(*db.Tx) error {
			once.Do(func() { close(running) })
			<-release
			return nil
		})
	})
	<-running
	errs := make([]error, len(fns))
	for i, fn := range fns {
		all.Go(func() { errs[i] = s.Write(ctxs[i], Admin(), fn) })
	}
	for _, c := range ctxs {
		if c != ctx {
			<-c.Done()
		}
	}
	close(release)
	all.Wait()
	return errs
}

func neighbours(t *testing.T, s *db.Store) {
	gone, cancel := context.WithCancel(ctx)
	broken := errors.New("broken")
	const n = 40
	fns, ctxs := make([]func(*db.Tx) error, n), make([]context.Context, n)
	for i := range fns {
		ctxs[i] = ctx
		fns[i] = func(tx *db.Tx) error {
			if err := tx.CreateConnection(connection(fmt.Sprintf("number %d", i))); err != nil {
				return err
			}
			switch i % 4 {
			case 1:
				return broken
			case 2:
				panic("a closure that panics")
			}
			return nil
		}
		if i%4 == 3 {
			ctxs[i] = gone
		}
	}
	cancel()
	for i, err := range together(s, ctxs, fns) {
		_, _, lookErr := s.Connections(ctx, db.ConnectionFilter{}, db.Page{})
		ok(t, "list", lookErr)
		if i%4 == 0 && err != nil {
			t.Errorf("write %d: %v", i, err)
		}
		if i%4 == 1 && !errors.Is(err, broken) {
			t.Errorf("write %d: %v, want its own error", i, err)
		}
		if i%4 >= 2 && err == nil {
			t.Errorf("write %d says that it was stored", i)
		}
	}
	list, _, err := s.Connections(ctx, db.ConnectionFilter{}, db.Page{Limit: db.MaxPage})
	ok(t, "list", err)
	equal(t, "stored", n/4, len(list))
	for _, c := range list {
		var i int
		_, _ = fmt.Sscanf(c.Name, "number %d", &i)
		equal(t, "rest of "+c.Name, 0, i%4)
	}
	log, _, err := s.AuditLog(ctx, db.AuditFilter{}, db.Page{})
	ok(t, "audit log", err)
	equal(t, "audit rows", n/4, len(log))
	bad, err := s.VerifyAudit(ctx)
	ok(t, "verify", err)
	equal(t, "broken audit row", 0, bad)
}

func filled(t *testing.T, s *db.Store) {
	c := connection("one")
	err := s.Write(ctx, Admin(), func(tx *db.Tx) error {
		ok(t, "create", tx.CreateConnection(c))
		if c.ID == "" || c.Version != 1 {
			t.Errorf("within the closure the id must be known: %+v", c)
		}
		return errors.New("no")
	})
	if err == nil || c.ID != "" || c.Version != 0 {
		t.Errorf("%v: %+v", err, c)
	}
	Write(t, s, func(tx *db.Tx) error { return tx.CreateConnection(c) })
	c.Description = "new"
	_ = s.Write(ctx, Admin(), func(tx *db.Tx) error {
		ok(t, "update", tx.UpdateConnection(c))
		return errors.New("no")
	})
	equal(t, "version after a failed update", 1, c.Version)
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateConnection(c) })
	equal(t, "version", 2, c.Version)
	stored, err := s.Connection(ctx, c.ID)
	ok(t, "read", err)
	equal(t, "description", "new", stored.Description)
	equal(t, "updated", c.UpdatedAt, stored.UpdatedAt)
}

func version(t *testing.T, s *db.Store) {
	var calls int
	s.OnChange(func() { calls++ })
	grew := func(what string, want bool, fn func(tx *db.Tx) error) {
		t.Helper()
		before, err := s.Version(ctx)
		ok(t, what, err)
		seen := calls
		Write(t, s, fn)
		after, err := s.Version(ctx)
		ok(t, what, err)
		if (after > before) != want || (calls > seen) != want {
			t.Errorf("%s: version %d → %d, %d calls of the hook", what, before, after, calls-seen)
		}
	}
	c := connection("one")
	grew("create", true, func(tx *db.Tx) error { return tx.CreateConnection(c) })
	grew("update without a difference", false, func(tx *db.Tx) error { return tx.UpdateConnection(c) })
	c.Enabled = false
	grew("disable", true, func(tx *db.Tx) error { return tx.UpdateConnection(c) })
	grew("nothing", false, func(tx *db.Tx) error { return nil })
	before, _ := s.Version(ctx)
	_ = s.Write(ctx, Admin(), func(tx *db.Tx) error {
		_ = tx.DeleteConnection(c.ID, false)
		return errors.New("no")
	})
	after, _ := s.Version(ctx)
	equal(t, "version after a write that failed", before, after)
}

func routing(t *testing.T, s *db.Store) {
	x := Fill(t, s)
	r, err := s.Routing(ctx)
	ok(t, "routing", err)
	v, err := s.Version(ctx)
	ok(t, "version", err)
	equal(t, "version", v, r.Version)
	equal(t, "actions", 1, len(r.Actions))
	equal(t, "action", x.Action.ID, r.Actions[0].ID)
	equal(t, "destination", x.Destination.Path, r.Destinations[x.Destination.ID].Path)
	equal(t, "connection", x.Connection.BaseURL, r.Connections[x.Connection.ID].BaseURL)
	equal(t, "credential", fmt.Sprint(x.Credential.Stored), fmt.Sprint(r.Credentials[x.Credential.ID].Stored))

	stop := make(chan struct{})
	var writes sync.WaitGroup
	writes.Go(func() { // the description says which version it was made in
		for c := x.Connection; ; {
			select {
			case <-stop:
				return
			default:
			}
			err := s.Write(ctx, Admin(), func(tx *db.Tx) error {
				c.Description = fmt.Sprint(c.Version)
				return tx.UpdateConnection(&c)
			})
			if err != nil {
				t.Errorf("update: %v", err)
				return
			}
		}
	})
	first := r.Version
	for range 200 {
		r, err := s.Routing(ctx)
		ok(t, "routing", err)
		if got := r.Connections[x.Connection.ID].Version - 1; got != r.Version-first {
			t.Fatalf("version %d goes with change %d of the connection", r.Version-first, got)
		}
	}
	close(stop)
	writes.Wait()
}
