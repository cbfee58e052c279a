package dbtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/model"
)

// change is one exported method of Tx that changes something.
type change struct {
	method string
	action string // what the audit log says; "" = bookkeeping without a row
	touch  bool   // the version grows
	run    func(tx *db.Tx, x *Setup) error
}

func every() []change {
	var extra struct {
		user    model.User
		session model.Session
		key     model.APIKey
		role    model.Role
		replay  model.Replay
		invited model.Invitation
		alert   model.AlertRule
		alerts  []model.Alert
	}
	return []change{
		{"Failed", "", false, func(tx *db.Tx, x *Setup) error { return tx.Failed("k") }},
		{"Cleared", "", false, func(tx *db.Tx, x *Setup) error { return tx.Cleared("k") }},
		{"CreateUser", "user.created", true, func(tx *db.Tx, x *Setup) error {
			extra.user = model.User{Email: "bo@example.com", Name: "Bo"}
			return tx.CreateUser(&extra.user, "")
		}},
		{"UpdateUser", "user.updated", true, func(tx *db.Tx, x *Setup) error {
			extra.user.Name = "Bob"
			return tx.UpdateUser(&extra.user)
		}},
		{"SetPassword", "user.password_set", true, func(tx *db.Tx, x *Setup) error { return tx.SetPassword(extra.user.ID, "hash", "") }},
		{"AskReset", "user.reset_asked", false, func(tx *db.Tx, x *Setup) error {
			_, _, err := tx.AskReset(extra.user.Email, []byte("hash of a link"))
			return err
		}},
		{"ResetPassword", "user.password_reset", true, func(tx *db.Tx, x *Setup) error {
			_, err := tx.ResetPassword([]byte("hash of a link"), "hash")
			return err
		}},
		{"CreateSession", "session.created", false, func(tx *db.Tx, x *Setup) error {
			extra.session.UserID = extra.user.ID
			return tx.CreateSession(&extra.session, []byte("hash"))
		}},
		{"RefuseSession", "session.refused", false, func(tx *db.Tx, x *Setup) error { return tx.RefuseSession("eve@example.com", "", "wrong password") }},
		{"EndSession", "session.ended", false, func(tx *db.Tx, x *Setup) error { return tx.EndSession(extra.session.ID) }},
		{"EndSessions", "session.ended", false, func(tx *db.Tx, x *Setup) error {
			if err := tx.CreateSession(&extra.session, []byte("hash")); err != nil {
				return err
			}
			return tx.EndSessions(extra.user.ID, "")
		}},
		{"CreateAPIKey", "api_key.created", true, func(tx *db.Tx, x *Setup) error {
			extra.key = model.APIKey{Name: "k", UserID: x.User.ID}
			return tx.CreateAPIKey(&extra.key, []byte("hash"))
		}},
		{"RotateAPIKey", "api_key.rotated", true, func(tx *db.Tx, x *Setup) error {
			return tx.RotateAPIKey(extra.key.ID, []byte("hash-2"), "wbk_2", time.Time{})
		}},
		{"UpdateAPIKey", "api_key.updated", true, func(tx *db.Tx, x *Setup) error {
			extra.key.Name, extra.key.Version = "other", 0
			return tx.UpdateAPIKey(&extra.key)
		}},
		{"RevokeAPIKey", "api_key.revoked", true, func(tx *db.Tx, x *Setup) error { return tx.RevokeAPIKey(extra.key.ID) }},
		{"SetFormat", "user.format_set", false, func(tx *db.Tx, x *Setup) error { return tx.SetFormat(extra.user.ID, "de-DE", "Europe/Berlin", "de") }},
		{"BeginSecondFactor", "user.second_factor_begun", false, func(tx *db.Tx, x *Setup) error { return tx.BeginSecondFactor(extra.user.ID, "secret") }},
		{"ConfirmSecondFactor", "user.second_factor_added", false, func(tx *db.Tx, x *Setup) error {
			return tx.ConfirmSecondFactor(extra.user.ID, 1, [][]byte{[]byte("code")})
		}},
		{"UseStep", "", false, func(tx *db.Tx, x *Setup) error { return tx.UseStep(extra.user.ID, 2) }},
		{"UseRecoveryCode", "user.recovery_code_used", false, func(tx *db.Tx, x *Setup) error { return tx.UseRecoveryCode(extra.user.ID, []byte("code")) }},
		{"RenewRecoveryCodes", "user.recovery_codes_renewed", false, func(tx *db.Tx, x *Setup) error {
			return tx.RenewRecoveryCodes(extra.user.ID, [][]byte{[]byte("code")})
		}},
		{"DropSecondFactor", "user.second_factor_removed", false, func(tx *db.Tx, x *Setup) error { return tx.DropSecondFactor(extra.user.ID) }},
		{"CreateInvitation", "invitation.created", false, func(tx *db.Tx, x *Setup) error {
			extra.invited = model.Invitation{Email: "in@example.com", Roles: []string{model.Viewer}}
			return tx.CreateInvitation(&extra.invited, []byte("token"))
		}},
		{"RenewInvitation", "invitation.renewed", false, func(tx *db.Tx, x *Setup) error { return tx.RenewInvitation(extra.invited.ID, []byte("token-2")) }},
		{"RevokeInvitation", "invitation.revoked", false, func(tx *db.Tx, x *Setup) error { return tx.RevokeInvitation(extra.invited.ID) }},
		{"AcceptInvitation", "invitation.accepted", true, func(tx *db.Tx, x *Setup) error {
			_, err := tx.AcceptInvitation([]byte("token-3"), "Out", "hash")
			return err
		}},
		{"CreateAlertRule", "alert_rule.created", false, func(tx *db.Tx, x *Setup) error {
			extra.alert = model.AlertRule{Name: "Rates", Kind: model.AlertFailureRate, Threshold: 20, DestinationID: x.Destination.ID}
			return tx.CreateAlertRule(&extra.alert)
		}},
		{"UpdateAlertRule", "alert_rule.updated", false, func(tx *db.Tx, x *Setup) error {
			extra.alert.Threshold = 30
			return tx.UpdateAlertRule(&extra.alert)
		}},
		{"BeginAlerts", "", false, func(tx *db.Tx, x *Setup) (err error) {
			extra.alerts, err = tx.BeginAlerts(extra.alert, []model.Finding{{About: "disk", Title: "Full"}})
			return err
		}},
		{"SeeAlerts", "", false, func(tx *db.Tx, x *Setup) error { return tx.SeeAlerts(extra.alerts) }},
		{"TellAlerts", "", false, func(tx *db.Tx, x *Setup) error { return tx.TellAlerts(extra.alerts) }},
		{"EndAlerts", "", false, func(tx *db.Tx, x *Setup) error { return tx.EndAlerts(extra.alerts, true) }},
		{"DeleteAlertRule", "alert_rule.deleted", false, func(tx *db.Tx, x *Setup) error { return tx.DeleteAlertRule(extra.alert.ID) }},
		{"UpdateMail", "settings.updated", false, func(tx *db.Tx, x *Setup) error {
			return tx.UpdateMail(model.MailSettings{Host: "smtp.example.com", Username: "bot"}, "secret")
		}},
		{"QueueMail", "", false, func(tx *db.Tx, x *Setup) error { return tx.QueueMail("ada@example.com", "Hello", "test", "text") }},
		{"MarkMail", "", false, func(tx *db.Tx, x *Setup) error { return tx.MarkMail("mal_1", time.Time{}, "") }},
		{"CreateRole", "role.created", true, func(tx *db.Tx, x *Setup) error {
			extra.role = model.Role{Name: "Auditor", Rights: []model.Right{model.ViewAuditLog}}
			return tx.CreateRole(&extra.role)
		}},
		{"UpdateRole", "role.updated", true, func(tx *db.Tx, x *Setup) error {
			extra.role.Name = "Controller"
			return tx.UpdateRole(&extra.role)
		}},
		{"DeleteRole", "role.deleted", true, func(tx *db.Tx, x *Setup) error { return tx.DeleteRole(extra.role.ID) }},
		{"DeleteUser", "user.deleted", true, func(tx *db.Tx, x *Setup) error { return tx.DeleteUser(extra.user.ID) }},
		{"CreateCredential", "credential.created", true, func(tx *db.Tx, x *Setup) error {
			return tx.CreateCredential(&model.Credential{Name: "second", Type: model.CredentialBearer}, model.Secrets{"token": "t"})
		}},
		{"AddInstanceKey", "instance_key.created", true, func(tx *db.Tx, x *Setup) error {
			_, err := tx.AddInstanceKey(model.InstanceKey{ID: "kid", Public: "{}"}, "private", time.Time{}, time.Time{})
			return err
		}},
		{"UpdateCredential", "credential.updated", true, func(tx *db.Tx, x *Setup) error {
			return tx.UpdateCredential(&x.Credential, model.Secrets{"password": "another"})
		}},
		{"StartRotation", "credential.rotation_started", false, func(tx *db.Tx, x *Setup) error {
			return tx.StartRotation(x.Credential, model.Secrets{"password": "next"})
		}},
		{"TriedRotation", "credential.rotation_tried", false, func(tx *db.Tx, x *Setup) error {
			return tx.TriedRotation(x.Credential.ID, model.Trial{On: "Orders", Status: 200})
		}},
		{"ApplyRotation", "credential.rotated", true, func(tx *db.Tx, x *Setup) error { return tx.ApplyRotation(x.Credential.ID) }},
		{"RollBackRotation", "credential.rolled_back", true, func(tx *db.Tx, x *Setup) error { return tx.RollBackRotation(x.Credential.ID) }},
		{"DropRotation", "credential.rotation_dropped", false, func(tx *db.Tx, x *Setup) error {
			c := x.Credential
			c.Version = 0
			if err := tx.StartRotation(c, model.Secrets{"password": "next"}); err != nil {
				return err
			}
			return tx.DropRotation(c.ID)
		}},
		{"CreateConnection", "connection.created", true, func(tx *db.Tx, x *Setup) error { return tx.CreateConnection(connection("second")) }},
		{"UpdateConnection", "connection.disabled", true, func(tx *db.Tx, x *Setup) error {
			x.Connection.Enabled = false
			return tx.UpdateConnection(&x.Connection)
		}},
		{"CreateDestination", "destination.created", true, func(tx *db.Tx, x *Setup) error {
			d := x.Destination
			d.Name = "second"
			return tx.CreateDestination(&d, Signing)
		}},
		{"SwitchOffDestination", "destination.disabled", true, func(tx *db.Tx, x *Setup) error {
			return tx.SwitchOffDestination(x.Destination.ID, "410")
		}},
		{"UpdateDestination", "destination.enabled", true, func(tx *db.Tx, x *Setup) error {
			x.Destination.Version = 0
			return tx.UpdateDestination(&x.Destination)
		}},
		{"CreateAction", "action.created", true, func(tx *db.Tx, x *Setup) error {
			a := x.Action
			a.Name = "second"
			return tx.CreateAction(&a)
		}},
		{"UpdateAction", "action.updated", true, func(tx *db.Tx, x *Setup) error {
			x.Action.Filter = "true"
			return tx.UpdateAction(&x.Action)
		}},
		{"RetryDelivery", "delivery.retried", false, func(tx *db.Tx, x *Setup) error { _, err := tx.RetryDelivery("dlv_1"); return err }},
		{"TryDestination", "destination.tried", false, func(tx *db.Tx, x *Setup) error { _, err := tx.TryDestination(x.Destination.ID, true); return err }},
		{"Take", "", false, func(tx *db.Tx, x *Setup) error { _, err := tx.Take("nod_1", "dlv_1"); return err }},
		{"CancelDelivery", "delivery.cancelled", false, func(tx *db.Tx, x *Setup) error { _, err := tx.CancelDelivery("dlv_1"); return err }},
		{"CreateReplay", "replay.started", false, func(tx *db.Tx, x *Setup) error { return tx.CreateReplay(&extra.replay) }},
		{"CancelReplay", "replay.cancelled", false, func(tx *db.Tx, x *Setup) error { _, err := tx.CancelReplay(extra.replay.ID); return err }},
		{"SaveHealth", "", false, func(tx *db.Tx, x *Setup) error {
			return tx.SaveHealth(model.Health{ID: "wfl_1/call/request", Tries: 1, FailingSince: tx.Now()})
		}},
		{"SwitchOffTarget", "target.disabled", true, func(tx *db.Tx, x *Setup) error {
			return tx.SwitchOffTarget("wfl_1/call/request", "Call", "410")
		}},
		{"SwitchOnTarget", "target.enabled", true, func(tx *db.Tx, x *Setup) error { return tx.SwitchOnTarget("wfl_1/call/request", "Call") }},
		{"Publish", "", false, func(tx *db.Tx, x *Setup) error {
			_, err := tx.Publish([]db.Publication{x.Publication("")})
			return err
		}},
		{"InsertDeliveries", "", false, func(tx *db.Tx, x *Setup) error {
			_, err := tx.InsertDeliveries([]model.Work{{Delivery: x.Publication("").Deliveries[0], Payload: []byte("{}")}}, nil)
			return err
		}},
		{"DeleteAction", "action.deleted", true, func(tx *db.Tx, x *Setup) error { return tx.DeleteAction(x.Action.ID) }},
		{"DeleteDestination", "destination.deleted", true, func(tx *db.Tx, x *Setup) error { return tx.DeleteDestination(x.Destination.ID, true) }},
		{"DeleteConnection", "connection.deleted", true, func(tx *db.Tx, x *Setup) error { return tx.DeleteConnection(x.Connection.ID, true) }},
		{"DeleteCredential", "credential.deleted", true, func(tx *db.Tx, x *Setup) error { return tx.DeleteCredential(x.Credential.ID) }},
	}
}

// reading are the exported methods of Tx that change nothing.
const reading = "WantData Mail Now Actor Audience AudienceRun Members After Otherwise Fresh Routing Run Task File WorkflowVersion Person Awaited EmailOf RolesOf OpenTasks User RunsAbout As"

func audited(t *testing.T, s *db.Store) {
	list, known := slices.Concat(operations(), exports(), every(), catalogue(), desk(), inboundChanges(), workflowChanges()), reading
	for _, c := range list {
		known += " " + c.method
	}
	for m := range reflect.TypeFor[*db.Tx]().Methods() {
		if !strings.Contains(" "+known+" ", " "+m.Name+" ") {
			t.Errorf("Tx.%s is not in the list of changes; does it write its audit row?", m.Name)
		}
	}
	x := Fill(t, s)
	ok(t, "invite", s.Write(ctx, actorOf(x.User), func(tx *db.Tx) error {
		return tx.CreateInvitation(&model.Invitation{Email: "out@example.com"}, []byte("token-3"))
	}))
	p := x.Publication("")
	p.Deliveries[0].ID = "dlv_1"
	publish(t, s, p)
	newest := func() (int, model.Audit) {
		log, _, err := s.AuditLog(ctx, db.AuditFilter{}, db.Page{Limit: db.MaxPage})
		ok(t, "audit log", err)
		return len(log), log[0]
	}
	for _, c := range list {
		rows, _ := newest()
		version, _ := s.Version(ctx)
		Write(t, s, func(tx *db.Tx) error { return c.run(tx, &x) })
		kept, err := s.Routing(ctx)
		ok(t, c.method+": routing", err)
		Write(t, s, func(tx *db.Tx) error {
			stored, err := tx.Routing()
			if !reflect.DeepEqual(kept, stored) {
				t.Errorf("%s: the routing that is kept is not the one that is stored:\n%+v\n%+v", c.method, kept, stored)
			}
			return err
		})
		after, last := newest()
		if c.action == "" {
			equal(t, c.method+": audit rows", rows, after)
			continue
		}
		if after <= rows {
			t.Errorf("%s left no audit row", c.method)
			continue
		}
		grown, _ := s.Version(ctx)
		equal(t, c.method+": action", c.action, last.Action)
		equal(t, c.method+": kind", strings.Split(c.action, ".")[0], last.Kind)
		equal(t, c.method+": the version grows", c.touch, grown > version)
		equal(t, c.method+": actor", "usr_admin", last.ActorID)
		equal(t, c.method+": address", "192.0.2.1", last.Address)
		equal(t, c.method+": request", "req_1", last.RequestID)
		if last.Object == "" || (last.ObjectID == "" && c.method != "RefuseSession") {
			t.Errorf("%s: the row does not name its object: %+v", c.method, last)
		}
	}
	bad, err := s.VerifyAudit(ctx)
	ok(t, "verify", err)
	equal(t, "broken row", 0, bad)
}

func auditLog(t *testing.T, s *db.Store) {
	c := connection("Shop \xff") // what is not UTF-8 must not break the chain
	Write(t, s, func(tx *db.Tx) error { return tx.CreateConnection(c) })
	c.Description = strings.Repeat("long ", 1000) + "\xff"
	Write(t, s, func(tx *db.Tx) error { return tx.UpdateConnection(c) })
	robot := model.Actor{Kind: model.ActorKey, UserID: "usr_1", KeyID: "key_1", Name: "robot", Rights: model.Rights{}}
	ok(t, "write", s.Write(ctx, robot, func(tx *db.Tx) error { return tx.CreateConnection(connection("Other")) }))
	bad, err := s.VerifyAudit(ctx)
	ok(t, "verify", err)
	equal(t, "broken row", 0, bad)
	now := time.Now()
	for _, c := range []struct {
		f    db.AuditFilter
		want int
	}{
		{db.AuditFilter{}, 3}, {db.AuditFilter{ObjectID: string(c.ID)}, 2}, {db.AuditFilter{ActorID: "usr_1"}, 1}, {db.AuditFilter{Kind: "user"}, 0},
		{db.AuditFilter{Query: "ROBOT"}, 1}, {db.AuditFilter{Who: "rob"}, 1}, {db.AuditFilter{Who: "shop"}, 0}, {db.AuditFilter{Address: "192.0.2."}, 2}, {db.AuditFilter{Address: "2.0"}, 0}, {db.AuditFilter{Query: "created"}, 2}, {db.AuditFilter{Query: "shop"}, 2},
		{db.AuditFilter{From: now.Add(time.Hour)}, 0}, {db.AuditFilter{To: now.Add(time.Hour)}, 3},
	} {
		log, _, err := s.AuditLog(ctx, c.f, db.Page{})
		ok(t, "audit log", err)
		equal(t, fmt.Sprintf("rows by %+v", c.f), c.want, len(log))
	}
	log, _, err := s.AuditLog(ctx, db.AuditFilter{ActorID: "usr_1"}, db.Page{})
	ok(t, "audit log", err)
	equal(t, "via", "key_1", log[0].Via)
	if err := s.Write(ctx, model.Actor{}, func(*db.Tx) error { return nil }); err == nil {
		t.Error("a write without an actor was taken")
	}
}
