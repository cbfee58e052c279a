package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/scheme"
)

// A key signs platform tokens for platformKeyLife; the next one is published for platformAhead before it is used, for
// those who keep our public keys for a while.
const (
	platformKeyLife = 30 * 24 * time.Hour
	platformAhead   = 24 * time.Hour
)

// platform keeps the keys of one Version of the store, opened as they are needed.
type platform struct {
	mu      sync.Mutex
	version int64
	keys    []model.InstanceKey // newest first
	opened  map[string]model.Secret
}

// signingKey is the newest key that was published for long enough, else the oldest one; false without any.
func signingKey(keys []model.InstanceKey, now time.Time) (model.InstanceKey, bool) {
	for _, k := range keys {
		if now.Sub(k.CreatedAt) >= platformAhead {
			return k, true
		}
	}
	if len(keys) == 0 {
		return model.InstanceKey{}, false
	}
	return keys[len(keys)-1], true
}

// instanceKeys are the keys as they are stored now.
func (s *Service) instanceKeys(ctx context.Context) ([]model.InstanceKey, error) {
	v, err := s.o.Store.Version(ctx)
	if err != nil {
		return nil, err
	}
	p := &s.platform
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.version == v && p.opened != nil {
		return p.keys, nil
	}
	keys, err := s.o.Store.InstanceKeys(ctx)
	if err == nil {
		p.keys, p.version, p.opened = keys, v, map[string]model.Secret{}
	}
	return keys, err
}

// freshKeys are instanceKeys, with a new one when the newest is old or there is none.
func (s *Service) freshKeys(ctx context.Context) ([]model.InstanceKey, error) {
	keys, err := s.instanceKeys(ctx)
	now := s.o.Now()
	if err != nil || (len(keys) > 0 && now.Sub(keys[0].CreatedAt) < platformKeyLife) {
		return keys, err
	}
	kid, public, private, err := scheme.NewPlatformKey()
	if err != nil {
		return nil, err
	}
	var old time.Time
	if len(keys) > 0 {
		old = keys[0].CreatedAt
	}
	err = s.o.Store.Write(ctx, model.System("platform tokens"), func(tx *db.Tx) error {
		_, err := tx.AddInstanceKey(model.InstanceKey{ID: kid, Public: public}, private, now.Add(-platformKeyLife), old)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.o.Store.InstanceKeys(ctx)
}

func (s *Service) openInstanceKey(ctx context.Context, id string) (model.Secret, error) {
	p := &s.platform
	p.mu.Lock()
	known := p.opened[id]
	p.mu.Unlock()
	if known != "" {
		return known, nil
	}
	private, err := s.o.Store.OpenInstanceKey(ctx, id)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opened != nil {
		p.opened[id] = private
	}
	return private, nil
}

// signPlatform signs a token for one request, while its API key and the key's user are good. Errors are sentences.
func (s *Service) signPlatform(ctx context.Context, t scheme.PlatformToken) (model.Secret, error) {
	key, user, err := s.o.Store.APIKeyOwner(ctx, t.Key)
	now := s.o.Now()
	switch {
	case fault.Is(err, fault.NotFound):
		return "", errors.New("The API key that this credential stands for no longer exists; pick another one.")
	case err != nil:
		return "", err
	case !key.RevokedAt.IsZero():
		return "", fmt.Errorf("The API key “%s” that this credential stands for is revoked; pick another one.", key.Name)
	case !key.Live(now):
		return "", fmt.Errorf("The API key “%s” that this credential stands for ended on %s; pick another one.", key.Name, model.Stamp(key.ExpiresAt))
	case user.Disabled:
		return "", fmt.Errorf("The user of the API key “%s” that this credential stands for is disabled.", key.Name)
	}
	keys, err := s.freshKeys(ctx)
	if err != nil {
		return "", err
	}
	k, _ := signingKey(keys, now)
	private, err := s.openInstanceKey(ctx, k.ID)
	if err != nil {
		return "", err
	}
	t.User, t.Issuer = key.UserID, s.o.BaseURL
	return t.Sign(k.ID, private, now)
}

// ReadPlatformToken is the API key that a token of ours stands for, and how deep the events are that it publishes. The
// token must be made for this instance: one that another system was sent opens nothing here.
func (s *Service) ReadPlatformToken(ctx context.Context, text string) (model.APIKeyID, int, error) {
	keys, err := s.instanceKeys(ctx)
	if err != nil {
		return "", 0, err
	}
	t, err := scheme.ReadPlatformToken(text, func(kid string) string {
		for _, k := range keys {
			if k.ID == kid {
				return k.Public
			}
		}
		return ""
	}, s.o.Now())
	if err != nil || t.Issuer != s.o.BaseURL {
		return "", 0, fault.New(fault.SignedOut, "This token is not valid, or has ended.")
	}
	if t.Audience != s.o.BaseURL {
		return "", 0, fault.New(fault.SignedOut, "This token was made for %s; this server is %s (WAYBILL_BASE_URL).", t.Audience, s.o.BaseURL)
	}
	return t.Key, t.Depth + 1, nil
}

// PublicKeys are the JSON Web Keys by which others check what this instance signs, newest first.
func (s *Service) PublicKeys(ctx context.Context) ([]json.RawMessage, error) {
	keys, err := s.instanceKeys(ctx)
	out := []json.RawMessage{}
	for _, k := range keys {
		out = append(out, json.RawMessage(k.Public))
	}
	if err != nil {
		return out, err
	}
	signing, err := s.signingKeys(ctx)
	return append(out, signing...), err
}

// MayAct is the Forbidden fault when a connection's credential stands for somebody with rights that are not held: who
// decides what is sent with it acts as that person.
func (s *Service) MayAct(ctx context.Context, rights model.Rights, id model.ConnectionID) error {
	snap, err := s.routing.current(ctx)
	if err != nil {
		return err
	}
	c := snap.Credentials[snap.Connections[id].CredentialID]
	if c.Type != model.CredentialPlatform {
		return nil
	}
	_, user, err := s.o.Store.APIKeyOwner(ctx, model.APIKeyID(c.Config.Text("api_key_id")))
	if fault.Is(err, fault.NotFound) {
		return nil // it opens nothing
	}
	if err != nil {
		return err
	}
	if right := rights.Lacks(user.Rights()); right != "" {
		return fault.Missing(string(right))
	}
	return nil
}
