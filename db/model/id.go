// Package model holds the nouns of Waybill and the rules that need nothing but themselves.
//
// It is what db reads and writes, what jobs works on and what views show; all of them may import it. It knows the
// standard library and db/fault only: no SQL, no HTTP, no clock (now is always a parameter).
package model

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"
)

// Ids are a prefix and 26 characters that sort by time of making (48 bits of milliseconds, 80 random bits, base 32).
type (
	UserID        string // usr_
	SessionID     string // ses_
	APIKeyID      string // key_
	CredentialID  string // crd_
	ConnectionID  string // con_
	DestID        string // dst_
	ActionID      string // act_
	EventID       string // evt_
	DeliveryID    string // dlv_
	AttemptID     string // att_
	AuditID       string // aud_
	NodeID        string // nod_
	EventDefID    string // evd_
	AudienceID    string // adn_
	AudienceRunID string // aru_
	IntegrationID string // int_
	WorkflowID    string // wfl_
	RunID         string // run_
	StepRunID     string // srn_
	WebhookID     string // whk_, of a step
	TaskID        string // tsk_
	FileID        string // fil_
	TimerID       string // tmr_
	BatchID       string // bat_, or the id of the only delivery in it
	// TargetID names what has a queue: a destination's id, or what StepTarget makes.
	ReplayID      string // rpl_
	BackfillID    string // bkf_
	NetworkRuleID string // nru_
	AlertRuleID   string // alr_
	AlertID       string // alt_
	MailID        string // mal_
	// TargetID names what has a queue: a destination's id, later also a step's webhook (SEMANTICS 3).
	TargetID string
)

func NewUserID(now time.Time) UserID               { return UserID(newID("usr_", now)) }
func NewSessionID(now time.Time) SessionID         { return SessionID(newID("ses_", now)) }
func NewAPIKeyID(now time.Time) APIKeyID           { return APIKeyID(newID("key_", now)) }
func NewCredentialID(now time.Time) CredentialID   { return CredentialID(newID("crd_", now)) }
func NewConnectionID(now time.Time) ConnectionID   { return ConnectionID(newID("con_", now)) }
func NewDestID(now time.Time) DestID               { return DestID(newID("dst_", now)) }
func NewActionID(now time.Time) ActionID           { return ActionID(newID("act_", now)) }
func NewEventID(now time.Time) EventID             { return EventID(newID("evt_", now)) }
func NewDeliveryID(now time.Time) DeliveryID       { return DeliveryID(newID("dlv_", now)) }
func NewAttemptID(now time.Time) AttemptID         { return AttemptID(newID("att_", now)) }
func NewAuditID(now time.Time) AuditID             { return AuditID(newID("aud_", now)) }
func NewNodeID(now time.Time) NodeID               { return NodeID(newID("nod_", now)) }
func NewEventDefID(now time.Time) EventDefID       { return EventDefID(newID("evd_", now)) }
func NewAudienceID(now time.Time) AudienceID       { return AudienceID(newID("adn_", now)) }
func NewAudienceRunID(now time.Time) AudienceRunID { return AudienceRunID(newID("aru_", now)) }
func NewIntegrationID(now time.Time) IntegrationID { return IntegrationID(newID("int_", now)) }
func NewWorkflowID(now time.Time) WorkflowID       { return WorkflowID(newID("wfl_", now)) }
func NewRunID(now time.Time) RunID                 { return RunID(newID("run_", now)) }
func NewStepRunID(now time.Time) StepRunID         { return StepRunID(newID("srn_", now)) }
func NewWebhookID(now time.Time) WebhookID         { return WebhookID(newID("whk_", now)) }
func NewTaskID(now time.Time) TaskID               { return TaskID(newID("tsk_", now)) }
func NewFileID(now time.Time) FileID               { return FileID(newID("fil_", now)) }
func NewTimerID(now time.Time) TimerID             { return TimerID(newID("tmr_", now)) }
func NewBatchID(now time.Time) BatchID             { return BatchID(newID("bat_", now)) }
func NewNetworkRuleID(now time.Time) NetworkRuleID { return NetworkRuleID(newID("nru_", now)) }
func NewAlertRuleID(now time.Time) AlertRuleID     { return AlertRuleID(newID("alr_", now)) }
func NewAlertID(now time.Time) AlertID             { return AlertID(newID("alt_", now)) }
func NewMailID(now time.Time) MailID               { return MailID(newID("mal_", now)) }
func NewReplayID(now time.Time) ReplayID           { return ReplayID(newID("rpl_", now)) }
func NewBackfillID(now time.Time) BackfillID       { return BackfillID(newID("bkf_", now)) }

// FirstDeliveryID is the least id that a delivery made at t can have: for finding by time. Before 1970 it is that of 1970.
func FirstDeliveryID(t time.Time) DeliveryID { return DeliveryID(FirstID("dlv_", t)) }

// FirstEventID is FirstDeliveryID of events.
func FirstEventID(t time.Time) EventID { return EventID(FirstID("evt_", t)) }

// FirstID is FirstDeliveryID of ids with any prefix.
func FirstID(prefix string, t time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(0, t.UnixMilli()))<<16)
	return text(prefix, b)
}

// IsID reports whether text is an id with this prefix.
func IsID(prefix, text string) bool {
	rest, ok := strings.CutPrefix(text, prefix)
	return ok && len(rest) == 26 && strings.Trim(rest, digits) == ""
}

// TimeOf is when an id was made, to the millisecond; zero for what is no id.
func TimeOf(id string) time.Time {
	if len(id) < 26 {
		return time.Time{}
	}
	var n uint64
	for _, c := range []byte(id[len(id)-26:][:10]) { // the first of 26 digits holds 3 bits, so these are the 48 of the time
		d := strings.IndexByte(digits, c)
		if d < 0 {
			return time.Time{}
		}
		n = n<<5 | uint64(d)
	}
	return time.UnixMilli(int64(n)).UTC()
}

// base32 digits in ASCII order, so that text order is number order; without look-alikes.
const digits = "0123456789abcdefghjkmnpqrstvwxyz"

func newID(prefix string, now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails (crypto/rand)
	return text(prefix, b)
}

func text(prefix string, b [16]byte) string {
	out := make([]byte, len(prefix)+26)
	copy(out, prefix)
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	for i := len(out) - 1; i >= len(prefix); i-- {
		out[i] = digits[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out)
}
