package jobs

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"waybill/db/dbtest"
	"waybill/db/model"
)

// signed publishes an event and gives what came: the body, its headers.
func (d *desk) signed() (string, http.Header) {
	d.Helper()
	before := d.received()
	d.settled(d.publish("order.created", order).ID, model.Delivered)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bodies[before], d.requests[before].Header
}

func verifies(t *testing.T, secret, body string, h http.Header) bool {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return wh.Verify([]byte(body), h) == nil
}

// A replaced secret goes on signing beside the new one until it is ended; a key can be checked with its public part.
func TestRotateSigning(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	first, err := d.Signing(ctx, d.dest.ID)
	if err != nil || first.Public != "" || len(first.Older) != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if err := d.RotateSigning(ctx, dbtest.Admin(), d.dest.ID, false, time.Hour); err != nil {
		t.Fatal(err)
	}
	second, err := d.Signing(ctx, d.dest.ID)
	if err != nil || second.Secret == first.Secret || len(second.Older) != 1 || second.Older[0].Secret != first.Secret {
		t.Fatalf("%+v, %v", second, err)
	}
	body, h := d.signed()
	for name, secret := range map[string]model.Secret{"old": first.Secret, "new": second.Secret} {
		if !verifies(t, secret.Reveal(), body, h) {
			t.Errorf("the %s secret does not verify %v", name, h.Get("Webhook-Signature"))
		}
	}
	if err := d.EndSigning(ctx, dbtest.Admin(), d.dest.ID); err != nil {
		t.Fatal(err)
	}
	if body, h = d.signed(); verifies(t, first.Secret.Reveal(), body, h) || !verifies(t, second.Secret.Reveal(), body, h) {
		t.Error("after the end, the replaced secret still signs, or the new one does not")
	}
	if err := d.RotateSigning(ctx, dbtest.Admin(), d.dest.ID, true, 0); err != nil {
		t.Fatal(err)
	}
	key, err := d.Signing(ctx, d.dest.ID)
	if err != nil || !strings.HasPrefix(key.Public, "whpk_") || len(key.Older) != 0 {
		t.Fatalf("%+v, %v", key, err)
	}
	body, h = d.signed()
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key.Public, "whpk_"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.Get("Webhook-Signature"), "v1a,"))
	if err != nil || !ed25519.Verify(public, []byte(h.Get("Webhook-Id")+"."+h.Get("Webhook-Timestamp")+"."+body), signature) {
		t.Errorf("%q does not verify: %v", h.Get("Webhook-Signature"), err)
	}
	list, err := d.signingKeys(ctx)
	if err != nil || len(list) != 1 || !strings.Contains(string(list[0]), base64.RawURLEncoding.EncodeToString(public)) {
		t.Errorf("public keys %s, %v", list, err)
	}
}
