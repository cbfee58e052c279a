package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/scheme"
)

// MaxOverlap is how long a replaced signing secret may go on signing.
const MaxOverlap = 30 * 24 * time.Hour

// Signing is what messages of a destination are signed with. Of a key (ed25519) only Public is for the receiver.
type Signing struct {
	Secret model.Secret
	Public string // whpk_…, "" = both sides share Secret
	Older  []model.OlderSecret
}

// Signing opens what messages of a destination are signed with.
func (s *Service) Signing(ctx context.Context, id model.DestID) (out Signing, err error) {
	out.Secret, out.Older, err = s.o.Store.SigningSecrets(ctx, id, s.o.Now())
	out.Public = scheme.SigningPublic(out.Secret)
	return out, err
}

// RotateSigning makes a new secret, or with key an ed25519 key; the one before goes on signing for overlap.
func (s *Service) RotateSigning(ctx context.Context, actor model.Actor, id model.DestID, key bool, overlap time.Duration) error {
	if overlap < 0 || overlap > MaxOverlap {
		var bad fault.Check
		bad.Add("overlap_hours", "Between 0 and 720 hours.")
		return bad.Err()
	}
	if _, err := s.o.Store.Destination(ctx, id); err != nil {
		return err
	}
	old, err := s.Signing(ctx, id)
	if err != nil {
		return err
	}
	secret := scheme.NewSigningSecret()
	if key {
		secret = scheme.NewSigningKey()
	}
	until := s.o.Now().Add(overlap)
	return s.o.Store.Write(ctx, actor, func(tx *db.Tx) error {
		return tx.RotateSigning(id, old.Secret, secret, scheme.SigningPublic(secret), until)
	})
}

// EndSigning makes replaced secrets sign no longer.
func (s *Service) EndSigning(ctx context.Context, actor model.Actor, id model.DestID) error {
	return s.o.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.RotateSigning(id, "", "", "", time.Time{}) })
}

// signingKeys are the public keys of destinations, as JSON Web Keys.
func (s *Service) signingKeys(ctx context.Context) ([]json.RawMessage, error) {
	keys, err := s.o.Store.PublicKeys(ctx, s.o.Now())
	var out []json.RawMessage
	for _, k := range keys {
		sum := sha256.Sum256([]byte(k.Text))
		if jwk := scheme.SigningJWK(k.Text, string(k.Destination)+"-"+hex.EncodeToString(sum[:4])); jwk != nil {
			text, err := json.Marshal(jwk)
			if err != nil {
				return nil, err
			}
			out = append(out, text)
		}
	}
	return out, err
}
