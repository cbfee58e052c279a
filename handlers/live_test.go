package handlers_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
)

// TestLiveStream reads the stream as a browser does: a change is told, nothing is compressed, and the end of the server
// ends it.
func TestLiveStream(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	if got := b.get("/live/deliveries"); got.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a page at the address of the stream: %d", got.StatusCode)
	}
	b.action("All", "order.*", b.destination(b.connection("Shop"), "Orders"))
	req, err := http.NewRequest(http.MethodGet, s.srv.URL+"/live/deliveries", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Encoding") != "" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewReader(resp.Body)
	until := func(want string) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("before %q: %v", want, err)
			}
			if strings.TrimSpace(line) == want {
				return
			}
		}
	}
	until("retry: 3000")
	b.saved(b.post("/events", "name", "order.created", "data", "{}"))
	until("event: deliveries")
	s.h.Stopping()
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("the end of the stream: %v", err)
	}
}

// TestOverview is seen by those who may see all, and by one who may see nothing but his account.
func TestOverview(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	b.shows(b.get("/"), 200, "First delivery", "0 of 5 steps done")
	con := b.saved(b.post("/connections", "type", "webhook", "name", "Shop", "base_url", "http://receiver.waybill.internal", "auth", "none", "timeout_seconds", "30", "enabled", "true"))
	good, lost := b.destination(con, "Good"), b.destination(con, "Lost", "path", "/status/404")
	b.action("A", "order.created", good)
	b.shows(b.get("/"), 200, "Recent changes", "Connection created", "Shop")
	b.saved(b.post("/events", "name", "order.created", "data", "{}"))
	s.settled(1)
	s.counted(1, 0)
	calm := b.get("/")
	b.shows(calm, 200, "All is well", "1 delivery arrived in the last 24 hours", "nothing waits")
	if calm.doc.Find("#troubles").Length() != 0 {
		t.Error("troubles are shown where there are none")
	}
	b.action("B", "order.created", lost)
	b.saved(b.post("/events", "name", "order.created", "data", "{}"))
	s.settled(3)
	s.counted(2, 1)
	b.shows(b.get("/"), 200, "One thing needs attention", "Not delivered to Lost.", "Failing", "404")
	b.shows(b.get("/deliveries"), 200, "Delivered 2 66.6 %", "Failed now 1 1 in the last 24 hours", "All 3", "Failed 1", "Held 0")
	b.shows(b.get("/destinations/"+lost+"/activity?span=1h"), 200, "Failed now 1", "in the last hour, each minute", "Half within (p50)")
	b.shows(b.get("/connections/"+con+"/activity?span=30d"), 200, "Delivered 2", "Lost 0 1", "in the last 30 days, each day (UTC)")
	b.saved(b.post("/destinations/"+lost+"/enabled", "value", "off"))
	b.shows(b.get("/"), 200, "Shop → Lost is in use, but was switched off by hand.")
	b.saved(b.post("/destinations/"+lost+"/enabled", "value", "on"))
	b.saved(b.post("/connections/"+con+"/enabled", "value", "off"))
	b.saved(b.post("/events", "name", "order.created", "data", "{}"))
	home := b.get("/")
	b.shows(home, 200, "The connection Shop is in use, but was switched off by hand.", "2 deliveries are held")
	if home.doc.Find(`.health a[href="/connections/`+con+`"]`).Length() != 1 {
		t.Error("nothing leads to the connection that is off")
	}

	rule := model.AlertRule{Name: "Lost things", Kind: model.AlertBacklog, DestinationID: model.DestID(lost), Emails: []string{"ada@example.com"}, Enabled: true}
	dbtest.Write(t, s.store, func(tx *db.Tx) error {
		if err := tx.QueueMail("ada@example.com", "Hello", "alert", "text"); err != nil {
			return err
		}
		return tx.CreateAlertRule(&rule)
	})
	queued, _, err := s.store.Mails(t.Context(), db.Page{})
	if err != nil || len(queued) != 1 {
		t.Fatalf("letters %v, %v", queued, err)
	}
	mark := func(next time.Time, words string) {
		dbtest.Write(t, s.store, func(tx *db.Tx) error { return tx.MarkMail(queued[0].ID, next, words) })
	}
	mark(s.now().Add(time.Hour), "Nothing listens there.")
	off := "1 alert rule tells Shop → Lost, which is switched off: its messages are held."
	b.shows(b.get("/"), 200, "1 letter has not gone out for", "Nothing listens there.", off)
	b.shows(b.get("/settings/alerts"), 200, "Not everybody is told", "1 letter has not gone out for", off, "Shop → Lost (off), ada@example.com")
	mark(time.Time{}, "")
	if text := b.get("/").text("main"); strings.Contains(text, "not gone out") {
		t.Errorf("the letter went out, and the overview says %q", text)
	}
	b.post("/settings/alerts/" + string(rule.ID) + "/test")
	b.shows(b.get("/settings/alerts/"+string(rule.ID)), 200, "is on its way by email. The message to Shop → Lost is held until it is switched on.")
	told, _, err := s.store.Events(t.Context(), db.EventFilter{Name: "waybill.alert"}, db.Page{})
	if err != nil || len(told) != 1 {
		t.Fatalf("events of alerts %v, %v", told, err)
	}
	b.shows(b.get("/events/"+string(told[0].ID)), 200, "Sent by the alert rule Lost things, to its destination and nowhere else.")
	b.shows(b.get("/destinations/"+good), 200, "1 delivery is held. See them", "Open the connection")
	b.shows(b.get("/connections/"+con), 200, "This connection is switched off", "3 deliveries are held.")
	found := []model.Finding{{About: "x", Title: "It waits", Detail: "Not settled: 7."}}
	dbtest.Write(t, s.store, func(tx *db.Tx) error {
		list, err := tx.BeginAlerts(rule, found)
		if err != nil {
			return err
		}
		list[0].SeenAt = s.now().Add(-2 * time.Minute)
		return tx.SeeAlerts(list)
	})
	alerts := b.get("/settings/alerts")
	b.shows(alerts, 200, "Ending", "Not seen for 2 min; it counts as over when 3 min have passed without it.", "Quiet")
	if strings.Contains(alerts.text("main"), "Not settled: 7") {
		t.Error("what is not so any more is shown")
	}
	for _, path := range []string{"/destinations/" + lost, "/connections/" + con} {
		b.shows(b.get(path+"/delete"), 200, "These use it and stay, without it:", "Alert rule Lost things")
	}

	v := s.as(s.user("vi@example.com", model.Viewer)).get("/")
	b.shows(v, 200, "Not delivered to Lost.")
	if v.doc.Find(".changes").Length() != 0 {
		t.Error("the audit log is shown to somebody without the right")
	}
	nobody := s.as(s.user("no@example.com")).get("/")
	b.shows(nobody, 200, "Overview")
	if text := nobody.text("main"); strings.Contains(text, "Lost") || strings.Contains(text, "Shop") || nobody.doc.Find(".stats").Length() != 0 {
		t.Errorf("somebody without rights sees %q", text)
	}
}

// counted waits until the statistics have so many.
func (s *site) counted(delivered, failed int64) {
	s.t.Helper()
	for range 4000 {
		x, err := s.store.Series(s.t.Context(), []model.DestID{""}, s.now(), model.SpanOf("24h"))
		if err != nil {
			s.t.Fatal(err)
		}
		if x.All.Delivered+x.All.Recovered == delivered && x.All.Failed == failed {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Fatalf("not %d delivered and %d failed in the statistics", delivered, failed)
}

// A destination that is left alone says so, lets itself be tried, and says what came of it; counts are of what is failed now.
func TestPaused(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.saved(b.post("/connections", "type", "webhook", "name", "Shop", "base_url", "http://receiver.waybill.internal", "auth", "none", "timeout_seconds", "30", "enabled", "true"))
	down := b.destination(con, "Down", "path", "/status/503", "retry_schedule", "0 s, 1 h")
	b.action("A", "order.created", down)
	page := "/destinations/" + down
	if got := b.post(page + "/try"); got.StatusCode != 303 || got.Header.Get("Location") != page {
		t.Errorf("a try of one that is well: %d to %s", got.StatusCode, got.Header.Get("Location"))
	}
	b.shows(b.get(page), 200, "Messages go out to this destination", "Enabled")
	for range 12 {
		b.saved(b.post("/events", "name", "order.created", "data", "{}"))
	}
	s.becomes(b, page, "Nothing is sent for now")
	b.shows(b.get(page), 200, "Paused: keeps failing", "Try now", "10 failures in a row", "12 deliveries wait")
	b.shows(b.get("/connections/"+con+"/destinations"), 200, "Paused: keeps failing")
	s.becomes(b, "/", "Waiting to retry 10 paused")
	b.shows(b.get("/"), 200, "One thing needs attention", "Failed now 0")
	b.saved(b.post(page + "/try"))
	b.shows(b.get(page), 200, "It failed again, and the pause is as long as it was.", "Try now")
	b.saved(b.post(page, "version", "1", "name", "Down", "method", "POST", "path", "/status/200", "content_type", "application/json", "retry_schedule", "0 s, 1 h", "max_in_flight", "4", "enabled", "true"))
	b.saved(b.post(page + "/try"))
	b.shows(b.get(page), 200, "It works again.")
	if text := b.get("/").text("main"); strings.Contains(text, "Nothing goes to") {
		t.Error("the overview still tells of a pause")
	}
}

// becomes waits until a page says words.
func (s *site) becomes(b *browser, page, words string) {
	s.t.Helper()
	for range 2000 {
		if strings.Contains(dense(b.get(page).text("main")), dense(words)) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Fatalf("%s never says %q", page, words)
}
