package db

import (
	"context"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
)

const networkRuleColumns = `id, effect, pattern, coalesce(connection_id, ''), coalesce(destination_id, ''), note, created_at, updated_at, version`

func scanNetworkRule(r row) (x model.NetworkRule, err error) {
	err = r.Scan(&x.ID, &x.Effect, &x.Pattern, &x.ConnectionID, &x.DestinationID, &x.Note, at{&x.CreatedAt}, at{&x.UpdatedAt}, &x.Version)
	return x, err
}

const (
	networkRuleByID = `SELECT ` + networkRuleColumns + ` FROM network_rules WHERE id = $1`
	allNetworkRules = `SELECT ` + networkRuleColumns + ` FROM network_rules ORDER BY id`
)

// NetworkRule is one rule about what may be called.
func (s *Store) NetworkRule(ctx context.Context, id model.NetworkRuleID) (model.NetworkRule, error) {
	return one(s.reader(ctx), "network rule", scanNetworkRule, networkRuleByID, id)
}

// NetworkRuleFilter narrows a list of rules; zero values do not.
type NetworkRuleFilter struct {
	ConnectionID  model.ConnectionID
	DestinationID model.DestID
	Effect        model.NetworkEffect
}

// NetworkRules lists rules, newest first.
func (s *Store) NetworkRules(ctx context.Context, f NetworkRuleFilter, p Page) ([]model.NetworkRule, string, error) {
	q := selecting("SELECT " + networkRuleColumns + " FROM network_rules")
	q.and(f.ConnectionID != "", "connection_id = ?", f.ConnectionID)
	q.and(f.DestinationID != "", "destination_id = ?", f.DestinationID)
	q.and(f.Effect != "", "effect = ?", f.Effect)
	return page(s.reader(ctx), q, p, keyed{"id", "nru_"}, scanNetworkRule, func(x model.NetworkRule) string { return string(x.ID) })
}

const (
	countNetworkRules = `SELECT count(*) FROM network_rules`
	insertNetworkRule = `
INSERT INTO network_rules (id, effect, pattern, connection_id, destination_id, note, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1)`
)

// CreateNetworkRule stores x, which is clean and checked, and fills in ID, times and Version. A second rule for the same is a
// conflict ("duplicate_name"), an unknown connection or destination a complaint about its field.
func (tx *Tx) CreateNetworkRule(x *model.NetworkRule) error {
	n := *x
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version = model.NewNetworkRuleID(tx.now), tx.stamp(), tx.stamp(), 1
	if have, err := one(tx, "count", number, countNetworkRules); err != nil {
		return err
	} else if have >= model.MostNetworkRules {
		return fault.Coded(fault.Conflict, "too_many_rules", "There are %d network rules, as many as can be; put several into one network or name.", have)
	}
	if err := tx.wantScope(n); err != nil {
		return err
	}
	err := tx.exec(insertNetworkRule, n.ID, n.Effect, n.Pattern, orNull(n.ConnectionID), orNull(n.DestinationID), n.Note, ms(tx.now))
	if err != nil {
		return sameRule(err, n)
	}
	fill(tx, x, n)
	tx.touch()
	return tx.audit("network_rule", "created", string(n.ID), tx.ruleName(n), networkRuleChanges(model.NetworkRule{}, n))
}

const updateNetworkRule = `
UPDATE network_rules SET effect = $1, pattern = $2, connection_id = $3, destination_id = $4, note = $5, updated_at = $6, version = $7
WHERE id = $8`

// UpdateNetworkRule stores x over the row of its ID; versions count as in UpdateConnection.
func (tx *Tx) UpdateNetworkRule(x *model.NetworkRule) error {
	old, err := one(tx, "network rule", scanNetworkRule, networkRuleByID, x.ID)
	if err != nil {
		return err
	}
	if err := current("network rule", x.Version, old.Version); err != nil {
		return err
	}
	n := *x
	n.CreatedAt, n.UpdatedAt, n.Version = old.CreatedAt, old.UpdatedAt, old.Version
	diff := networkRuleChanges(old, n)
	if len(diff) == 0 {
		fill(tx, x, n)
		return nil
	}
	if err := tx.wantScope(n); err != nil {
		return err
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	err = tx.exec(updateNetworkRule, n.Effect, n.Pattern, orNull(n.ConnectionID), orNull(n.DestinationID), n.Note, ms(n.UpdatedAt), n.Version, n.ID)
	if err != nil {
		return sameRule(err, n)
	}
	fill(tx, x, n)
	tx.touch()
	return tx.audit("network_rule", "updated", string(n.ID), tx.ruleName(n), diff)
}

const deleteNetworkRule = `DELETE FROM network_rules WHERE id = $1`

// DeleteNetworkRule removes a rule.
func (tx *Tx) DeleteNetworkRule(id model.NetworkRuleID) error {
	x, err := one(tx, "network rule", scanNetworkRule, networkRuleByID, id)
	if err != nil {
		return err
	}
	if err := tx.exec(deleteNetworkRule, id); err != nil {
		return err
	}
	tx.touch()
	return tx.audit("network_rule", "deleted", string(id), tx.ruleName(x), networkRuleChanges(x, model.NetworkRule{}))
}

// NetworkRuleDiff lists what differs between two states of a rule.
func NetworkRuleDiff(a, b model.NetworkRule) []model.Change { return networkRuleChanges(a, b) }

func networkRuleChanges(a, b model.NetworkRule) []model.Change {
	return changes("effect", string(a.Effect), string(b.Effect), "pattern", a.Pattern, b.Pattern, "connection_id", string(a.ConnectionID), string(b.ConnectionID),
		"destination_id", string(a.DestinationID), string(b.DestinationID), "note", a.Note, b.Note)
}

func sameRule(err error, x model.NetworkRule) error {
	if !taken(err) {
		return err
	}
	return fault.Coded(fault.Conflict, "duplicate_name", "There is a rule for “%s” already; change that one.", x.Pattern)
}

// ruleName is what the audit log calls a rule.
func (tx *Tx) ruleName(x model.NetworkRule) string {
	out := string(x.Effect) + " " + x.Pattern
	switch {
	case x.ConnectionID != "":
		if c, err := one(tx, "connection", scanConnection, connectionByID, x.ConnectionID); err == nil {
			out += " for " + c.Name
		}
	case x.DestinationID != "":
		if d, err := one(tx, "destination", scanDestination, destinationByID, x.DestinationID); err == nil {
			out += " for " + d.Name
		}
	}
	return out
}

// wantScope complains about a connection or destination that does not exist.
func (tx *Tx) wantScope(x model.NetworkRule) error {
	if x.ConnectionID != "" {
		if _, err := one(tx, "connection", scanConnection, connectionByID, x.ConnectionID); fault.Is(err, fault.NotFound) {
			return complain("connection_id", "There is no such connection.")
		} else if err != nil {
			return err
		}
	}
	if x.DestinationID != "" {
		if _, err := one(tx, "destination", scanDestination, destinationByID, x.DestinationID); fault.Is(err, fault.NotFound) {
			return complain("destination_id", "There is no such destination.")
		} else if err != nil {
			return err
		}
	}
	return nil
}

// The proxy, as one part of the settings; its password is sealed under the same name.
const (
	networkName   = "network"
	proxyPassword = "proxy_password"
	hasSealed     = `SELECT EXISTS (SELECT 1 FROM sealed WHERE kind = $1 AND row_id = $2 AND name = $3)`
)

// storedNetwork is model.Network as it is stored.
type storedNetwork struct {
	ProxyURL    string   `json:"proxy_url"`
	ProxyUser   string   `json:"proxy_user"`
	ProxyBypass []string `json:"proxy_bypass"`
}

// Network is how requests leave, as it was set by people.
func (s *Store) Network(ctx context.Context) (model.Network, error) { return networkOf(s.reader(ctx)) }

func networkOf(q querier) (model.Network, error) {
	got, err := settingOf(q, networkName, storedNetwork{})
	if err != nil {
		return model.Network{}, err
	}
	has, err := one(q, "secret", number, hasSealed, networkName, networkName, proxyPassword)
	return model.Network{ProxyURL: got.value.ProxyURL, ProxyUser: got.value.ProxyUser, ProxyBypass: got.value.ProxyBypass, HasPassword: has != 0,
		Changed: got.at, Version: got.version}, err
}

// ProxyPassword opens the proxy's password, "" when none is stored.
func (s *Store) ProxyPassword(ctx context.Context) (model.Secret, error) {
	secrets, err := s.unseal(s.reader(ctx), networkName, networkName)
	return secrets[proxyPassword], err
}

// UpdateNetwork stores n, which is clean and checked; versions count as in UpdateConnection. A password that is "" keeps the one
// that is stored, as long as proxy and user stay: it never goes to another proxy than it was typed for.
func (tx *Tx) UpdateNetwork(n model.Network, password model.Secret) error {
	old, err := networkOf(tx)
	if err != nil {
		return err
	}
	diff := changes("proxy_url", old.ProxyURL, n.ProxyURL, "proxy_user", old.ProxyUser, n.ProxyUser,
		"proxy_bypass", strings.Join(old.ProxyBypass, " "), strings.Join(n.ProxyBypass, " "))
	keeps := old.HasPassword && n.ProxyUser != ""
	switch {
	case password != "":
		diff = append(diff, model.Change{Field: proxyPassword, Before: masked(old.HasPassword), After: model.Mask})
	case keeps && (n.ProxyURL != old.ProxyURL || n.ProxyUser != old.ProxyUser):
		return complain(proxyPassword, "Type the password again: it was typed for another proxy or user.")
	case old.HasPassword && !keeps:
		diff = append(diff, model.Change{Field: proxyPassword, Before: model.Mask})
	}
	if err := tx.putSetting(networkName, storedNetwork{n.ProxyURL, n.ProxyUser, n.ProxyBypass}, old.Version, n.Version, diff); err != nil || len(diff) == 0 {
		return err
	}
	tx.touch()
	switch {
	case password != "":
		return tx.seal(networkName, networkName, proxyPassword, password)
	case !keeps:
		return tx.exec(dropSealed, networkName, networkName)
	}
	return nil
}

func masked(has bool) string {
	if has {
		return model.Mask
	}
	return ""
}
