package egress

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

func TestHostilePeersAreBounded(t *testing.T) {
	endless := func(w io.Writer, s string) {
		for {
			if _, err := io.WriteString(w, s); err != nil {
				return
			}
		}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 200 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	for _, tc := range []struct {
		name   string
		serve  func(net.Conn)
		status int
		class  model.ErrorClass
	}{
		{"header flood", func(w net.Conn) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n"); endless(w, "X-A: b\r\n") }, 0, model.ClassBroken},
		{"one endless header", func(w net.Conn) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nX: "); endless(w, "aaaaaaaaaaaaaaaa") }, 0, model.ClassBroken},
		{"1xx flood", func(w net.Conn) { endless(w, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") }, 0, model.ClassBroken},
		{"endless body", func(w net.Conn) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n")
			endless(w, strings.Repeat("x", 4096))
		}, 200, ""},
		{"endless chunks", func(w net.Conn) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			endless(w, "4\r\nabcd\r\n")
		}, 200, ""},
		{"gzip bomb", func(w net.Conn) {
			_, _ = fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len())
			_, _ = w.Write(bomb.Bytes())
		}, 200, ""},
		{"slow drip of a header", func(w net.Conn) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nX: "); drip(w) }, 0, model.ClassTimeout},
		{"slow drip of a body", func(w net.Conn) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n"); drip(w) }, 200, model.ClassTimeout},
		{"drip beyond what is kept", func(w net.Conn) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", DefaultMaxBody+1))
			drip(w)
		}, 200, ""},
		{"silence", func(w net.Conn) { _, _ = w.Read(make([]byte, 1)) }, 0, model.ClassTimeout},
		{"closed at once", func(net.Conn) {}, 0, model.ClassBroken},
		{"cut body", func(w net.Conn) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }, 200, model.ClassBroken},
		{"no HTTP", func(w net.Conn) { _, _ = io.WriteString(w, "220 mail.example.com ESMTP\r\n") }, 0, model.ClassBroken},
		{"two lengths", func(w net.Conn) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
		}, 0, model.ClassBroken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url := raw(t, func(w net.Conn, r *bufio.Reader) { head(r); tc.serve(w) })
			c := local(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			x, err := c.Do(context.Background(), Request{Method: "GET", URL: url, Timeout: 500 * time.Millisecond})
			runtime.ReadMemStats(&after)
			var class model.ErrorClass
			if err != nil {
				class = failure(t, err).Class
			}
			if class != tc.class || x.Status != tc.status {
				t.Errorf("want %d %q, got %d %q %v", tc.status, tc.class, x.Status, class, err)
			}
			if len(x.Body) > DefaultMaxBody {
				t.Errorf("kept %d bytes", len(x.Body))
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 20<<20 {
				t.Errorf("allocated %d bytes", n)
			}
		})
	}
}

func drip(w io.Writer) {
	for {
		if _, err := io.WriteString(w, "x"); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Whatever header is asked for, it is refused or stands on exactly one line, and the frame of the message is ours.
func TestHeadersOnTheWire(t *testing.T) {
	lines := make(chan []string, 1)
	url := raw(t, func(w net.Conn, r *bufio.Reader) {
		lines <- head(r)
		_, _ = io.WriteString(w, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	})
	c := local(t)
	for _, h := range [][2]string{
		{"Host", "evil"}, {"host", "evil"}, {"Content-Length", "1"}, {"content-length", "0"}, {"Transfer-Encoding", "chunked"}, {"transfer-encoding", "chunked"},
		{"Connection", "close"}, {"upgrade", "h2c"}, {"TE", "trailers"}, {"te", "x"}, {"Trailer", "X"}, {"Keep-Alive", "1"}, {"Proxy-Authorization", "x"},
		{"proxy-connection", "x"}, {"Expect", "100-continue"}, {":authority", "x"}, {"X A", "b"}, {"X:A", "b"}, {"X-A ", "b"}, {"", "b"}, {"X\r\nY", "b"}, {"Ü", "b"},
		{"X-A", "b\r\nX-B: c"}, {"X-A", "b\nX-B: c"}, {"X-A", "b\rc"}, {"X-A", "b\x00c"}, {"X-A", "b\x7fc"}, {"X-A", strings.Repeat("v", maxHeaderValue+1)},
	} {
		if CheckHeader(h[0], h[1]) == nil {
			t.Errorf("%q: want a complaint", h)
		}
		_, err := c.Do(context.Background(), Request{Method: "POST", URL: url, Header: http.Header{h[0]: {h[1]}}, Body: []byte("body")})
		if e := failure(t, err); e.Class != model.ClassRefused {
			t.Errorf("%q: want a refusal, got %v", h, err)
		}
	}
	for _, h := range [][2]string{{"X-A", "b"}, {"X-A", "tab\tinside"}, {"X-U", "ä"}, {"Authorization", "Bearer x"}, {"X-Empty", ""}, {"Webhook-Id", "dlv_1"}} {
		if bad := CheckHeader(h[0], h[1]); bad != nil {
			t.Errorf("%q: %s", h, bad)
		}
		if _, err := c.Do(context.Background(), Request{Method: "POST", URL: url, Header: http.Header{h[0]: {h[1]}}, Body: []byte("body")}); err != nil {
			t.Fatal(err)
		}
		got := <-lines
		want := []string{"POST / HTTP/1.1", "Host: " + strings.TrimPrefix(url, "http://"), "User-Agent: Waybill/test", "Content-Length: 4", h[0] + ": " + h[1]}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", h, diff)
		}
	}
}
