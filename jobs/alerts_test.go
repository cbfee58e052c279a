package jobs

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/mail/mailtest"
)

// rule stores a rule.
func (d *desk) rule(r model.AlertRule) model.AlertRule {
	d.Helper()
	r.Enabled = true
	if err := d.CheckAlertRule(context.Background(), &r); err != nil {
		d.Fatal(err)
	}
	d.write(func(tx *db.Tx) error { return tx.CreateAlertRule(&r) })
	return r
}

func (d *desk) open() []string {
	d.Helper()
	list, err := d.store.OpenAlerts(context.Background())
	if err != nil {
		d.Fatal(err)
	}
	var out []string
	for _, a := range list {
		out = append(out, string(a.Kind)+" "+a.About)
	}
	return out
}

func (d *desk) waitFor(what string, is func() bool) {
	d.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.Fatalf("waited in vain for %s", what)
		}
	}
}

func (d *desk) judged(now time.Time) {
	d.Helper()
	if err := d.judge(context.Background(), now); err != nil {
		d.Fatal(err)
	}
}

// messages are the data of the alert events that arrived at the receiver.
func (d *desk) messages() (out []map[string]any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range d.requests {
		if !strings.HasPrefix(r.URL.Path, "/base/alerts") {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(d.bodies[i]), &m); err != nil {
			d.Error(err)
		}
		out = append(out, m)
	}
	return out
}

// A rule tells once when something begins, by letter and by message, once when it is over, and nobody of a destination by way of
// itself; what it tells does not cause another alert.
func TestAlerts(t *testing.T) {
	d := newDesk(t)
	post := mailtest.Start(t, mailtest.Options{NoTLS: true})
	ctx, now := context.Background(), time.Now()
	if err := d.UpdateMail(ctx, dbtest.Admin(), model.MailSettings{Host: "127.0.0.1", Port: post.Port, Security: model.MailPlain, From: "waybill@example.com"}, ""); err != nil {
		t.Fatal(err)
	}
	chat := model.Destination{ConnectionID: d.conn.ID, Name: "Chat", Path: "alerts", Enabled: true}
	chat.Clean()
	d.write(func(tx *db.Tx) error { return tx.CreateDestination(&chat, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") })
	catchAll := model.Action{Name: "All", Event: "waybill.*", DestinationID: d.dest.ID, Enabled: true}
	d.write(func(tx *db.Tx) error { return tx.CreateAction(&catchAll) })
	rates := d.rule(model.AlertRule{Name: "Rates", Kind: model.AlertFailureRate, Threshold: 50, Least: 3, Emails: []string{"ada@example.com"}, DestinationID: chat.ID})

	d.judged(now)
	if got := d.open(); len(got) != 0 {
		t.Fatalf("open before anything went wrong: %v", got)
	}
	stats := func(of model.DestID, what string, n int64) {
		if err := d.store.AddStats([]model.Rollup{{Destination: of, What: what, Minute: model.Minute(now), N: n}}); err != nil {
			t.Fatal(err)
		}
	}
	stats(d.dest.ID, "failed", 2)
	d.judged(now)
	if got := d.open(); len(got) != 0 {
		t.Errorf("two attempts say something: %v", got)
	}
	stats(d.dest.ID, "retrying", 5)
	stats(d.dest.ID, "delivered", 3)
	stats(chat.ID, "failed", 9)
	for range 3 {
		d.judged(now)
	}
	want := []string{"failure_rate destination:" + string(chat.ID), "failure_rate destination:" + string(d.dest.ID)}
	if got := d.open(); len(got) != 2 || !slices.Contains(got, want[0]) || !slices.Contains(got, want[1]) {
		t.Fatalf("open: %v", got)
	}
	d.waitFor("one letter and one message", func() bool { return len(post.Letters()) == 1 && len(d.messages()) == 1 })
	letter := post.Letters()[0]
	if !strings.Contains(letter.Text, "Subject: Waybill: Rates (2)") || !strings.Contains(letter.Text, "Orders: 70 % of the attempts fail") || letter.To[0] != "ada@example.com" {
		t.Errorf("the letter is %+v", letter)
	}
	m := d.messages()[0]
	if m["firing_count"] != 1.0 || !strings.Contains(m["text"].(string), "70 %") || strings.Contains(m["text"].(string), "Chat") || m["test"] != false {
		t.Errorf("the message is %v; what is wrong with the chat itself is not told there", m)
	}
	if events, _, err := d.store.Events(ctx, db.EventFilter{Name: EventAlert}, db.Page{}); err != nil || len(events) != 1 || events[0].Deliveries != 1 {
		t.Errorf("alert events %+v, %v: want one, with its one delivery", events, err)
	}

	// A process that starts again knows what was told, and tells what is over.
	d.judged(now.Add(model.AlertQuiet - time.Second))
	if got := d.open(); len(got) != 2 {
		t.Errorf("over too early: %v", got)
	}
	later := now.Add(time.Hour)
	d.judged(later)
	d.judged(later)
	d.waitFor("that it is over", func() bool { return len(post.Letters()) == 2 && len(d.messages()) == 2 })
	if m := d.messages()[1]; m["resolved_count"] != 1.0 || m["firing_count"] != 0.0 {
		t.Errorf("the message is %v", m)
	}

	// Snoozed, nobody is told; afterwards, of what still goes on.
	rates.SnoozedUntil = later.Add(time.Hour)
	d.write(func(tx *db.Tx) error { return tx.UpdateAlertRule(&rates) })
	now = later
	stats(d.dest.ID, "failed", 9)
	d.judged(later)
	if len(d.open()) != 1 {
		t.Errorf("open while snoozed: %v", d.open())
	}
	rates.SnoozedUntil = time.Time{}
	if queued, _, err := d.store.Mails(ctx, db.Page{}); err != nil || len(queued) != 2 {
		t.Errorf("letters %v, %v; want no third one while snoozed", queued, err)
	}
	d.write(func(tx *db.Tx) error { return tx.UpdateAlertRule(&rates) })
	d.judged(later.Add(time.Second))
	d.waitFor("what still goes on", func() bool { return len(post.Letters()) == 3 })

	if err := d.TestAlertRule(ctx, dbtest.Admin(), rates.ID); err != nil {
		t.Fatal(err)
	}
	d.waitFor("the test", func() bool { return len(post.Letters()) == 4 && len(d.messages()) == 4 })
	if m := d.messages()[3]; m["test"] != true {
		t.Errorf("the test is %v", m)
	}
	rates.Enabled = false
	d.write(func(tx *db.Tx) error { return tx.UpdateAlertRule(&rates) })
	d.judged(later.Add(2 * time.Second))
	if got := d.open(); len(got) != 0 {
		t.Errorf("open of a rule that is off: %v", got)
	}
}

// Every kind of rule finds what it is for.
func TestFindings(t *testing.T) {
	d := newDesk(t)
	ctx, now := context.Background(), time.Now()
	d.rule(model.AlertRule{Name: "off", Kind: model.AlertSwitchedOff, DestinationID: d.dest.ID})
	d.rule(model.AlertRule{Name: "ends", Kind: model.AlertCredential, DestinationID: d.dest.ID})
	d.rule(model.AlertRule{Name: "jobs", Kind: model.AlertJob, Threshold: 1, DestinationID: d.dest.ID})
	d.rule(model.AlertRule{Name: "waits", Kind: model.AlertBacklog, Threshold: 1, DestinationID: d.dest.ID})
	d.rule(model.AlertRule{Name: "disk", Kind: model.AlertDisk, Threshold: 100, DestinationID: d.dest.ID})
	d.rule(model.AlertRule{Name: "breaker", Kind: model.AlertBreaker, Threshold: 1, DestinationID: d.dest.ID})
	d.rule(model.AlertRule{Name: "inbound", Kind: model.AlertInbound, DestinationID: d.dest.ID})
	d.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	d.settled(d.publish("order.created", order).ID, model.Retrying)
	if err := d.measure(ctx); err != nil {
		t.Fatal(err)
	}
	if b := d.Backlog(); b.All.N != 1 || b.Of(d.dest.Target()).N != 1 || b.All.Oldest.IsZero() {
		t.Errorf("backlog %+v", b)
	}
	d.judged(now)
	if got := d.open(); len(got) != 0 {
		t.Errorf("open too early: %v", got)
	}
	d.Job("mail", context.DeadlineExceeded)
	d.cred.ExpiresAt = now.Add(48 * time.Hour)
	d.write(func(tx *db.Tx) error { return tx.UpdateCredential(&d.cred, nil) })
	d.write(func(tx *db.Tx) error {
		return tx.SwitchOffDestination(d.dest.ID, "The receiver answered 410 (gone for good).")
	})
	d.judged(now.Add(2 * time.Minute))
	got := strings.Join(d.open(), "; ")
	for _, want := range []string{"destination_disabled destination:" + string(d.dest.ID), "credential_ends credential:" + string(d.cred.ID), "job_failing job:mail", "backlog_age destination:" + string(d.dest.ID)} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not among the open ones: %s", want, got)
		}
	}
	if n := len(d.open()); n != 4 {
		t.Errorf("%d are open: %s", n, got)
	}
	d.Job("mail", nil)
	d.judged(now.Add(10 * time.Minute))
	if strings.Contains(strings.Join(d.open(), " "), "job:mail") {
		t.Error("work that gets on again is still told as failing")
	}
	bad := model.AlertRule{Name: "x", Kind: model.AlertFailureRate, Scope: string(d.dest.ID), DestinationID: d.dest.ID, Emails: []string{"nobody"}, Threshold: 101}
	err := d.CheckAlertRule(ctx, &bad)
	for _, field := range []string{"emails", "threshold", "destination_id"} {
		if err == nil || !strings.Contains(err.Error(), field+":") {
			t.Errorf("the check says %v, want something about %s", err, field)
		}
	}
}

// Letters that do not go out are tried again, and a failing mail server is no reason for letters.
func TestLettersRetry(t *testing.T) {
	d := newDesk(t)
	ctx := context.Background()
	busy := mailtest.Start(t, mailtest.Options{NoTLS: true, Refuse: "451 4.7.1 Come back later"})
	if err := d.UpdateMail(ctx, dbtest.Admin(), model.MailSettings{Host: "127.0.0.1", Port: busy.Port, Security: model.MailPlain, From: "waybill@example.com"}, ""); err != nil {
		t.Fatal(err)
	}
	d.write(func(tx *db.Tx) error {
		tx.After(d.mail.poke)
		return tx.QueueMail("ada@example.com", "Hello", "alert", "text")
	})
	var m model.Mail
	d.waitFor("the first try", func() bool {
		list, _, err := d.store.Mails(ctx, db.Page{})
		m = list[0]
		return err == nil && m.Attempts == 1
	})
	if m.DueAt.Before(time.Now().Add(30*time.Second)) || !strings.Contains(m.LastError, "Come back later") || len(d.failing()) != 1 {
		t.Errorf("after the first try %+v, failing %v", m, d.failing())
	}
	if err := d.TestMail(ctx, "ada@example.com", func(_ string, w *fault.Words) string { return w.String() }); err == nil || !strings.Contains(err.Error(), "Come back later") {
		t.Errorf("the test says %v", err)
	}
	if err := d.UpdateMail(ctx, dbtest.Admin(), model.MailSettings{Host: "mail.internal.example", Username: "u", From: "w@example.com", Security: model.MailPlain}, "secret"); err == nil {
		t.Error("a password without TLS was taken")
	}
}

// The trace of a call goes on with what it causes, also after a stop in between; what is no traceparent does not.
func TestTraceGoesOn(t *testing.T) {
	d := newDesk(t)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for sent, want := range map[string]string{trace: trace, "00-zz-1": "", "": "", strings.Replace(trace, "4bf92f3577b34da6a3ce929d0e0e4736", strings.Repeat("0", 32), 1): ""} {
		out, err := d.Publish(context.Background(), dbtest.Admin(), "", false, []NewEvent{{Name: "order.created", Data: json.RawMessage(order), Traceparent: sent}})
		if err != nil {
			t.Fatal(err)
		}
		first := d.settled(out[0].ID, model.Delivered)
		if _, err := d.Retry(context.Background(), dbtest.Admin(), first.ID); err != nil { // read again from the database
			t.Fatal(err)
		}
		d.waitFor("the second request", func() bool { return d.received()%2 == 0 })
		d.settled(out[0].ID, model.Delivered)
		d.mu.Lock()
		for _, r := range d.requests[len(d.requests)-2:] {
			if got := r.Header.Get("Traceparent"); got != want {
				t.Errorf("of %q the request has %q", sent, got)
			}
		}
		d.mu.Unlock()
	}
	d.waitFor("the sums", func() bool { // an outcome can be read before it is told of
		sums := d.Sums()
		return len(sums) == 1 && sums[0].Destination == d.dest.ID && sums[0].Delivered >= 8 && sums[0].Answers >= 8
	})
	if load := d.store.WriterLoad(); load.Groups == 0 || load.Closures < load.Groups {
		t.Errorf("writer %+v", load)
	}
}
