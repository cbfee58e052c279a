package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

func local(t *testing.T) *Client {
	t.Helper()
	c := New(Options{Rules: rules(t, "127.0.0.0/8"), UserAgent: "Waybill/test"})
	t.Cleanup(c.Close)
	return c
}

// raw serves each connection by hand.
func raw(t *testing.T, serve func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn, bufio.NewReader(conn))
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// head reads one request's lines up to the empty one.
func head(r *bufio.Reader) (lines []string) {
	for {
		line, err := r.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if err != nil || line == "" {
			return lines
		}
		lines = append(lines, line)
	}
}

func TestExchange(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %d %v %s%s", r.Method, r.RequestURI, r.ContentLength, r.TransferEncoding, r.UserAgent(), r.Header.Get("Accept-Encoding")))
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body)
	}))
	defer srv.Close()
	c := local(t)
	for i := range 2 {
		x, err := c.Do(context.Background(), Request{Method: "POST", URL: srv.URL + "/a%2Fb?x=ü y#frag", Header: http.Header{"X-A": {"1"}}, Body: []byte("hello")})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("POST /a%2Fb?x=%C3%BC%20y 5 [] Waybill/test", x.Header.Get("X-Seen")); diff != "" {
			t.Error(diff)
		}
		if x.Status != 201 || string(x.Body) != "hello" || x.Size != 5 || x.Truncated || x.Address != srv.Listener.Addr().String() {
			t.Errorf("got %+v", x)
		}
		tm := x.Timings
		if tm.Reused != (i == 1) || tm.Total < tm.FirstByte || tm.FirstByte == 0 || (tm.Connect > 0) != (i == 0) || tm.TLS != 0 {
			t.Errorf("round %d: timings %+v", i, tm)
		}
	}
}

func TestBodiesAreCutAndConnectionsKept(t *testing.T) {
	var conns atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.URL.Query().Get("n"), &n)
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		} else {
			w.Header().Set("Content-Length", fmt.Sprint(n))
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), n))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := local(t)
	for _, tc := range []struct {
		path      string
		n, keeps  int
		truncated bool
	}{
		{"/plain", 0, 0, false}, {"/plain", 99, 99, false}, {"/plain", 100, 100, false}, {"/plain", 101, 100, true}, {"/plain", 100_000, 100, true},
		{"/chunked", 0, 0, false}, {"/chunked", 100, 100, false}, {"/chunked", 101, 100, true}, {"/chunked", 100_000, 100, true},
	} {
		x, err := c.Do(context.Background(), Request{Method: "GET", URL: fmt.Sprintf("%s%s?n=%d", srv.URL, tc.path, tc.n), MaxBody: 100})
		if err != nil || len(x.Body) != tc.keeps || x.Size != int64(tc.n) || x.Truncated != tc.truncated {
			t.Errorf("%s %d: kept %d of %d, cut %v, %v", tc.path, tc.n, len(x.Body), x.Size, x.Truncated, err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("want one connection for all, got %d", n)
	}
	x, err := c.Do(context.Background(), Request{Method: "GET", URL: srv.URL + "/plain?n=10000000", MaxBody: 100})
	if err != nil || !x.Truncated || x.Size != 10_000_000 || len(x.Body) != 100 {
		t.Errorf("big body: %d of %d, %v", len(x.Body), x.Size, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var other atomic.Int64
	peer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	defer peer.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, peer.URL, http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	x, err := local(t).Do(context.Background(), Request{Method: "POST", URL: srv.URL, Header: http.Header{"X-Api-Key": {"secret"}}, Body: []byte("b")})
	if err != nil || x.Status != 307 || x.Header.Get("Location") != peer.URL || other.Load() != 0 {
		t.Errorf("want the 307 itself, got %d %v, %d requests to the other host", x.Status, err, other.Load())
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	trusting := New(Options{Rules: rules(t, "127.0.0.0/8"), RootCAs: pool, Resolver: nameServer(t, "127.0.0.1")})
	port := srv.URL[strings.LastIndex(srv.URL, ":"):]
	for _, tc := range []struct {
		name, url, words string
		c                *Client
	}{
		{"unknown authority", srv.URL, "not signed by an authority", local(t)},
		{"other name", "https://other.test" + port, "made out to another name", trusting},
		{"plain server", strings.Replace(plain.URL, "http:", "https:", 1), "plain HTTP", local(t)},
		{"trusted", srv.URL, "", trusting},
	} {
		x, err := tc.c.Do(context.Background(), Request{Method: "GET", URL: tc.url})
		if tc.words == "" {
			if err != nil || x.Status != 200 || x.Timings.TLS == 0 {
				t.Errorf("%s: %d %v %+v", tc.name, x.Status, err, x.Timings)
			}
			continue
		}
		if e := failure(t, err); e.Class != model.ClassTLS || !strings.Contains(e.Message, tc.words) {
			t.Errorf("%s: got %s: %s", tc.name, e.Class, e.Message)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	addr := l.Addr().String()
	_ = l.Close()
	x, err := local(t).Do(context.Background(), Request{Method: "GET", URL: "http://" + addr})
	if e := failure(t, err); e.Class != model.ClassConnect || !strings.Contains(e.Message, "Nothing listens") || x.Address != addr {
		t.Errorf("got %s %s, address %q", e.Class, e.Message, x.Address)
	}
	// ::1 is refused by rule, 127.0.0.1 by the machine: the second can change, so it is no refusal.
	_, err = local(t).Do(context.Background(), Request{Method: "GET", URL: "http://localhost" + addr[strings.LastIndex(addr, ":"):]})
	if e := failure(t, err); e.Class != model.ClassConnect {
		t.Errorf("localhost: got %s %s", e.Class, e.Message)
	}
}

func TestCallerGivesUp(t *testing.T) {
	url := raw(t, func(w net.Conn, r *bufio.Reader) { head(r); _, _ = r.ReadByte() })
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := local(t).Do(ctx, Request{Method: "GET", URL: url})
	if failure(t, err); !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled in the chain, got %v", err)
	}
}

// A server that closes an idle connection just as the next request is on its way costs no attempt.
func TestStaleConnectionIsReplaced(t *testing.T) {
	var requests atomic.Int64
	url := raw(t, func(w net.Conn, r *bufio.Reader) {
		head(r)
		_, _ = r.Discard(1)
		requests.Add(1)
		_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		_, _ = r.ReadByte() // the first byte of the second request: closed without an answer
	})
	c := local(t)
	for range 3 {
		x, err := c.Do(context.Background(), Request{Method: "POST", URL: url, Body: []byte("b")})
		if err != nil || x.Status != 200 {
			t.Fatalf("%d %v", x.Status, err)
		}
	}
	if requests.Load() != 3 {
		t.Errorf("want 3 answered requests, got %d", requests.Load())
	}
}

func TestInside(t *testing.T) {
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/panic":
			panic("no")
		case "/hang":
			<-r.Context().Done()
		}
		w.Header().Set("X-Got", r.Header.Get("X-A"))
		_, _ = w.Write(body)
	})
	c := New(Options{Inside: map[string]http.Handler{"receiver.waybill.internal": inside},
		Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dialled") }})
	do := func(url string) (Exchange, error) {
		return c.Do(context.Background(), Request{Method: "POST", URL: url, Header: http.Header{"X-A": {"1"}}, Body: []byte("hello"), Timeout: 100 * time.Millisecond, MaxBody: 3})
	}
	x, err := do("http://receiver.waybill.internal/x?y")
	if err != nil || x.Status != 200 || string(x.Body) != "hel" || x.Size != 5 || !x.Truncated || x.Header.Get("X-Got") != "1" {
		t.Errorf("got %+v %v", x, err)
	}
	if _, err := do("http://receiver.waybill.internal/panic"); failure(t, err).Class != model.ClassBroken {
		t.Errorf("panic: %v", err)
	}
	if _, err := do("http://receiver.waybill.internal/hang"); failure(t, err).Class != model.ClassTimeout {
		t.Errorf("hang: %v", err)
	}
	if _, err := do("http://other.waybill.internal/"); failure(t, err).Class != model.ClassRefused {
		t.Errorf("other: %v", err)
	}
}

func BenchmarkDo(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	body := bytes.Repeat([]byte("x"), 1024)
	r, _ := ParseRules("127.0.0.1")
	c := New(Options{Rules: r})
	b.Run("egress", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				h := http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {"dlv_1"}}
				if _, err := c.Do(context.Background(), Request{Method: "POST", URL: srv.URL, Header: h, Body: body}); err != nil {
					b.Error(err)
				}
			}
		})
	})
	bare := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}, Timeout: 30 * time.Second}
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				req, _ := http.NewRequest("POST", srv.URL, bytes.NewReader(body))
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Webhook-Id", "dlv_1")
				resp, err := bare.Do(req)
				if err != nil {
					b.Error(err)
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	})
}

// What is too long to hold goes and comes as a stream, and who spoils it is told apart.
func TestStreams(t *testing.T) {
	long := bytes.Repeat([]byte("waybill "), 100_000)
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.ContentLength != int64(len(long)) || !bytes.Equal(body, long) {
			t.Errorf("%d of %d bytes came, announced as %d", len(body), len(long), r.ContentLength)
		}
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(long[:100])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = w.Write(body)
	}))
	defer echo.Close()
	c := local(t)
	var got bytes.Buffer
	request := func(path string, sink func(io.Reader) error) (Exchange, error) {
		got.Reset()
		return c.Do(context.Background(), Request{Method: "PUT", URL: echo.URL + path, Size: int64(len(long)), MaxBody: 10, Sink: sink,
			Source: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(long)), nil }})
	}
	take := func(r io.Reader) error { _, err := got.ReadFrom(r); return err }
	if x, err := request("/", take); err != nil || x.Size != int64(len(long)) || !bytes.Equal(got.Bytes(), long) || x.Body != nil {
		t.Errorf("got %d bytes, %d counted, %v", got.Len(), x.Size, err)
	}
	if x, err := request("/no", take); err != nil || got.Len() != 0 || len(x.Body) != 10 {
		t.Errorf("a refusal went into the sink: %d bytes, %q, %v", got.Len(), x.Body, err)
	}
	if _, err := request("/cut", take); failure(t, err).Class != model.ClassBroken || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("cut: %v", err)
	}
	full := errors.New("the disk is full")
	if _, err := request("/", func(io.Reader) error { return full }); !errors.Is(err, full) {
		t.Errorf("the sink's own failure: %v", err)
	}
}
