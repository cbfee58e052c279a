package handlers_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"waybill/db/model"
	"waybill/handlers/apitest"
)

// command is what a curl of the reference asks for.
type command struct{ id, method, url, body string }

var curlParts = regexp.MustCompile(`(?s)^curl (?:-X (\w+) )?(\S+) \\\n  -H "Authorization: Bearer \$WAYBILL_KEY"(?: \\\n  -H 'Content-Type: application/json' \\\n  -d '(.*)'| \\\n  -H 'Content-Type: [a-z/-]+' \\\n  --data-binary @FILE)?$`)

func commands(t *testing.T, doc *goquery.Document) []command {
	t.Helper()
	var out []command
	doc.Find(".docs-resource .call").Each(func(_ int, call *goquery.Selection) {
		text := call.Find("[data-copy]").AttrOr("data-copy", "")
		id, _ := call.Attr("id")
		if !strings.HasPrefix(text, "curl") {
			return // an object, or the first call
		}
		m := curlParts.FindStringSubmatch(text)
		if m == nil {
			t.Errorf("%s: %q is no command", id, text)
			return
		}
		if m[1] == "" {
			m[1] = http.MethodGet
		}
		out = append(out, command{id, m[1], m[2], m[3]})
	})
	return out
}

// TestDocsHoldEveryCall compares the page with the document.
func TestDocsHoldEveryCall(t *testing.T) {
	s := newSite(t)
	b := s.as(s.user("ada@example.com", model.Administrator))
	resp, err := b.client.Get(s.srv.URL + "/api/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var spec struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Right       string `json:"x-right"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&spec); err != nil {
		t.Fatal(err)
	}
	index, n := b.get("/docs"), 0
	parts := map[string]page{}
	index.doc.Find(".docs-index h3 a").Each(func(_ int, a *goquery.Selection) {
		at := a.AttrOr("href", "")
		parts[at] = b.get(at)
	})
	for path, ops := range spec.Paths {
		for method, op := range ops {
			n++
			at, _, _ := strings.Cut(index.doc.Find(".docs-index a[href$='#"+op.OperationID+"']").AttrOr("href", ""), "#")
			page := parts[at]
			if page.Response == nil {
				t.Errorf("nothing leads to %s", op.OperationID)
				continue
			}
			call := page.doc.Find(".call#" + op.OperationID)
			if call.Find(".method").Text() != strings.ToUpper(method) || call.Find(".request-line .mono").Text() != path || !strings.Contains(call.Find(".badge").Text(), op.Right) {
				t.Errorf("%s %s is not there: %q", method, path, strings.Join(strings.Fields(call.Text()), " "))
			}
			if page.doc.Find(".docs-toc a[href='#"+op.OperationID+"']").Length() != 1 {
				t.Errorf("the contents do not lead to %s", op.OperationID)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d calls in the document", n)
	}
	parts["/docs"] = index
	for at, page := range parts {
		page.doc.Find("main a[href*='#']").Each(func(_ int, a *goquery.Selection) {
			to, id, _ := strings.Cut(a.AttrOr("href", ""), "#")
			if to == "" {
				to = at
			}
			if parts[to].Response == nil || parts[to].doc.Find("[id='"+id+"']").Length() != 1 {
				t.Errorf("%s leads to %s#%s, where nothing is", at, to, id)
			}
		})
	}
}

// TestDocsCommandsWork runs every command of the page but those that delete.
func TestDocsCommandsWork(t *testing.T) {
	s := newSite(t)
	con, dst := s.stock("http://receiver.waybill.internal")
	ada := s.user("ada@example.com", model.Administrator)
	_, key := s.key(ada)
	b := s.as(ada)
	b.post("/events", "name", "order.created", "data", "{}") // so that there is one
	var made []string
	spec, err := apitest.Read(s.document())
	if err != nil {
		t.Fatal(err)
	}
	lacks := newLacks(t, s.document(), key)
	var bodies []command
	run := func(c command) int {
		for placeholder, prefix := range map[string]string{"CONNECTION_ID": "con_", "DESTINATION_ID": "dst_", "ACTION_ID": "act_", "CREDENTIAL_ID": "crd_", "USER_ID": "usr_", "ROLE_ID": "rol_", "DELIVERY_ID": "dlv_",
			"INBOUND_ENDPOINT_ID": "inb_", "KEY_OF_ENDPOINT": "ink_", "EVENT_DEFINITION_ID": "evd_", "AUDIENCE_ID": "adn_", "INTEGRATION_ID": "int_", "WORKFLOW_ID": "wfl_",
			"ALERT_RULE_ID": "alr_", "RUN_ID": "run_", "TASK_ID": "tsk_", "FILE_ID": "fil_", "API_KEY_ID": "key_", "NETWORK_RULE_ID": "nru_"} {
			if i := slices.IndexFunc(made, func(id string) bool { return strings.HasPrefix(id, prefix) }); i >= 0 {
				c.url, c.body = strings.ReplaceAll(c.url, placeholder, made[i]), strings.ReplaceAll(c.body, placeholder, made[i])
			}
		}
		req, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		if c.body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := spec.Answer(c.method, strings.TrimPrefix(c.url, s.srv.URL), resp.StatusCode, resp.Header, text); err != nil {
			t.Errorf("%s: %v", c.id, err)
		}
		settled := strings.HasSuffix(c.id, "-delivery") && resp.StatusCode == http.StatusConflict || // it was delivered meanwhile
			strings.HasSuffix(c.id, "-rotation") && resp.StatusCode == http.StatusConflict || // of another credential than the one that has a new secret
			c.id == "test-connection" && resp.StatusCode == http.StatusConflict // webhooks are tested at a destination
		if resp.StatusCode >= 300 && !settled {
			t.Errorf("%s: %s %s: %d %s", c.id, c.method, c.url, resp.StatusCode, text)
		}
		if c.method == http.MethodPost {
			made = append(made, regexp.MustCompile(`[a-z]{3}_[0-9a-z]{20,}`).FindAllString(string(text), -1)...)
		}
		if c.id == "list-deliveries" {
			made = append(made, regexp.MustCompile(`dlv_[0-9a-z]+`).FindString(string(text)))
		}
		if c.body != "" && c.id != "rotate-api-key" { // twice ends the key that this test uses
			bodies = append(bodies, c)
		}
		return resp.StatusCode
	}
	var list []command
	b.get("/docs").doc.Find(".docs-index h3 a").Each(func(_ int, a *goquery.Selection) {
		list = append(list, commands(t, b.get(a.AttrOr("href", "")).doc)...)
	})
	slices.SortStableFunc(list, func(x, y command) int {
		return strings.Index("POST GET PUT", x.method) - strings.Index("POST GET PUT", y.method)
	})
	ran := 0
	for _, c := range list {
		if c.body != "" {
			if err := spec.Request(c.method, strings.TrimPrefix(c.url, s.srv.URL), []byte(c.body)); err != nil {
				t.Errorf("%s: %v", c.id, err)
			}
		}
		if c.method == http.MethodDelete {
			if !strings.Contains(c.url, "_ID") {
				t.Errorf("%s: %s would delete something when it is pasted", c.id, c.url)
			}
			continue
		}
		if c.id == "test-mail" || c.id == "cancel-delivery" || strings.Contains(c.url, "/replays/") || strings.Contains(c.url, "/rotation/") || strings.Contains(c.url, "/calls/RECEIPT") {
			continue // there is no mail server, nothing is left to cancel, nothing to replay was settled
		}
		if strings.Contains(c.url, "/tasks/TASK_ID") || strings.Contains(c.url, "/runs/RUN_ID") || strings.Contains(c.url, "/targets/") || strings.HasSuffix(c.id, "-audience-run") {
			continue // no workflow was published, no run was started by then that waits for somebody, and nothing was switched off
		}
		if strings.Contains(c.url, "/backfills") {
			continue // no bucket is connected
		}
		run(c)
		ran++
	}
	if ran < 30 {
		t.Errorf("only %d commands", ran)
	}
	for _, c := range moreBodies(s.srv.URL + "/api/v1") {
		run(c)
	}
	for _, c := range bodies {
		lacks.try(c)
	}
	lacks.judge()
	for _, id := range []string{string(con.ID), string(dst.ID)} {
		if !slices.ContainsFunc(list, func(c command) bool { return strings.Contains(c.url, id) }) {
			t.Errorf("no command names %s", id)
		}
	}
}

// TestDocsOfAViewer: a reader without rights sees which calls he may not make, and no id that he may not see.
func TestDocsOfAViewer(t *testing.T) {
	s := newSite(t)
	con, _ := s.stock("https://erp.example.com")
	nobody := s.as(s.user("nobody@example.com")).get("/docs/connections")
	if html, _ := nobody.doc.Html(); strings.Contains(html, string(con.ID)) {
		t.Error("the page shows an id to somebody who may not see the thing")
	}
	vi := s.as(s.user("vi@example.com", model.Viewer))
	viewer := vi.get("/docs/connections")
	if got := viewer.doc.Find("#create-connection .badge-warn").Text(); !strings.Contains(got, "Needs Manage Connections") {
		t.Errorf("a viewer's badge says %q", got)
	}
	if viewer.doc.Find("#show-connection .badge-warn").Length() != 0 {
		t.Error("a viewer is told that he may not see connections")
	}
	viewer.doc.Find(".docs-toc a[href^='/docs']").Each(func(_ int, a *goquery.Selection) {
		at, _, _ := strings.Cut(a.AttrOr("href", ""), "#")
		html, err := vi.get(at).doc.Html()
		if err != nil {
			t.Fatal(err)
		}
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		_, _ = z.Write([]byte(html))
		_ = z.Close()
		if zipped.Len() > 24<<10 {
			t.Errorf("%s takes %d KiB of what a first paint may", at, zipped.Len()>>10)
		}
	})
}
