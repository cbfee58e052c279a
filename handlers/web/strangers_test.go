package web

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/dbtest"
	"waybill/db/fault"
)

// strange is a request of a stranger at this address whose body the handler reads whole; held is told when it has.
func (s *strangers) strange(address string, body io.Reader, held func()) error {
	e := echo.New()
	c := e.NewContext(httptest.NewRequest(http.MethodPost, "/f/x", body), httptest.NewRecorder())
	c.Set(addressKey, netip.MustParseAddr(address))
	return s.mind(func(c echo.Context) error {
		if _, err := io.Copy(io.Discard, c.Request().Body); err != nil {
			return err
		}
		held()
		return nil
	})(c)
}

func TestStrangersAreBoundedTogether(t *testing.T) {
	s := newStrangers()
	s.most, s.ofOne = 100<<10, 60<<10
	body := func(kib int) io.Reader { return strings.NewReader(strings.Repeat("x", kib<<10)) }
	try := func(address string, kib int) error { return s.strange(address, body(kib), func() {}) }
	busy := func(what string, err error) {
		t.Helper()
		if f := fault.Of(err); f == nil || f.Kind != fault.Unavailable || f.RetryAfter == 0 {
			t.Errorf("%s: %v, want it refused for now", what, err)
		}
	}
	err := s.strange("192.0.2.1", body(54), func() { // 50 KiB of it count
		busy("as much again from there", try("192.0.2.1", 54))
		if err := try("198.51.100.1", 44); err != nil {
			t.Errorf("from elsewhere, what has room: %v", err)
		}
		busy("from elsewhere, beyond what all may send", try("198.51.100.1", 58))
		if err := s.strange("198.51.100.1", body(54), func() {
			if err := try("192.0.2.1", 4); err != nil {
				t.Errorf("a sign-in while everything is taken: %v", err)
			}
		}); err != nil {
			t.Error(err)
		}
	})
	if err == nil {
		err = s.strange("2001:db8:1:1::1", body(40), func() { busy("from the same subscriber, by IPv6", try("2001:db8:1:1:2:3:4:5", 40)) })
	}
	if err != nil {
		t.Error(err)
	}
	if s.held != 0 || len(s.from) != 0 {
		t.Errorf("%d bytes of %v are counted although nothing is under way", s.held, s.from)
	}
	if err := try("192.0.2.1", 54); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestSlowStrangers sends a body that stops, on a real connection, and looks at what one gains that goes on.
func TestSlowStrangers(t *testing.T) {
	s := newStrangers()
	s.patience = 20 * time.Millisecond
	said := make(chan error, 1)
	e := echo.New()
	e.POST("/", func(c echo.Context) error {
		_, err := io.Copy(io.Discard, c.Request().Body)
		said <- err
		return err
	}, compress(), limitBody(26<<20), s.mind)
	srv := httptest.NewServer(e)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nContent-Length: %d\r\n\r\nhalf of it", 20<<20)
	if f := fault.Of(<-said); f == nil || f.Code != "incomplete" {
		t.Errorf("a body that stopped: %v", f)
	}
	s = newStrangers()
	b := &strangeBody{all: s, control: http.NewResponseController(httptest.NewRecorder()), begun: time.Now()}
	for read, want := range map[int64]time.Duration{0: 30 * time.Second, 640 << 10: 40 * time.Second, 1 << 30: 5 * time.Minute} {
		b.read, b.until = read, time.Time{}
		b.hurry()
		if got := b.until.Sub(b.begun); got != want {
			t.Errorf("after %d bytes a body may take %v, want %v", read, got, want)
		}
	}
}

// A form that is sent without a session comes back, but nobody knows whose it is: it counts like any other of strangers.
func TestFormsThatComeBackAreBounded(t *testing.T) {
	base, _ := url.Parse("http://waybill.example")
	w, err := New(Options{Store: dbtest.Open(t), Now: time.Now, Log: slog.New(slog.DiscardHandler), BaseURL: base, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.HTTPErrorHandler = w.HandleError
	e.Use(w.Prepare)
	e.POST("/connections", func(echo.Context) error { return fault.New(fault.SignedOut, "Sign in.") })
	for most, want := range map[int64]bool{64 << 20: true, 10 << 10: false} {
		w.strangers.most = most
		r := httptest.NewRequest(http.MethodPost, "http://waybill.example/connections", strings.NewReader("name="+strings.Repeat("typed", 10_000)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, r)
		if got := strings.Contains(rec.Body.String(), "typedtyped"); rec.Code != http.StatusUnauthorized || got != want || w.strangers.held != 0 {
			t.Errorf("at most %d: %d, it comes back %v, want %v; %d bytes still count", most, rec.Code, got, want, w.strangers.held)
		}
	}
}
