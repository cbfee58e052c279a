package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

// scripted answers the n-th request of each connection with answers[n], whatever it is, and closes after the last one. It
// counts connections and requests.
func scripted(t *testing.T, answers ...string) (url string, conns, requests *atomic.Int64) {
	t.Helper()
	conns, requests = new(atomic.Int64), new(atomic.Int64)
	return raw(t, func(w net.Conn, r *bufio.Reader) {
		conns.Add(1)
		for _, a := range answers {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			requests.Add(1)
			if _, err := io.WriteString(w, a); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, r)
	}), conns, requests
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// Which answers leave a connection that can be used again, and what is understood of them.
func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, method, answer string
		status               int
		body                 string
		again                bool
	}{
		{"length", "POST", fine, 200, "ok", true},
		{"no body", "POST", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "", true},
		{"to HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", true},
		{"chunks", "POST", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, "ok", true},
		{"chunks and a trailer", "POST", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", 200, "ok", true},
		{"after interim ones", "POST", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + fine, 200, "ok", true},
		{"asks to close", "POST", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
		{"HTTP/1.0", "POST", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
		{"HTTP/1.0 kept", "POST", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true},
		{"another protocol", "POST", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nwhatever", 101, "", false},
		{"more than it says", "POST", fine + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", 200, "ok", false},
		{"length and chunks", "POST", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url, conns, _ := scripted(t, tc.answer, fine)
			c := local(t)
			x, err := c.Do(context.Background(), Request{Method: tc.method, URL: url})
			if err != nil || x.Status != tc.status || string(x.Body) != tc.body {
				t.Fatalf("got %d %q %v", x.Status, x.Body, err)
			}
			x, err = c.Do(context.Background(), Request{Method: "POST", URL: url})
			if first := tc.answer; !tc.again { // a new connection begins with the first answer
				if err != nil || x.Status != tc.status || conns.Load() != 2 || !strings.Contains(first, string(x.Body)) {
					t.Errorf("again: %d %q %v on %d connections, want another one", x.Status, x.Body, err, conns.Load())
				}
			} else if err != nil || string(x.Body) != "ok" || conns.Load() != 1 || !x.Timings.Reused {
				t.Errorf("again: %d %q %v on %d connections, want the same", x.Status, x.Body, err, conns.Load())
			}
		})
	}
}

// corked sends what is written in one piece when it is told to; closed = it holds back.
type corked struct {
	net.Conn
	closed bool
	held   []byte
}

func (c *corked) Write(p []byte) (int, error) {
	if !c.closed {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// What a receiver says unasked is never taken for the answer to the next request, in TLS neither.
func TestUnaskedAnswersAreNotTaken(t *testing.T) {
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	defer srv.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(srv.Certificate())
	for _, scheme := range []string{"http", "https"} {
		for _, apart := range []bool{false, true} { // from the first answer
			later, said := make(chan bool), make(chan bool)
			url := raw(t, func(under net.Conn, _ *bufio.Reader) {
				cork := &corked{Conn: under}
				conn := net.Conn(cork)
				if scheme == "https" {
					conn = tls.Server(cork, srv.TLS)
				}
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				cork.closed = true
				_, _ = io.WriteString(conn, fine)
				if apart {
					_, _ = under.Write(cork.held)
					cork.held = nil
					<-later
				}
				_, _ = io.WriteString(conn, poison)
				_, _ = under.Write(cork.held)
				said <- true
				_, _ = io.Copy(io.Discard, under)
			})
			c := New(Options{Rules: rules(t, "127.0.0.0/8"), RootCAs: trusted})
			for n := range 2 {
				x, err := c.Do(context.Background(), Request{Method: "GET", URL: strings.Replace(url, "http", scheme, 1), Timeout: 5 * time.Second})
				if err != nil || string(x.Body) != "ok" || x.Timings.Reused {
					t.Errorf("%s, apart %v, request %d: %q %v, on the same connection %v", scheme, apart, n, x.Body, err, x.Timings.Reused)
				}
				if apart {
					later <- true
				}
				<-said
			}
			c.Close()
		}
	}
}

// A connection that was closed while it was idle is not even tried; one that is closed while it is used is replaced once, and
// only as long as nothing of an answer came.
func TestClosedConnections(t *testing.T) {
	var requests atomic.Int64
	said := ""
	url := raw(t, func(w net.Conn, r *bufio.Reader) {
		for n := 0; ; n++ {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			if requests.Add(1); n > 0 {
				_, _ = io.WriteString(w, said)
				return
			}
			_, _ = io.WriteString(w, fine)
		}
	})
	c := local(t)
	do := func() (Exchange, error) { return c.Do(context.Background(), Request{Method: "POST", URL: url}) }
	if _, err := do(); err != nil {
		t.Fatal(err)
	}
	if x, err := do(); err != nil || x.Timings.Reused || requests.Load() != 3 {
		t.Errorf("closed without a word: %v, reused %v, %d requests", err, x.Timings.Reused, requests.Load())
	}
	said = "HTTP/1.1 2"
	if _, err := do(); failure(t, err).Class != model.ClassBroken || requests.Load() != 4 {
		t.Errorf("closed in the middle of an answer: %v, %d requests", err, requests.Load())
	}
}

// An answer that comes before a long request was read is taken; the connection is not.
func TestEarlyAnswer(t *testing.T) {
	for name, r := range map[string]Request{
		"body":   {Body: make([]byte, 8<<20)},
		"source": {Source: func() (io.ReadCloser, error) { return io.NopCloser(zeros{}), nil }, Size: 1 << 40},
	} {
		url := raw(t, func(w net.Conn, r *bufio.Reader) {
			head(r)
			_, _ = io.WriteString(w, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
			_, _ = w.Read(make([]byte, 1)) // whoever answers early lingers a little
			time.Sleep(20 * time.Millisecond)
		})
		r.Method, r.URL, r.Timeout = "POST", url, 5*time.Second
		c := local(t)
		x, err := c.Do(context.Background(), r)
		if err != nil || x.Status != 413 || string(x.Body) != "no" {
			t.Errorf("%s: %d %q %v", name, x.Status, x.Body, err)
		}
		if p := c.now.Load().main; len(p.idle) != 0 {
			t.Errorf("%s: the connection is kept", name)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A source that is not as long as announced, or fails, spoils no framing: the request fails, whatever the other side says.
func TestSourcesKeepTheirWord(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, tc := range map[string]struct {
		from io.Reader
		err  error
	}{
		"shorter": {strings.NewReader("abc"), io.EOF}, "longer": {strings.NewReader("abcdefgh"), nil}, "fails": {io.MultiReader(strings.NewReader("ab"), failing{broken}), broken},
		"cannot be opened": {nil, broken},
	} {
		url := raw(t, func(w net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
		x, err := local(t).Do(context.Background(), Request{Method: "PUT", URL: url, Size: 5, Timeout: 5 * time.Second, Source: func() (io.ReadCloser, error) {
			if tc.from == nil {
				return nil, tc.err
			}
			return io.NopCloser(tc.from), nil
		}})
		if e := failure(t, err); e.Class != model.ClassBroken || tc.err != nil && !errors.Is(err, tc.err) || x.Status != 0 {
			t.Errorf("%s: %d, %v caused by %v", name, x.Status, err, e.Cause)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Idle connections end by themselves.
func TestIdleConnectionsEnd(t *testing.T) {
	url, conns, _ := scripted(t, fine, fine, fine)
	c := local(t)
	p := c.now.Load().main
	for range 2 {
		if _, err := c.Do(context.Background(), Request{Method: "GET", URL: url}); err != nil {
			t.Fatal(err)
		}
	}
	p.mu.Lock()
	p.order.Front().Value.(*link).since = time.Now().Add(-idleTimeout)
	p.mu.Unlock()
	p.tidy()
	if p.order.Len() != 0 || len(p.idle) != 0 || p.sweep != nil {
		t.Errorf("%d idle, sweep %v", p.order.Len(), p.sweep)
	}
	p.most = 1
	other, _, _ := scripted(t, fine)
	for _, u := range []string{url, other} {
		if _, err := c.Do(context.Background(), Request{Method: "GET", URL: u}); err != nil {
			t.Fatal(err)
		}
	}
	if l := p.order.Front().Value.(*link); p.order.Len() != 1 || "http://"+l.to.host != other || conns.Load() != 2 {
		t.Errorf("%d idle, first %s", p.order.Len(), l.to.host)
	}
}

// The head is byte for byte what net/http writes.
func FuzzHead(f *testing.F) {
	f.Add("POST", "https://api.example.com/a%2Fb/c d?x=1&y", "X-A", " b\t", "", int64(3))
	f.Add("GET", "http://[fe80::1%25eth0]:8080", "Content-Type", "a/b", "me", int64(0))
	f.Add("PATCH", "http://a:1/?", "Zz", "ä", "\t", int64(0))
	f.Fuzz(func(t *testing.T, method, address, name, value, agent string, size int64) {
		u, _, refused := parse(address)
		h := http.Header{http.CanonicalHeaderKey(name): {value, "x"}, "User-Agent": {agent}}
		if size &= 3; refused != nil || checkHeaders(h) != nil || method == "" {
			return
		}
		body := make([]byte, size)
		var want bytes.Buffer
		req := (&http.Request{Method: method, URL: u, Host: u.Host, Header: h}).WithContext(context.Background())
		if size > 0 {
			req.ContentLength, req.Body = size, io.NopCloser(bytes.NewReader(body))
		}
		if req.Write(&want) != nil {
			return
		}
		got, err := appendHead(nil, u, Request{Method: method, Header: h}, size)
		if diff := cmp.Diff(strings.TrimSuffix(want.String(), string(body)), string(got)); err == nil && diff != "" {
			t.Error(diff)
		}
		if n := bytes.Count(got, []byte("\r\n\r\n")); err == nil && n != 1 {
			t.Errorf("%d ends in %q", n, got)
		}
	})
}

// Whatever a receiver sends, it is understood as net/http's own transport does, and the next request is not touched by it.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{fine, fine + fine, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n" + fine, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nrest", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nA:b\r\n c\r\n\r\n", "HTTP/1.1 99\r\n\r\n", "HTTP/1.1 1", ""} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, headOnly bool) {
		method := map[bool]string{true: "HEAD", false: "POST"}[headOnly]
		dial := func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
					_, _ = theirs.Write(answer)
				}
			}()
			return ours, nil
		}
		tr := &http.Transport{DialContext: dial, DisableCompression: true, MaxResponseHeaderBytes: maxHeaderBytes}
		defer tr.CloseIdleConnections()
		want := "failed"
		resp, failed := tr.RoundTrip(&http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: "other.test"}, Header: http.Header{}})
		if failed == nil && resp.StatusCode >= 100 { // below there is no status, which net/http lets pass
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			want = fmt.Sprintf("%d %v %q %v", resp.StatusCode, resp.Header, body, err != nil)
		}
		c := New(Options{Rules: rules(t, "other.test"), Dial: dial})
		defer c.Close()
		got := "failed"
		x, err := c.Do(context.Background(), Request{Method: method, URL: "http://other.test", MaxBody: 1 << 20})
		if x.Status != 0 {
			got = fmt.Sprintf("%d %v %q %v", x.Status, x.Header, x.Body, err != nil)
		}
		if got != want && x.Status != http.StatusSwitchingProtocols {
			t.Errorf("want %s (%v)\ngot  %s (%v)", want, failed, got, err)
		}
	})
}
