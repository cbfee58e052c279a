package scheme

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// refusalKept is how long a failure answers for those that come right after it, so that many deliveries do not storm a
// token endpoint that is down.
const refusalKept = time.Second

// grant is what a token endpoint said.
type grant struct {
	token model.Secret
	err   *egress.Error
	until time.Time // kept no longer than this
	life  int64     // seconds that the endpoint gave it
	// origins are the addresses that were answered beside the token, by the name of their member ("rest_instance_url").
	origins map[string]string
}

// tokenKey is what a token was granted for. A credential that is edited has another Version, hence other tokens.
type tokenKey struct {
	id         model.CredentialID
	version    int64
	url, scope string
}

func (m Material) tokenKey() tokenKey {
	return tokenKey{m.ID, m.Version, m.Config.Text("token_url"), scopes(m.Config)}
}

// tokens keeps what was granted; its zero value is ready. At most one request is under way for a key.
type tokens struct {
	mu      sync.Mutex
	kept    map[tokenKey]grant
	flights singleflight.Group
}

// get is what is kept for key, or what fetch obtains; all who ask meanwhile get the same. fetch goes on when
// ctx ends, for the others that wait.
func (t *tokens) get(ctx context.Context, key tokenKey, now func() time.Time, fetch func(context.Context) grant) grant {
	if key.id == "" {
		return fetch(ctx)
	}
	if g, ok := t.look(key, now()); ok {
		return g
	}
	flight := t.flights.DoChan(fmt.Sprintf("%s %d %q %q", key.id, key.version, key.url, key.scope), func() (any, error) {
		g, ok := t.look(key, now()) // another flight may have landed since
		if !ok {
			g = guarded(context.WithoutCancel(ctx), fetch)
			if g.err != nil {
				g.until = now().Add(refusalKept)
			}
			t.keep(key, g, now())
		}
		return g, nil
	})
	select {
	case <-ctx.Done():
		return grant{err: &egress.Error{Class: model.ClassAuth, Message: "The attempt ended before the token endpoint had answered.", Cause: ctx.Err()}}
	case r := <-flight:
		return r.Val.(grant)
	}
}

// guarded is fetch with a panic as its failure: the flight's goroutine is nobody's.
func guarded(ctx context.Context, fetch func(context.Context) grant) (g grant) {
	defer func() {
		if v := recover(); v != nil {
			g = grant{err: unusable("No token could be obtained because of a defect in Waybill.")}
			g.err.Cause = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return fetch(ctx)
}

func (t *tokens) look(key tokenKey, now time.Time) (grant, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.kept[key]
	return g, ok && now.Before(g.until)
}

// keep stores a grant; what is over, and what earlier versions of the credential were granted, goes.
func (t *tokens) keep(key tokenKey, g grant, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.kept, func(k tokenKey, g grant) bool {
		return !now.Before(g.until) || (k.id == key.id && k.version < key.version)
	})
	if t.kept == nil {
		t.kept = map[tokenKey]grant{}
	}
	t.kept[key] = g
}

// drop forgets token, unless another was granted for key meanwhile.
func (t *tokens) drop(key tokenKey, token model.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g, ok := t.kept[key]; ok && g.err == nil && g.token == token {
		delete(t.kept, key)
	}
}
