package db

import (
	"context"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const alertRuleColumns = `id, name, kind, scope, threshold, window_minutes, least, emails, destination_id, enabled, snoozed_until, created_at, updated_at, version`

func scanAlertRule(r row) (model.AlertRule, error) {
	var a model.AlertRule
	err := r.Scan(&a.ID, &a.Name, &a.Kind, &a.Scope, &a.Threshold, &a.WindowMinutes, &a.Least, decode{&a.Emails}, &a.DestinationID, &a.Enabled,
		at{&a.SnoozedUntil}, at{&a.CreatedAt}, at{&a.UpdatedAt}, &a.Version)
	return a, err
}

const (
	alertRuleByID   = `SELECT ` + alertRuleColumns + ` FROM alert_rules WHERE id = $1`
	allAlertRules   = `SELECT ` + alertRuleColumns + ` FROM alert_rules ORDER BY id`
	alertRulesTo    = `SELECT 'alert rule', id, name FROM alert_rules WHERE destination_id = $1 AND destination_id <> '' ORDER BY name`
	insertAlertRule = `
INSERT INTO alert_rules (id, name, kind, scope, threshold, window_minutes, least, emails, destination_id, enabled, snoozed_until, created_at, updated_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11, 1)`
	updateAlertRule = `
UPDATE alert_rules SET name = $1, kind = $2, scope = $3, threshold = $4, window_minutes = $5, least = $6, emails = $7, destination_id = $8, enabled = $9,
  snoozed_until = $10, updated_at = $11, version = $12
WHERE id = $13`
	leaveAlertRules = `UPDATE alert_rules SET destination_id = '', version = version + 1 WHERE destination_id = $1 AND destination_id <> ''`
	deleteAlertRule = `DELETE FROM alert_rules WHERE id = $1`
)

// AlertRule is one rule.
func (s *Store) AlertRule(ctx context.Context, id model.AlertRuleID) (model.AlertRule, error) {
	return one(s.reader(ctx), "alert rule", scanAlertRule, alertRuleByID, id)
}

// AlertRules lists rules, newest first.
func (s *Store) AlertRules(ctx context.Context, p Page) ([]model.AlertRule, string, error) {
	return page(s.reader(ctx), selecting("SELECT "+alertRuleColumns+" FROM alert_rules"), p, keyed{"id", "alr_"}, scanAlertRule, func(r model.AlertRule) string { return string(r.ID) })
}

// EveryAlertRule lists all rules, oldest first.
func (s *Store) EveryAlertRule(ctx context.Context) ([]model.AlertRule, error) {
	return all(s.reader(ctx), scanAlertRule, allAlertRules)
}

// MaxAlertRules is how many rules there can be: each is looked at twice a minute.
const MaxAlertRules = 200

const countAlertRules = `SELECT count(*) FROM alert_rules`

// wantTargets complains about what a rule names and is not there.
func (tx *Tx) wantTargets(r model.AlertRule) error {
	if r.DestinationID == "" {
		return nil
	}
	return tx.wantDestination(r.DestinationID)
}

// CreateAlertRule stores r, which is clean and checked, and fills in ID, times and Version.
func (tx *Tx) CreateAlertRule(r *model.AlertRule) error {
	if err := tx.wantTargets(*r); err != nil {
		return err
	}
	if n, err := one(tx, "rule", number, countAlertRules); err != nil || n >= MaxAlertRules {
		if err == nil {
			err = fault.Coded(fault.Conflict, "too_many", "There are %d alert rules already; delete one first.", n)
		}
		return err
	}
	n := *r
	n.ID, n.CreatedAt, n.UpdatedAt, n.Version, n.SnoozedUntil = model.NewAlertRuleID(tx.now), tx.stamp(), tx.stamp(), 1, time.Time{}
	if err := tx.exec(insertAlertRule, n.ID, n.Name, n.Kind, n.Scope, n.Threshold, n.WindowMinutes, n.Least, strings0(n.Emails), n.DestinationID, n.Enabled, ms(tx.now)); err != nil {
		return duplicate(err, "alert rule", n.Name)
	}
	fill(tx, r, n)
	return tx.audit("alert_rule", "created", string(n.ID), n.Name, alertRuleChanges(model.AlertRule{}, n))
}

// strings0 stores a list that is never null.
func strings0(list []string) string {
	if list == nil {
		list = []string{}
	}
	return encode(list)
}

// UpdateAlertRule stores r over the row of its ID; versions count as in UpdateConnection.
func (tx *Tx) UpdateAlertRule(r *model.AlertRule) error {
	old, err := one(tx, "alert rule", scanAlertRule, alertRuleByID, r.ID)
	if err != nil {
		return err
	}
	if err := current("alert rule", r.Version, old.Version); err != nil {
		return err
	}
	n := *r
	n.CreatedAt, n.UpdatedAt, n.Version = old.CreatedAt, old.UpdatedAt, old.Version
	diff := alertRuleChanges(old, n)
	if len(diff) == 0 {
		fill(tx, r, n)
		return nil
	}
	if err := tx.wantTargets(n); err != nil {
		return err
	}
	n.UpdatedAt, n.Version = tx.stamp(), old.Version+1
	if err := tx.exec(updateAlertRule, n.Name, n.Kind, n.Scope, n.Threshold, n.WindowMinutes, n.Least, strings0(n.Emails), n.DestinationID, n.Enabled,
		ms(n.SnoozedUntil), ms(n.UpdatedAt), n.Version, n.ID); err != nil {
		return duplicate(err, "alert rule", n.Name)
	}
	fill(tx, r, n)
	return tx.audit("alert_rule", word(diff, n.Enabled), string(n.ID), n.Name, diff)
}

// AlertRuleDiff lists what differs between two states of a rule.
func AlertRuleDiff(a, b model.AlertRule) []model.Change { return alertRuleChanges(a, b) }

func alertRuleChanges(a, b model.AlertRule) []model.Change {
	return changes("name", a.Name, b.Name, "kind", string(a.Kind), string(b.Kind), "scope", a.Scope, b.Scope, "threshold", positive(a.Threshold), positive(b.Threshold),
		"window_minutes", positive(a.WindowMinutes), positive(b.WindowMinutes), "least", positive(a.Least), positive(b.Least),
		"emails", strings.Join(a.Emails, ", "), strings.Join(b.Emails, ", "), "destination_id", string(a.DestinationID), string(b.DestinationID),
		"enabled", yes(a.ID != "", a.Enabled), yes(b.ID != "", b.Enabled), "snoozed_until", stamped(a.SnoozedUntil), stamped(b.SnoozedUntil))
}

// DeleteAlertRule removes a rule; what it found is over, and stays in the history.
func (tx *Tx) DeleteAlertRule(id model.AlertRuleID) error {
	r, err := one(tx, "alert rule", scanAlertRule, alertRuleByID, id)
	if err != nil {
		return err
	}
	if err := tx.exec(endAlertsOf, ms(tx.now), id); err != nil {
		return err
	}
	if err := tx.exec(deleteAlertRule, id); err != nil {
		return err
	}
	return tx.audit("alert_rule", "deleted", string(id), r.Name, alertRuleChanges(r, model.AlertRule{}))
}

// ---- what rules found: bookkeeping ----

const alertColumns = `id, rule_id, rule, kind, about, title, detail, url, told, seen_at, ended_at, end_told, created_at`

func scanAlert(r row) (model.Alert, error) {
	var a model.Alert
	err := r.Scan(&a.ID, &a.RuleID, &a.Rule, &a.Kind, &a.About, &a.Title, &a.Detail, &a.URL, at{&a.ToldAt}, at{&a.SeenAt}, at{&a.EndedAt}, at{&a.EndToldAt}, at{&a.CreatedAt})
	return a, err
}

const (
	openAlerts  = `SELECT ` + alertColumns + ` FROM alerts WHERE ended_at = 0 AND rule_id > '' ORDER BY rule_id, about`
	insertAlert = `
INSERT INTO alerts (id, rule_id, rule, kind, about, title, detail, url, told, seen_at, ended_at, end_told, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, 0, 0, $9)`
	seeAlert    = `UPDATE alerts SET title = $1, detail = $2, url = $3, seen_at = $4 WHERE id = $5`
	tellAlerts  = `UPDATE alerts SET told = $1 WHERE id IN (SELECT value FROM json_each($2)) AND told = 0`
	endAlerts   = `UPDATE alerts SET ended_at = $1, end_told = $2 WHERE id IN (SELECT value FROM json_each($3)) AND ended_at = 0`
	endAlertsOf = `UPDATE alerts SET ended_at = $1 WHERE rule_id = $2 AND ended_at = 0`
	oldAlerts   = `DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE id < $1 AND ended_at > 0 ORDER BY id LIMIT 500)`
)

// OpenAlerts lists what goes on, by rule.
func (s *Store) OpenAlerts(ctx context.Context) ([]model.Alert, error) {
	return all(s.reader(ctx), scanAlert, openAlerts)
}

// AlertFilter narrows a list of alerts; zero values do not.
type AlertFilter struct {
	RuleID model.AlertRuleID
	Open   bool // only those that go on
}

// Alerts lists what rules found, newest first.
func (s *Store) Alerts(ctx context.Context, f AlertFilter, p Page) ([]model.Alert, string, error) {
	q := selecting("SELECT " + alertColumns + " FROM alerts")
	q.and(f.RuleID != "", "rule_id = ?", f.RuleID)
	q.and(f.Open, "ended_at = 0")
	return page(s.reader(ctx), q, p, keyed{"id", "alt_"}, scanAlert, func(a model.Alert) string { return string(a.ID) })
}

// BeginAlerts stores what a rule found, and fills in the ids.
func (tx *Tx) BeginAlerts(r model.AlertRule, found []model.Finding) ([]model.Alert, error) {
	out := make([]model.Alert, len(found))
	for i, f := range found {
		a := model.Alert{ID: model.NewAlertID(tx.now), RuleID: r.ID, Rule: r.Name, Kind: r.Kind, About: f.About, Title: f.Title, Detail: f.Detail, URL: f.URL,
			CreatedAt: tx.stamp(), SeenAt: tx.stamp()}
		if err := tx.exec(insertAlert, a.ID, a.RuleID, a.Rule, a.Kind, a.About, a.Title, a.Detail, a.URL, ms(tx.now)); err != nil {
			return nil, err
		}
		out[i] = a
	}
	return out, nil
}

// SeeAlerts notes that these still hold, and what they say now.
func (tx *Tx) SeeAlerts(list []model.Alert) error {
	for _, a := range list {
		if err := tx.exec(seeAlert, a.Title, a.Detail, a.URL, ms(a.SeenAt), a.ID); err != nil {
			return err
		}
	}
	return nil
}

// TellAlerts notes that a message of these went out.
func (tx *Tx) TellAlerts(list []model.Alert) error {
	return tx.exec(tellAlerts, ms(tx.now), encode(alertIDs(list)))
}

// EndAlerts notes that these are over, and whether a message said so.
func (tx *Tx) EndAlerts(list []model.Alert, told bool) error {
	at := int64(0)
	if told {
		at = ms(tx.now)
	}
	return tx.exec(endAlerts, ms(tx.now), at, encode(alertIDs(list)))
}

func alertIDs(list []model.Alert) []model.AlertID {
	out := make([]model.AlertID, len(list))
	for i, a := range list {
		out[i] = a.ID
	}
	return out
}

// ForgetAlerts removes up to 500 that are over and began 90 days before now. It returns how many.
func (s *Store) ForgetAlerts(ctx context.Context, now time.Time) (n int64, err error) {
	err = s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
		n, err = tx.count(oldAlerts, model.FirstID("alt_", now.Add(-model.StatsLife)))
		return err
	})
	return n, err
}

const callsSince = `SELECT endpoint_id, what, sum(n) FROM inbound_counts WHERE minute >= $1 GROUP BY endpoint_id, what`

// CallsSince counts the calls to every endpoint since t, by state.
func (s *Store) CallsSince(ctx context.Context, since time.Time) (map[model.InboundID]map[model.CallState]int64, error) {
	out := map[model.InboundID]map[model.CallState]int64{}
	_, err := all(s.reader(ctx), func(r row) (none struct{}, err error) {
		var id model.InboundID
		var state model.CallState
		var n int64
		err = r.Scan(&id, &state, &n)
		if out[id] == nil {
			out[id] = map[model.CallState]int64{}
		}
		out[id][state] = n
		return none, err
	}, callsSince, model.Minute(since))
	return out, err
}

const failedExports = `SELECT min(hour), max(hour), count(*), max(error) FROM exports WHERE status <> 'written' AND error <> ''`

// FailedExports tells how many hours could not be written to their store, of when the first is, and what went wrong with one.
func (s *Store) FailedExports(ctx context.Context) (n int64, first time.Time, words string, err error) {
	var lo, hi *int64
	var text *string
	_, err = one(s.reader(ctx), "export", func(r row) (int, error) { return 0, r.Scan(&lo, &hi, &n, &text) }, failedExports)
	if err == nil && n > 0 {
		first, words = time.UnixMilli(*lo).UTC(), *text
	}
	return n, first, words, err
}
