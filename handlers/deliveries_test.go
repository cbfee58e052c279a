package handlers_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"waybill/db"
	"waybill/db/model"
)

type goquerySelection = goquery.Selection

// settled waits until so many deliveries are over.
func (s *site) settled(n int) []model.Delivery {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		list, _, err := s.store.Deliveries(s.t.Context(), db.DeliveryFilter{}, db.Page{Limit: db.MaxPage})
		if err != nil {
			s.t.Fatal(err)
		}
		over := 0
		for _, d := range list {
			if d.Status.Settled() {
				over++
			}
		}
		if over == n {
			return list
		}
	}
	s.t.Fatalf("not %d deliveries settled in time", n)
	return nil
}

func TestEvents(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	b.shows(b.get("/events"), 200, "No events yet")
	if data := b.get("/events/new").value("data"); !strings.Contains(data, `"currency": "EUR"`) {
		t.Errorf("the form does not begin with the sample: %q", data)
	}
	bad := b.post("/events", "name", "order.created", "subject", "A-1", "data", "{\r\n  \"a\": 1,\r\n  b: 2\r\n}")
	b.shows(bad, 422, "Line 3, column 3: this is not JSON")
	if bad.value("data") != "{\n  \"a\": 1,\n  b: 2\n}" || bad.value("subject") != "A-1" {
		t.Errorf("what was typed is not kept: %q", bad.value("data"))
	}
	for text, want := range map[string]string{`{"a":1} x`: "Line 1, column 8", `{"a":`: "Line 1, column 6", `"half`: "Line 1"} {
		b.shows(b.post("/events", "name", "a", "data", text), 422, want)
	}
	b.shows(b.post("/events", "name", "not a name", "data", "{}"), 422, "No spaces")
	con := b.connection("Shop")
	dst := b.destination(con, "Orders")
	b.action("All", "order.created", dst)
	b.action("Large", "order.*", dst, "filter", "event.data.total > 100")
	b.action("Broken", "order.*", dst, "filter", "event.data.total > 1")
	b.saved(b.post("/actions/"+b.action("Off", "order.created", dst)+"/enabled", "value", "off"))
	id := b.saved(b.post("/events", "name", "order.created", "subject", "A-1", "data", `{"total":12345678901234567890,"z":{"b":1,"a":2}}`))
	s.settled(3)
	got := b.get("/events/" + id)
	b.shows(got, 200, "12345678901234567890", "Sent All", "Sent Large", "Action off Off", "The action was switched off.")
	if z, a := strings.Index(got.text("pre"), `"b"`), strings.Index(got.text("pre"), `"a"`); z < 0 || z > a {
		t.Error("the order of keys is not kept")
	}
	if n := got.doc.Find("#deliveries tbody tr").Length(); n != 3 {
		t.Errorf("%d deliveries, want 3", n)
	}
	small := b.saved(b.post("/events", "name", "order.created", "data", `{"total":5}`))
	b.shows(b.get("/events/"+small), 200, "Filtered out Large", "event.data.total = 5")
	b.shows(b.get("/events?name=order.created"), 200, "A-1", "2 events")
	b.shows(b.get("/events?name=order"), 200, "No event is called “order”")
	b.shows(b.get("/events/evt_none"), 404)
}

func TestDeliveries(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	b.shows(b.get("/deliveries"), 200, "No deliveries yet")
	con := b.saved(b.post("/connections", "type", "webhook", "name", "Shop", "base_url", "http://receiver.waybill.internal", "timeout_seconds", "30", "enabled", "true",
		"auth", "new", "credential_type", "bearer", "new.bearer.token", secret))
	good, lost := b.destination(con, "Good"), b.destination(con, "Lost", "path", "/status/404")
	b.action("A", "order.created", good)
	b.action("B", "order.created", lost)
	evt := b.saved(b.post("/events", "name", "order.created", "data", `{"id":"A-1"}`))
	ids := map[model.Status]string{}
	for _, d := range s.settled(2) {
		ids[d.Status] = string(d.ID)
	}
	list := b.get("/deliveries")
	b.shows(list, 200, "order.created", "Good", "200 OK", "404 Not Found", "2 deliveries")
	if bar, _ := list.doc.Find("#" + ids[model.Delivered] + " .attempts").Attr("aria-label"); bar != "1 of 2 attempts, last one delivered" {
		t.Errorf("attempt bars: %q", bar)
	}
	for query, want := range map[string]int{"?status=failed": 1, "?status=delivered&destination_id=" + lost: 0, "?event_id=" + evt: 2, "?destination_id=" + good: 1, "?status=sending": 0, "?event_id=evt_x": 0} {
		got := b.get("/deliveries" + query)
		if n := got.doc.Find("#deliveries tbody tr").Length(); n != want {
			t.Errorf("%s: %d rows, want %d", query, n, want)
		}
		if want == 0 {
			b.shows(got, 200, "Nothing matches", "Clear filter")
		}
	}
	if got := b.get("/deliveries?event_id=" + ids[model.Failed]); got.Header.Get("Location") != "/deliveries/"+ids[model.Failed] {
		t.Error("a delivery's id does not lead to it")
	}
	one := b.get("/deliveries/" + ids[model.Failed])
	b.shows(one, 200, "Attempt 1", "404 Not Found", "Bearer •••", `{"id":"A-1"}`, "Send again")
	noSecret(t, "delivery", one)
	if one.doc.Find(`form[action$="/cancel"]`).Length() != 0 {
		t.Error("a settled delivery can be cancelled")
	}
	b.saved(b.post("/deliveries/" + ids[model.Failed] + "/retry"))
	s.attempts(ids[model.Failed], 2)
	b.shows(b.get("/deliveries/"+ids[model.Failed]), 200, "Attempt 2")
	b.saved(b.post("/deliveries/" + ids[model.Failed] + "/cancel"))
	b.shows(b.get("/deliveries/"+ids[model.Failed]), 200, "already failed")

	b.saved(b.post("/connections/"+con+"/enabled", "value", "off"))
	b.saved(b.post("/events", "name", "order.created", "data", "{}"))
	held, _ := b.get("/deliveries?status=held").doc.Find("#deliveries tbody tr").Attr("id")
	b.shows(b.get("/deliveries/"+held), 200, "Held", "is switched off", "Cancel delivery", "Open the destination")
	if b.get("/deliveries/"+held).doc.Find(`form[action$="/retry"]`).Length() != 0 {
		t.Error("what nothing may be sent to offers to send")
	}
	b.saved(b.post("/deliveries/" + held + "/retry"))
	b.shows(b.get("/deliveries/"+held), 200, "is switched off", "Nothing was sent.", "Held")
	b.saved(b.post("/deliveries/" + held + "/cancel"))
	b.shows(b.get("/deliveries/"+held), 200, "Cancelled")
}

// What is under way is counted and listed as that alone.
func TestSendingIsCountedAsThat(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	con := b.saved(b.post("/connections", "type", "webhook", "name", "Shop", "base_url", "http://receiver.waybill.internal", "timeout_seconds", "30", "enabled", "true"))
	dst := b.destination(con, "Slow", "path", "/slow/5")
	b.action("A", "order.created", dst)
	b.saved(b.post("/events", "name", "order.created", "data", "1"))
	b.saved(b.post("/events", "name", "order.created", "data", "1"))
	for deadline := time.Now().Add(20 * time.Second); b.get("/deliveries?status=sending").doc.Find("#deliveries tbody tr").Length() < 2; {
		if time.Now().After(deadline) {
			t.Fatal("they are not sent")
		}
	}
	for query, rows := range map[string]int{"": 2, "?status=pending": 0, "?status=sending": 2} {
		p := b.get("/deliveries" + query)
		if n := p.doc.Find("#deliveries tbody tr").Length(); n != rows {
			t.Errorf("%s: %d rows, want %d", query, n, rows)
		}
		var tabs []string
		p.doc.Find(".deliveries-toolbar a").Each(func(_ int, a *goquery.Selection) { tabs = append(tabs, strings.Join(strings.Fields(a.Text()), " ")) })
		open := p.doc.Find(".activity dt").FilterFunction(func(_ int, dt *goquery.Selection) bool { return strings.TrimSpace(dt.Text()) == "Not settled" }).Next()
		if got := open.Find(".stat-value").Text(); got != "2" {
			t.Errorf("%s: %q are not settled, want 2", query, got)
		}
		if got := strings.Join(tabs, ", "); !strings.Contains(got, "Pending 0, Sending 2") {
			t.Errorf("%s: tabs %s", query, got)
		}
	}
}

// attempts waits until a delivery has so many.
func (s *site) attempts(id string, n int) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if list, err := s.store.Attempts(s.t.Context(), model.DeliveryID(id)); err != nil {
			s.t.Fatal(err)
		} else if len(list) == n {
			return
		}
	}
	s.t.Fatalf("not %d attempts in time", n)
}

func TestDeliveriesPage(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	dst := b.destination(b.connection("Shop"), "Orders")
	b.action("A", "n.*", dst)
	for i := range 55 {
		b.saved(b.post("/events", "name", "n."+strconv.Itoa(i%3), "data", "1"))
	}
	seen := map[string]bool{}
	url := "/deliveries?destination_id=" + dst
	for range 3 {
		p := b.get(url)
		p.doc.Find("#deliveries tbody tr").Each(func(_ int, row *goquery.Selection) {
			id, _ := row.Attr("id")
			if seen[id] {
				t.Errorf("%s is on two pages", id)
			}
			seen[id] = true
		})
		next, more := p.doc.Find(`.pagination a[rel=next]`).Attr("href")
		if !more {
			break
		}
		if url = next; !strings.Contains(url, "destination_id="+dst) {
			t.Fatalf("the next page forgets the filter: %s", url)
		}
	}
	if len(seen) != 55 {
		t.Errorf("%d deliveries on all pages, want 55", len(seen))
	}
}
