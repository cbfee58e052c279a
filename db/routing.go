package db

import (
	"context"
	"database/sql"
	"fmt"

	"waybill/db/model"
)

// Routing is everything that decides where events go, as it stood at one Version. Secrets are opened separately. Its
// readers share it and change nothing in it.
type Routing struct {
	Version      int64
	Actions      []model.Action // oldest first
	Destinations map[model.DestID]model.Destination
	Connections  map[model.ConnectionID]model.Connection
	Credentials  map[model.CredentialID]model.Credential
	Off          map[model.TargetID]model.Health // targets that Waybill switched off, besides destinations
	Workflows    map[model.WorkflowID]Starter    // those that are published
	Network      []model.NetworkRule             // oldest first
	Proxy        model.Network
	Features     model.Features
	Awaits       bool // a step of some version waits for an event
}

// Starter is what must be known of a published workflow to start a run.
type Starter struct {
	ID      model.WorkflowID
	Name    string
	Enabled bool
	Number  int64 // of the published version
	Trigger model.Trigger
}

func scanStarter(r row) (x Starter, err error) {
	err = r.Scan(&x.ID, &x.Name, &x.Enabled, &x.Number, decode{&x.Trigger})
	return x, err
}

// snapshot reads in one transaction.
type snapshot struct {
	tx  *sql.Tx
	ctx context.Context
}

func (s snapshot) prepare(q string) (*sql.Stmt, error) { return s.tx.PrepareContext(s.ctx, q) }
func (s snapshot) context() context.Context            { return s.ctx }

const (
	allActions      = `SELECT ` + actionColumns + ` FROM actions ORDER BY id`
	allDestinations = `SELECT ` + destinationColumns + ` FROM destinations`
	allConnections  = `SELECT ` + connectionColumns + ` FROM connections`
	allStarters     = `
SELECT w.id, w.name, w.enabled, v.number, json_extract(v.definition, '$.trigger')
FROM workflows w JOIN workflow_versions v ON v.workflow_id = w.id AND v.number = w.published`
	someAwait      = `SELECT EXISTS (SELECT 1 FROM workflow_versions WHERE awaits = 1)`
	allCredentials = `SELECT ` + credentialColumns + ` FROM credentials`
)

var readOnly = &sql.TxOptions{ReadOnly: true}

// Routing is the newest one that this process knows of. It is read once, consistently, and kept until the Version grows.
func (s *Store) Routing(ctx context.Context) (Routing, error) {
	v, err := s.Version(ctx)
	if err != nil {
		return Routing{}, err
	}
	if kept := s.routed.Load(); kept != nil && kept.Version >= v {
		return *kept, nil
	}
	read, err := s.readRouting(ctx)
	if err != nil {
		return Routing{}, err
	}
	s.routed.Store(&read)
	return read, nil
}

func (s *Store) readRouting(ctx context.Context) (Routing, error) {
	tx, err := s.readers.BeginTx(ctx, readOnly)
	if err != nil {
		return Routing{}, fmt.Errorf("begin to read the routing: %w", sorted(err))
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return routing(snapshot{tx, ctx})
}

func routing(q querier) (out Routing, err error) {
	if out.Version, err = one(q, "configuration", number, configVersion); err != nil {
		return Routing{}, err
	}
	if out.Actions, err = all(q, scanAction, allActions); err != nil {
		return Routing{}, err
	}
	if out.Destinations, err = byID(q, scanDestination, func(d model.Destination) model.DestID { return d.ID }, allDestinations); err != nil {
		return Routing{}, err
	}
	if out.Connections, err = byID(q, scanConnection, func(c model.Connection) model.ConnectionID { return c.ID }, allConnections); err != nil {
		return Routing{}, err
	}
	if out.Workflows, err = byID(q, scanStarter, func(x Starter) model.WorkflowID { return x.ID }, allStarters); err != nil {
		return Routing{}, err
	}
	if out.Network, err = all(q, scanNetworkRule, allNetworkRules); err != nil {
		return Routing{}, err
	}
	if out.Proxy, err = networkOf(q); err != nil {
		return Routing{}, err
	}
	some, err := one(q, "workflow", number, someAwait)
	if err != nil {
		return Routing{}, err
	}
	out.Awaits = some != 0
	if out.Features, err = featuresOf(q); err != nil {
		return Routing{}, err
	}
	if out.Off, err = byID(q, scanHealth, func(h model.Health) model.TargetID { return h.ID }, targetsOff); err != nil {
		return Routing{}, err
	}
	out.Credentials, err = byID(q, scanCredential, func(c model.Credential) model.CredentialID { return c.ID }, allCredentials)
	return out, err
}

func byID[K comparable, T any](q querier, scan func(row) (T, error), id func(T) K, query string) (map[K]T, error) {
	list, err := all(q, scan, query)
	out := make(map[K]T, len(list))
	for _, v := range list {
		out[id(v)] = v
	}
	return out, err
}
