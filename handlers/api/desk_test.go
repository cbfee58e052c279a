package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/handlers/apitest"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/egress"
	"waybill/jobs/script"
)

// The test binary is its own render worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "render-worker" {
		if err := script.ServeWorker(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// desk is the API over a real store and engine, called over real HTTP on loopback.
type desk struct {
	testing.TB
	store *db.Store
	jobs  *jobs.Service
	table []web.Route
	url   string
	spec  *apitest.Spec
	logs  *logs
	admin string // an API key
	user  model.User

	rx   *httptest.Server // a receiver
	mu   sync.Mutex
	got  []string
	hold chan struct{} // what comes to /slow waits for it
	seen []byte        // every answer so far
}

// logs keeps what the program logged.
type logs struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{TB: t, store: dbtest.Open(t), logs: &logs{}}
	d.rx = httptest.NewServer(http.HandlerFunc(d.receive))
	t.Cleanup(d.rx.Close)
	rules, err := egress.ParseRules("127.0.0.1/32")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(d.logs, nil))
	d.jobs = jobs.New(jobs.Options{Store: d.store, Now: time.Now, Log: log, Rules: rules, Version: "test", Node: model.NewNodeID(time.Now())})
	if err := d.jobs.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.jobs.Stop(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
	d.mount(log)
	d.user, d.admin = d.person("ada@example.com", model.Administrator)
	return d
}

func (d *desk) mount(log *slog.Logger) {
	d.Helper()
	base, _ := url.Parse("http://waybill.test")
	w, err := web.New(web.Options{Store: d.store, Now: time.Now, Log: log, BaseURL: base, Version: "test", Nav: nil})
	if err != nil {
		d.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = w.HandleError
	e.Use(w.Prepare)
	d.table = Routes(w, d.jobs)
	if err := w.Mount(e, d.table); err != nil {
		d.Fatal(err)
	}
	if d.spec, err = apitest.Read(document(d, w)); err != nil {
		d.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	server := &http.Server{Handler: e}
	go func() { _ = server.Serve(listener) }()
	d.Cleanup(func() { _ = server.Close() })
	d.url = "http://" + listener.Addr().String()
}

// document is the document, which is the same for all desks.
func document(d *desk, w *web.Web) []byte {
	d.Helper()
	text, err := Document(w, d.jobs)
	if err != nil {
		d.Fatal(err)
	}
	return text
}

// person makes a user with a role and a key that acts as him.
func (d *desk) person(email string, roles ...string) (model.User, string) {
	d.Helper()
	u := model.User{Email: email, Name: strings.Split(email, "@")[0], Roles: roles}
	key, hash, hint := db.NewKey()
	dbtest.Write(d, d.store, func(tx *db.Tx) error {
		if err := tx.CreateUser(&u, ""); err != nil {
			return err
		}
		return tx.CreateAPIKey(&model.APIKey{Name: email, UserID: u.ID, Hint: hint}, hash)
	})
	return u, key.Reveal()
}

func (d *desk) receive(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.got = append(d.got, string(text))
	d.mu.Unlock()
	if r.URL.Path == "/slow" {
		<-d.hold
	}
	if strings.HasPrefix(r.URL.Path, "/fail") {
		w.WriteHeader(http.StatusBadRequest)
	}
	_, _ = w.Write([]byte("thanks"))
}

// do sends a request as the administrator; body is text as it is, or anything that is JSON.
func (d *desk) do(method, path string, body any, headers ...string) reply {
	d.Helper()
	var in io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case string:
		in, kind = strings.NewReader(b), "application/json"
	case []byte:
		in, kind = bytes.NewReader(b), "application/json"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			d.Fatal(err)
		}
		in, kind = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequest(method, d.url+path, in)
	if err != nil {
		d.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Authorization", "Bearer "+d.admin)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	d.mu.Lock()
	d.seen = append(append(d.seen, text...), '\n')
	d.mu.Unlock()
	if err := d.spec.Answer(method, path, res.StatusCode, res.Header, text); err != nil {
		d.Error(err)
	}
	return reply{d, method + " " + path, res.StatusCode, res.Header, text}
}

// reply is what came back.
type reply struct {
	d      *desk
	call   string
	Status int
	Header http.Header
	Text   []byte
}

// want fails the test on another status.
func (r reply) want(status int) reply {
	r.d.Helper()
	if r.Status != status {
		r.d.Fatalf("%s: want %d, got %d: %s", r.call, status, r.Status, r.Text)
	}
	return r
}

func (r reply) object() map[string]any {
	r.d.Helper()
	var out map[string]any
	if err := json.Unmarshal(r.Text, &out); err != nil {
		r.d.Fatalf("%s: %v: %s", r.call, err, r.Text)
	}
	return out
}

func (r reply) id() string   { r.d.Helper(); return r.object()["id"].(string) }
func (r reply) items() []any { r.d.Helper(); return r.object()["items"].([]any) }
func (r reply) first() map[string]any {
	r.d.Helper()
	items := r.items()
	if len(items) == 0 {
		r.d.Fatalf("%s: no items", r.call)
	}
	return items[0].(map[string]any)
}

// problem checks that the answer is a whole problem document and gives it.
func (r reply) problem(status int, code string) map[string]any {
	r.d.Helper()
	p := r.want(status).object()
	if ct := r.Header.Get("Content-Type"); ct != "application/problem+json" {
		r.d.Fatalf("%s: content type %q", r.call, ct)
	}
	for _, name := range []string{"type", "title", "detail", "code", "request_id"} {
		if s, ok := p[name].(string); !ok || s == "" {
			r.d.Fatalf("%s: problem without %s: %s", r.call, name, r.Text)
		}
	}
	if _, ok := p["errors"].([]any); !ok || p["status"] != float64(status) {
		r.d.Fatalf("%s: problem without errors or status: %s", r.call, r.Text)
	}
	if code != "" && p["code"] != code {
		r.d.Fatalf("%s: want code %q, got %s", r.call, code, r.Text)
	}
	return p
}

// fields checks which fields an invalid request is told of.
func (r reply) fields(want ...string) {
	r.d.Helper()
	p := r.problem(http.StatusUnprocessableEntity, "")
	got := map[string]bool{}
	for _, e := range p["errors"].([]any) {
		got[e.(map[string]any)["field"].(string)] = true
	}
	for _, w := range want {
		if !got[w] {
			r.d.Fatalf("%s: no complaint about %q: %s", r.call, w, r.Text)
		}
	}
	if len(got) != len(want) {
		r.d.Fatalf("%s: want complaints about %q only: %s", r.call, want, r.Text)
	}
}

// route is a connection to the receiver, a destination with path and an action for event.
func (d *desk) route(path, event string) (connection, destination, action string) {
	d.Helper()
	connection = d.do("POST", "/api/v1/connections", map[string]any{"name": "To " + path + event, "base_url": d.rx.URL}).want(201).id()
	destination = d.do("POST", "/api/v1/connections/"+connection+"/destinations", map[string]any{"name": "Orders", "path": path}).want(201).id()
	action = d.do("POST", "/api/v1/actions", map[string]any{"name": "Send " + path + event, "event": event, "destination_id": destination}).want(201).id()
	return connection, destination, action
}

// settled waits until a delivery has this status.
func (d *desk) settled(id, status string) map[string]any {
	d.Helper()
	for range 400 {
		v := d.do("GET", "/api/v1/deliveries/"+id, nil).want(200).object()
		if v["status"] == status {
			return v
		}
		time.Sleep(25 * time.Millisecond)
	}
	d.Fatalf("delivery %s did not become %s", id, status)
	return nil
}

func (d *desk) actor() model.Actor {
	return model.Actor{Kind: model.ActorUser, UserID: d.user.ID, Name: d.user.Name, Rights: d.user.Rights()}
}
