package handlers_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
)

// csvOf downloads a list and reads it.
func (b *browser) csvOf(path string) [][]string {
	t := b.s.t
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.s.srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("%s: %d %v", path, resp.StatusCode, resp.Header)
	}
	rows, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rows
}

func TestExports(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	b := s.as(ada)
	// More than a page, with a name that a spreadsheet would take for a formula.
	for i := range db.MaxPage + 5 {
		dbtest.Write(t, s.store, func(tx *db.Tx) error {
			return tx.CreateUser(&model.User{Email: fmt.Sprintf("u%d@example.com", i), Name: "=1+1, \"x\""}, "")
		})
	}
	all := b.csvOf("/audit.csv?kind=user")
	if len(all) != 1+1+db.MaxPage+5 || all[0][0] != "time" {
		t.Errorf("%d lines, the first is %v", len(all), all[0])
	}
	if got := b.csvOf("/audit.csv?kind=user&q=u17%40"); len(got) != 2 || !strings.Contains(got[1][8], `name: "" → "=1+1, \"x\""`) {
		t.Errorf("filtered: %v", got)
	}
	if got := b.csvOf("/audit.csv?who=%3D1"); len(got) != 1 {
		t.Errorf("by nobody: %v", got)
	}
	for i, path := range []string{"/audit", "/audit?address=192.0.2.", "/audit?address=127.0.0.1"} {
		link, _ := b.get(path).doc.Find("a[data-export]").Attr("href")
		if want := strings.Replace(path, "/audit", "/audit.csv", 1); i < 2 && link != want {
			t.Errorf("%s exports %q, want %q", path, link, want)
		}
	}
	b.post("/events", "name", "order.created", "subject", "=cmd()", "data", "{}")
	if got := b.csvOf("/events.csv?name=order.created"); len(got) != 2 || got[1][3] != "'=cmd()" {
		t.Errorf("events: %v", got)
	}
	if got := b.csvOf("/events.csv?name=nothing"); len(got) != 1 {
		t.Errorf("events that are not: %v", got)
	}
	if got := b.csvOf("/deliveries.csv?status=failed&lane=realtime"); len(got) != 1 || got[0][2] != "status" {
		t.Errorf("deliveries: %v", got)
	}
	if got := s.as(s.user("vi@example.com", model.Viewer)).get("/audit.csv"); got.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer exports the audit log: %d", got.StatusCode)
	}
}
