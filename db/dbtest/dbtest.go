// Package dbtest opens real stores for tests and holds the conformance suite: what every database under db must do,
// told by use case. It is imported by tests only.
package dbtest

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/model"
)

// Key is the master key of test stores.
var Key = model.Secret(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))

// Open opens a new store on a real file, closed when the test ends.
func Open(t testing.TB) *db.Store {
	t.Helper()
	return OpenIn(t, t.TempDir(), db.KeySource{Text: Key})
}

// OpenIn opens the store in dir with this master key, closed when the test ends.
func OpenIn(t testing.TB, dir string, key db.KeySource) *db.Store {
	t.Helper()
	s, err := db.Open(context.Background(), db.Options{Dir: dir, Now: time.Now, Key: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// Admin is an actor who may do everything.
func Admin() model.Actor {
	return model.Actor{Kind: model.ActorUser, UserID: "usr_admin", Name: "Ada", Address: "192.0.2.1", RequestID: "req_1",
		Rights: model.RightsOf([]string{model.Administrator})}
}

// Write runs fn as Admin and fails the test when it fails.
func Write(t testing.TB, s *db.Store, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := s.Write(context.Background(), Admin(), fn); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// Setup is one of each noun, wired together.
type Setup struct {
	User        model.User
	Credential  model.Credential
	Connection  model.Connection
	Destination model.Destination
	Action      model.Action
}

// Signing is the signing secret of Setup's destination, Password the secret of its credential.
const (
	Signing  = model.Secret("whsec_c2lnbmluZy1jYW5hcnktc2lnbmluZy1jYW5hcnk=")
	Password = model.Secret("password-canary")
)

// Fill stores a Setup.
func Fill(t testing.TB, s *db.Store) Setup {
	t.Helper()
	x := Setup{
		User:       model.User{Email: "ada@example.com", Name: "Ada", Roles: []string{model.Administrator}},
		Credential: model.Credential{Name: "Shop login", Type: model.CredentialBasic, Config: model.Config{"username": "shop"}},
		Connection: model.Connection{Name: "Shop", BaseURL: "https://shop.example.com", Enabled: true},
		Destination: model.Destination{Name: "Orders", Path: "/orders", Enabled: true, Sign: true,
			Headers: []model.Header{{Name: "X-From", Value: "waybill"}}},
		Action: model.Action{Name: "Send orders", Event: "order.*", Enabled: true},
	}
	x.Connection.Clean()
	x.Destination.Clean()
	Write(t, s, func(tx *db.Tx) error {
		if err := tx.CreateUser(&x.User, "hash"); err != nil {
			return err
		}
		if err := tx.CreateCredential(&x.Credential, model.Secrets{"password": Password}); err != nil {
			return err
		}
		x.Connection.CredentialID = x.Credential.ID
		if err := tx.CreateConnection(&x.Connection); err != nil {
			return err
		}
		x.Destination.ConnectionID = x.Connection.ID
		if err := tx.CreateDestination(&x.Destination, Signing); err != nil {
			return err
		}
		x.Action.DestinationID = x.Destination.ID
		return tx.CreateAction(&x.Action)
	})
	return x
}

// Publication makes one with a delivery for each owner, due now; "" is one that waits in the database.
func (x Setup) Publication(owners ...model.NodeID) db.Publication {
	now := time.Now()
	p := db.Publication{User: x.User.ID, Owners: owners,
		Event: model.Event{ID: model.NewEventID(now), Name: "order.created", Time: now, CreatedAt: now, Data: []byte(`{"n":1}`)}}
	for range owners {
		p.Deliveries = append(p.Deliveries, model.Delivery{ID: model.NewDeliveryID(now), TargetID: x.Destination.Target(), DestinationID: x.Destination.ID,
			ActionID: x.Action.ID, Lane: model.Realtime, Status: model.Pending, NextAttemptAt: now, CreatedAt: now})
	}
	return p
}
