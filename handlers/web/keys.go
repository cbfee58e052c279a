package web

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// keyCache turns bearer keys into actors. What it knows is as old as the store's Version says: a key that is revoked,
// or a user who is disabled, in this process stops at once, elsewhere within a second.
type keyCache struct {
	store *db.Store
	now   func() time.Time
	log   *slog.Logger
	// platform reads a token of a platform key; nil = none is accepted.
	platform func(ctx context.Context, token string) (model.APIKeyID, int, error)

	mu      sync.RWMutex
	version int64
	known   map[string]*knownKey // by hash
}

type knownKey struct {
	key    model.APIKey
	name   string
	rights model.Rights
	used   atomic.Int64 // unix ms of the last use that was written
}

// mostKeys bounds the cache; beyond it starts anew.
const mostKeys = 10_000

// bearer is the API key of the Authorization header (RFC 6750 2.1), "" when there is none.
func bearer(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

// actor is the identity that the request's key acts as; without a live key it is the SignedOut fault.
func (k *keyCache) actor(c echo.Context) (model.Actor, error) {
	refused := func() error {
		return fault.New(fault.SignedOut, "This needs a valid API key: Authorization: Bearer wbk_….")
	}
	text := bearer(c.Request())
	if k.platform != nil && strings.Count(text, ".") == 2 {
		return k.platformActor(c, text)
	}
	if !db.WellFormed(text) {
		return model.Actor{}, refused()
	}
	known, err := k.lookup(c.Request().Context(), string(db.HashKey(text)))
	now := k.now()
	if fault.Is(err, fault.SignedOut) || (err == nil && !known.key.Live(now)) {
		return model.Actor{}, refused()
	}
	if err != nil {
		return model.Actor{}, err
	}
	k.mark(known, now)
	return known.actor(c), nil
}

func (k *knownKey) actor(c echo.Context) model.Actor {
	return model.Actor{Kind: model.ActorKey, UserID: k.key.UserID, KeyID: k.key.ID, Name: k.name, Address: Address(c), RequestID: RequestID(c), Rights: k.rights, Limited: len(k.key.Rights) > 0}
}

// platformActor is the identity that a token of a platform key stands for: that key's, for as long as the key is good.
func (k *keyCache) platformActor(c echo.Context, token string) (model.Actor, error) {
	ctx := c.Request().Context()
	id, depth, err := k.platform(ctx, token)
	if err != nil {
		return model.Actor{}, err
	}
	key, user, err := k.store.APIKeyOwner(ctx, id)
	now := k.now()
	if fault.Is(err, fault.NotFound) || (err == nil && (!key.Live(now) || user.Disabled)) {
		return model.Actor{}, fault.New(fault.SignedOut, "The API key that this token stands for is not valid.")
	}
	if err != nil {
		return model.Actor{}, err
	}
	known := &knownKey{key: key, name: user.Name, rights: key.Limit(user.Rights())}
	known.used.Store(key.LastUsedAt.UnixMilli())
	k.mark(known, now)
	a := known.actor(c)
	a.Depth = depth
	return a, nil
}

func (k *keyCache) lookup(ctx context.Context, hash string) (*knownKey, error) {
	version, err := k.store.Version(ctx)
	if err != nil {
		return nil, err
	}
	k.mu.RLock()
	known := k.known[hash]
	fresh := k.version == version
	k.mu.RUnlock()
	if known != nil && fresh {
		return known, nil
	}
	key, user, err := k.store.APIKeyByHash(ctx, []byte(hash), k.now())
	if err != nil {
		return nil, err
	}
	known = &knownKey{key: key, name: user.Name, rights: key.Limit(user.Rights())}
	known.used.Store(key.LastUsedAt.UnixMilli())
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.version < version || len(k.known) >= mostKeys {
		k.known, k.version = map[string]*knownKey{}, version
	}
	if k.version == version {
		k.known[hash] = known
	}
	return known, nil
}

// mark writes the time of last use, at most once a minute and beside the request.
func (k *keyCache) mark(known *knownKey, now time.Time) {
	last := known.used.Load()
	if now.UnixMilli()-last < time.Minute.Milliseconds() || !known.used.CompareAndSwap(last, now.UnixMilli()) {
		return
	}
	go func() {
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		defer stop()
		if err := k.store.UsedAPIKey(ctx, known.key.ID, now); err != nil {
			k.log.Warn("use of an API key not written", "key", known.key.ID, "err", err)
		}
	}()
}
