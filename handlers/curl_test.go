package handlers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db"
	"waybill/db/model"
)

// TestCopyAsCurlRuns gives the command of an attempt to bash, for every type of credential that requests can carry: with the
// secrets set as variables it sends the same request, and without them it holds none.
func TestCopyAsCurlRuns(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if _, none := exec.LookPath("curl"); err != nil || none != nil {
		if os.Getenv("E2E") == "require" {
			t.Fatal("bash and curl are needed")
		}
		t.Skip("there is no bash or no curl here; CI has them")
	}
	type request struct {
		Line, Body string
		Header     http.Header
	}
	var mu sync.Mutex
	got := map[string][]request{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_, _ = io.WriteString(w, `{"access_token":"granted-by-them","token_type":"Bearer","expires_in":3600}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path] = append(got[r.URL.Path], request{r.Method + " " + r.RequestURI, string(body), r.Header.Clone()})
	}))
	defer srv.Close()
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	own, key := s.key(ada)
	b := s.as(ada)
	post := func(path string, body any) map[string]any {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest("POST", s.srv.URL+"/api/v1"+path, strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode >= 300 {
			t.Fatalf("%s: %d %v %v", path, resp.StatusCode, out, err)
		}
		return out
	}
	post("/network-rules", map[string]any{"pattern": "127.0.0.1", "note": "The receiver of this test"})
	for i, c := range []struct {
		kind   string
		config map[string]any
	}{
		{"basic", map[string]any{"username": "ada", "password": `hush "$HOME" 'x'`}},
		{"bearer", map[string]any{"token": "hush-hush"}},
		{"header", map[string]any{"header_name": "X-Their-Key", "header_value": "hush-hush"}},
		{"oauth2", map[string]any{"grant": "client_credentials", "token_url": srv.URL + "/token", "client_id": "w", "client_secret": "hush-hush"}},
		{"aws_sigv4", map[string]any{"access_key_id": "AKIAEXAMPLE", "secret_access_key": "hush-hush", "session_token": "hush-session", "service": "execute-api", "region": "eu-north-1"}},
		{"aws_sigv4", map[string]any{"access_key_id": "AKIAEXAMPLE", "secret_access_key": "hush-hush", "service": "execute-api", "region": "eu-north-1", "sign_query": true}},
		{"platform_api_key", map[string]any{"api_key_id": own.ID}},
		{"", nil},
	} {
		t.Run(fmt.Sprint(i, c.kind), func(t *testing.T) {
			name, path := fmt.Sprint("c", i), fmt.Sprint("/to/", i)
			conn := map[string]any{"name": name, "base_url": srv.URL}
			if c.kind != "" {
				conn["credential_id"] = post("/credentials", map[string]any{"name": name, "type": c.kind, "config": c.config})["id"]
			}
			con := post("/connections", conn)
			dst := post(fmt.Sprint("/connections/", con["id"], "/destinations"), map[string]any{"name": name, "path": path + "?a[0]=1&b=c d", "headers": []any{map[string]any{"name": "X-Text", "value": "it's $HOME"}}})
			post("/actions", map[string]any{"name": name, "event": "curl." + name, "destination_id": dst["id"]})
			e := post("/events", map[string]any{"name": "curl." + name, "data": map[string]any{"text": "it's $HOME `id` \\ \"quoted\""}})
			command := ""
			for end := time.Now().Add(20 * time.Second); command == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				list, _, err := s.store.Deliveries(t.Context(), db.DeliveryFilter{EventID: model.EventID(fmt.Sprint(e["id"]))}, db.Page{})
				if err != nil {
					t.Fatal(err)
				}
				if len(list) == 1 && list[0].Status == model.Delivered {
					command = b.get("/deliveries/"+string(list[0].ID)).doc.Find("[data-copy^='curl']").AttrOr("data-copy", "none")
				}
			}
			if strings.Contains(command, "hush") || strings.Contains(command, "granted") || strings.Contains(command, model.Mask) || strings.Contains(command, "eyJ") {
				t.Errorf("a secret, or dots in place of one: %s", command)
			}
			came := func() []request {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(got[path])
			}
			if n := len(came()); n != 1 {
				t.Fatalf("%d requests came: %s", n, command)
			}
			first := came()[0]
			cmd := exec.Command(bash, "-c", command)
			cmd.Env = append(variables(t, first.Line, first.Header), "PATH=/usr/bin:/bin:/usr/local/bin", "WAYBILL_USER=ada", `WAYBILL_PASSWORD=hush "$HOME" 'x'`)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s\n%s", err, out, command)
			}
			if diff := cmp.Diff(first, came()[1]); diff != "" {
				t.Errorf("%s\n%s", diff, command)
			}
			if bare, err := exec.Command(bash, "-c", command).CombinedOutput(); c.kind != "" && err == nil {
				t.Errorf("runs without its secrets: %s", bare)
			}
		})
	}
}

// variables are the headers and parameters of a request as those of a shell.
func variables(t *testing.T, line string, h http.Header) []string {
	t.Helper()
	name := func(s string) string { return "WAYBILL_" + strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
	var out []string
	for k := range h {
		out = append(out, name(k)+"="+h.Get(k))
	}
	_, token, _ := strings.Cut(h.Get("Authorization"), " ")
	out = append(out, "WAYBILL_TOKEN="+token, "WAYBILL_AWS_SIGNATURE="+token)
	u, err := url.ParseRequestURI(strings.Fields(line)[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Split(u.RawQuery, "&") {
		k, v, _ := strings.Cut(p, "=")
		out = append(out, name(strings.NewReplacer("[", "_", "]", "_", "%5B", "_", "%5D", "_").Replace(k))+"="+v)
	}
	return out
}
