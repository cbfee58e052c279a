package api

import (
	"net/http"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
)

// AlertRuleFields are what a rule of alerts says, in questions and answers.
type AlertRuleFields struct {
	Name          string   `json:"name" needed:"true"`
	Kind          string   `json:"kind" needed:"true" doc:"failure_rate, breaker_open, destination_disabled, backlog_age, disk, credential_ends, inbound_failing or job_failing"`
	Scope         string   `json:"scope" doc:"Id of the destination or inbound endpoint that it watches; empty = any"`
	Threshold     int      `json:"threshold" doc:"Percent, minutes or days, as the kind says; 0 = the usual"`
	WindowMinutes int      `json:"window_minutes" doc:"How far back rates look; 0 = the usual"`
	Least         int      `json:"least" doc:"Fewer attempts or calls say nothing; 0 = the usual"`
	Emails        []string `json:"emails" doc:"Who gets letters"`
	DestinationID string   `json:"destination_id" doc:"Which destination gets messages, as events named waybill.alert; empty = none"`
}

type alertRule struct {
	Meta
	AlertRuleFields
	Enabled      bool    `json:"enabled"`
	SnoozedUntil *string `json:"snoozed_until" format:"date-time" doc:"No messages before then"`
}

func showAlertRule(n model.AlertRule) alertRule {
	emails := n.Emails
	if emails == nil {
		emails = []string{}
	}
	return alertRule{newMeta(n.ID, n.CreatedAt, n.UpdatedAt, n.Version), AlertRuleFields{n.Name, string(n.Kind), n.Scope, n.Threshold, n.WindowMinutes, n.Least, emails, string(n.DestinationID)},
		n.Enabled, stamp(n.SnoozedUntil)}
}

type alertRuleInput struct {
	Versioned
	AlertRuleFields
	Enabled *bool `json:"enabled" doc:"true when absent"`
}

func (in alertRuleInput) rule() model.AlertRule {
	return model.AlertRule{Name: in.Name, Kind: model.AlertKind(in.Kind), Scope: in.Scope, Threshold: in.Threshold, WindowMinutes: in.WindowMinutes, Least: in.Least,
		Emails: in.Emails, DestinationID: model.DestID(in.DestinationID), Enabled: or(in.Enabled, true), Version: in.Version}
}

// alert is something that a rule found.
type alert struct {
	ID        string  `json:"id"`
	RuleID    string  `json:"rule_id"`
	Rule      string  `json:"rule" doc:"Its name then"`
	Kind      string  `json:"kind"`
	State     string  `json:"state" enum:"firing,resolved"`
	About     string  `json:"about"`
	Title     string  `json:"title"`
	Detail    string  `json:"detail"`
	CreatedAt *string `json:"created_at" format:"date-time"`
	ToldAt    *string `json:"told_at" format:"date-time" doc:"When its message was queued"`
	EndedAt   *string `json:"ended_at" format:"date-time"`
}

func showAlert(a model.Alert) alert {
	state := "firing"
	if !a.EndedAt.IsZero() {
		state = "resolved"
	}
	return alert{string(a.ID), string(a.RuleID), a.Rule, string(a.Kind), state, a.About, a.Title, a.Detail, stamp(a.CreatedAt), stamp(a.ToldAt), stamp(a.EndedAt)}
}

func (a *API) alerts() {
	view, manage := model.Settings.View(), model.Settings.Manage()
	add(a, route{http.MethodGet, "/alerts", "list-alerts", "List what alert rules found", "Alerts", "", view, 0}, a.listAlerts)
	add(a, route{http.MethodGet, "/alert-rules", "list-alert-rules", "List alert rules", "Alerts", "", view, 0}, a.listAlertRules)
	add(a, route{http.MethodPost, "/alert-rules", "create-alert-rule", "Create an alert rule", "Alerts", "", manage, 0}, a.createAlertRule)
	add(a, route{http.MethodGet, "/alert-rules/{id}", "show-alert-rule", "Show an alert rule", "Alerts", "", view, 0}, a.showAlertRule)
	add(a, route{http.MethodPut, "/alert-rules/{id}", "update-alert-rule", "Replace an alert rule", "Alerts", "A snooze stays as it is.", manage, 0}, a.updateAlertRule)
	add(a, route{http.MethodDelete, "/alert-rules/{id}", "delete-alert-rule", "Delete an alert rule", "Alerts", "What it found stays in the history.", manage, 0}, a.deleteAlertRule)
	add(a, route{http.MethodPost, "/alert-rules/{id}/test", "test-alert-rule", "Send a test by an alert rule", "Alerts", "Queues a message to everybody that the rule tells.", manage, http.StatusNoContent}, a.testAlertRule)
	add(a, route{http.MethodPost, "/alert-rules/{id}/snooze", "snooze-alert-rule", "Snooze an alert rule", "Alerts", "Nobody is told until then; what still goes on is told afterwards.", manage, http.StatusOK}, a.snoozeAlertRule)
	add(a, route{http.MethodGet, "/settings/mail", "show-mail", "Show the mail settings", "Settings", "", view, 0}, func(c call, _ *none) (*body[mailSettings], error) { return a.showMail(c) })
	add(a, route{http.MethodPut, "/settings/mail", "update-mail", "Change the mail settings", "Settings", "An absent password is kept.", manage, 0}, a.updateMail)
	add(a, route{http.MethodPost, "/settings/mail/test", "test-mail", "Send a letter to try the mail settings", "Settings", "", manage, http.StatusNoContent}, a.testMail)
}

func (a *API) listAlerts(c call, in *struct {
	Paging
	RuleID string `query:"rule_id"`
	State  string `query:"state" enum:"firing" doc:"Only those that go on"`
}) (*body[list[alert]], error) {
	items, next, err := a.store.Alerts(c, db.AlertFilter{RuleID: model.AlertRuleID(in.RuleID), Open: in.State != ""}, in.page())
	return listed(items, next, err, showAlert)
}

func (a *API) listAlertRules(c call, in *struct{ Paging }) (*body[list[alertRule]], error) {
	items, next, err := a.store.AlertRules(c, in.page())
	return listed(items, next, err, showAlertRule)
}

func (a *API) createAlertRule(c call, in *struct{ Body alertRuleInput }) (*made[alertRule], error) {
	n := in.Body.rule()
	err := a.jobs.CheckAlertRule(c, &n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateAlertRule(&n) })
	}
	return created(showAlertRule(n), "/alert-rules/"+string(n.ID), err)
}

func (a *API) showAlertRule(c call, in *ByID) (*body[alertRule], error) {
	n, err := a.store.AlertRule(c, model.AlertRuleID(in.ID))
	return single(showAlertRule(n), err)
}

func (a *API) updateAlertRule(c call, in *struct {
	ByID
	Body alertRuleInput
}) (*body[alertRule], error) {
	old, err := a.store.AlertRule(c, model.AlertRuleID(in.ID))
	if err != nil {
		return nil, err
	}
	n := in.Body.rule()
	n.ID, n.SnoozedUntil = old.ID, old.SnoozedUntil
	if err = a.jobs.CheckAlertRule(c, &n); err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateAlertRule(&n) })
	}
	return single(showAlertRule(n), err)
}

func (a *API) deleteAlertRule(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteAlertRule(model.AlertRuleID(in.ID)) })
}

func (a *API) testAlertRule(c call, in *ByID) (*none, error) {
	return nil, a.jobs.TestAlertRule(c, c.actor, model.AlertRuleID(in.ID))
}

func (a *API) snoozeAlertRule(c call, in *struct {
	ByID
	Body struct {
		Minutes int `json:"minutes" minimum:"0" maximum:"129600" doc:"0 ends the snooze"`
	}
}) (*body[alertRule], error) {
	n, err := a.store.AlertRule(c, model.AlertRuleID(in.ID))
	if err != nil {
		return nil, err
	}
	if n.SnoozedUntil = (time.Time{}); in.Body.Minutes > 0 {
		n.SnoozedUntil = a.web.Now().Add(time.Duration(in.Body.Minutes) * time.Minute)
	}
	err = a.write(c, func(tx *db.Tx) error { return tx.UpdateAlertRule(&n) })
	return single(showAlertRule(n), err)
}

// MailFields say how letters go out.
type MailFields struct {
	Host     string `json:"host" doc:"Of the mail server; empty = no mail"`
	Port     int    `json:"port" doc:"0 = the usual one"`
	Security string `json:"security" doc:"starttls, tls or none"`
	Username string `json:"username" doc:"Empty = without signing in"`
	From     string `json:"from"`
	FromName string `json:"from_name"`
}

type mailSettings struct {
	MailFields
	Version   int64    `json:"version"`
	UpdatedAt *string  `json:"updated_at" format:"date-time"`
	Secrets   []string `json:"secrets" doc:"What is stored and not shown"`
}

type mailInput struct {
	Versioned
	MailFields
	Password model.Secret `json:"password,omitempty" doc:"Absent or empty = the stored one is kept"`
}

func (a *API) showMail(c call) (*body[mailSettings], error) {
	m, err := a.store.Mail(c)
	out := mailSettings{MailFields{m.Host, m.Port, m.Security, m.Username, m.From, m.FromName}, m.Version, stamp(m.Changed), []string{}}
	if m.Password {
		out.Secrets = append(out.Secrets, "password")
	}
	return single(out, err)
}

func (a *API) updateMail(c call, in *struct{ Body mailInput }) (*body[mailSettings], error) {
	f := in.Body.MailFields
	n := model.MailSettings{Host: f.Host, Port: f.Port, Security: f.Security, Username: f.Username, From: f.From, FromName: f.FromName, Version: in.Body.Version}
	if err := a.jobs.UpdateMail(c, c.actor, n, in.Body.Password); err != nil {
		return nil, err
	}
	return a.showMail(c)
}

func (a *API) testMail(c call, in *struct {
	Body struct {
		To string `json:"to" needed:"true"`
	}
}) (*none, error) {
	if in.Body.To == "" {
		return nil, fault.New(fault.Invalid, "Say where the letter goes.")
	}
	return nil, a.jobs.TestMail(c, in.Body.To, web.Letters(c))
}
