package handlers_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
	"waybill/handlers"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/script"
	"waybill/static"
)

// TestMain makes this binary a render worker when the pool starts it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "render-worker" {
		if err := script.ServeWorker(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// site is the whole program but its command line, on a real store and a real port.
type site struct {
	t     *testing.T
	dir   string
	store *db.Store
	h     *handlers.Handlers
	echo  *echo.Echo
	srv   *httptest.Server
	ahead atomic.Int64 // how far its clock runs ahead, in nanoseconds
}

const passphrase = "seven purple otters juggle"

// newSite starts a site without users.
func newSite(t *testing.T) *site { return openSite(t, t.TempDir()) }

// openSite starts a site on a data folder that may have been used before.
func openSite(t *testing.T, dir string) *site {
	t.Helper()
	s := &site{t: t, dir: dir}
	log := slog.New(slog.DiscardHandler)
	var err error
	s.store, err = db.Open(context.Background(), db.Options{Dir: dir, Now: s.now, Key: db.KeySource{Text: dbtest.Key}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	service := jobs.New(jobs.Options{Store: s.store, Now: s.now, Log: log, Version: "test", Node: model.NewNodeID(s.now())})
	if err := service.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.srv = httptest.NewUnstartedServer(nil)
	base := &url.URL{Scheme: "http", Host: s.srv.Listener.Addr().String()}
	files, err := static.New()
	if err != nil {
		t.Fatal(err)
	}
	s.h, err = handlers.New(handlers.Options{Options: web.Options{Store: s.store, Now: s.now, Log: log, BaseURL: base, Version: "test"},
		Files: files, Jobs: service, Metrics: prometheus.NewRegistry(), MetricsHere: true})
	if err != nil {
		t.Fatal(err)
	}
	if s.echo, err = s.h.Echo(); err != nil {
		t.Fatal(err)
	}
	s.srv.Config.Handler = s.echo
	s.srv.Start()
	t.Cleanup(func() {
		s.srv.Close()
		if err := service.Stop(time.Second); err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := s.store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// later moves the site's clock.
func (s *site) later(d time.Duration) { s.ahead.Add(int64(d)) }

// user adds somebody with these roles, who signs in with passphrase.
func (s *site) user(email string, roles ...string) model.User {
	s.t.Helper()
	hash, err := web.NewPasswords().Hash(context.Background(), passphrase)
	if err != nil {
		s.t.Fatal(err)
	}
	name, _, _ := strings.Cut(email, "@")
	u := model.User{Email: email, Name: name, Roles: roles}
	dbtest.Write(s.t, s.store, func(tx *db.Tx) error { return tx.CreateUser(&u, hash) })
	return u
}

// key makes an API key that acts as u.
func (s *site) key(u model.User) (model.APIKey, string) {
	s.t.Helper()
	text, hash, hint := db.NewKey()
	k := model.APIKey{Name: "test", UserID: u.ID, Hint: hint}
	dbtest.Write(s.t, s.store, func(tx *db.Tx) error { return tx.CreateAPIKey(&k, hash) })
	return k, text.Reveal()
}

// browser is one person's browser: it keeps cookies and follows no redirect by itself.
type browser struct {
	s      *site
	client *http.Client
	header http.Header // sent with every request
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s: s, header: http.Header{}, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is a browser in which u is signed in, by a session made in the store.
func (s *site) as(u model.User) *browser {
	s.t.Helper()
	b := s.browser()
	token := "token-" + string(model.NewSessionID(s.now()))
	dbtest.Write(s.t, s.store, func(tx *db.Tx) error {
		return tx.CreateSession(&model.Session{UserID: u.ID, Agent: "test", Address: "127.0.0.1"}, db.HashKey(token))
	})
	b.setCookie("waybill", token)
	return b
}

func (b *browser) origin() *url.URL {
	u, err := url.Parse(b.s.srv.URL)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return u
}

func (b *browser) setCookie(name, value string) {
	b.client.Jar.SetCookies(b.origin(), []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

func (b *browser) cookie(name string) string {
	for _, c := range b.client.Jar.Cookies(b.origin()) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// page is an answer, read whole.
type page struct {
	*http.Response
	doc *goquery.Document
}

func (b *browser) do(method, path string, form url.Values) page {
	b.s.t.Helper()
	var body *strings.Reader
	if form == nil {
		form = url.Values{}
	}
	body = strings.NewReader(form.Encode())
	req, err := http.NewRequest(method, b.s.srv.URL+path, body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	if method != http.MethodGet && method != http.MethodHead {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range b.header {
		req.Header[name] = values
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	doc, err := goquery.NewDocumentFromReader(resp.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return page{resp, doc}
}

func (b *browser) get(path string) page { b.s.t.Helper(); return b.do(http.MethodGet, path, nil) }

// post sends a form of name and value pairs.
func (b *browser) post(path string, pairs ...string) page {
	b.s.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, path, form)
}

// login signs in through the page.
func (b *browser) login(email, password string) page {
	b.s.t.Helper()
	return b.post("/login", "email", email, "password", password)
}

// signedIn asks for a page of one's own.
func (b *browser) signedIn() bool {
	b.s.t.Helper()
	return b.get("/account").StatusCode == http.StatusOK
}

func (p page) text(selector string) string {
	return strings.Join(strings.Fields(p.doc.Find(selector).Text()), " ")
}
