package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// connector is an HTTP proxy on loopback that writes down what it is asked to connect to and leads all of it to one server.
type connector struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // "host:port Proxy-Authorization"
}

func newConnector(t *testing.T, to string) *connector {
	t.Helper()
	x := &connector{}
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.mu.Lock()
		x.asked = append(x.asked, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
		x.mu.Unlock()
		there, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(there, buffered); _ = there.Close() }()
		_, _ = io.Copy(here, there)
	}))
	t.Cleanup(x.Close)
	return x
}

func (x *connector) read() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.asked)
}

// TestThroughProxy sends through a proxy that the environment names: what may be reached is judged here all the same, its
// password is shown to nobody, and when it is gone nothing is lost.
func TestThroughProxy(t *testing.T) {
	rx := newListener(t)
	x := newConnector(t, strings.TrimPrefix(rx.URL, "http://"))
	p := newProgram(t, "", "WAYBILL_ALLOW_HOSTS=127.0.0.1,203.0.113.7", "WAYBILL_PROXY="+x.URL, "WAYBILL_PROXY_USER=desk", "WAYBILL_PROXY_PASSWORD=the-proxys-own-word")
	p.start()
	p.route("http://203.0.113.7:8080", "far.away", nil, map[string]any{"retry_schedule": []int{0, 3600}})
	p.route("http://169.254.169.254", "forbidden", nil, nil)
	p.route(rx.URL, "at.home", nil, nil)
	publish := func(name string) string {
		return p.must(202, "POST", "events", `{"name":"`+name+`","data":{"n":1}}`).str("id")
	}
	d := p.settled(publish("far.away"), "delivered")
	first := p.must(200, "GET", "deliveries/"+d["id"].(string)+"/attempts", nil).items()[0]
	if got := first["address"]; got != "203.0.113.7:8080 via "+strings.TrimPrefix(x.URL, "http://") {
		t.Errorf("the attempt went to %v", got)
	}
	if d := p.settled(publish("forbidden"), "failed"); !strings.Contains(d["last_error"].(string), "169.254.169.254") {
		t.Errorf("forbidden: %v", d["last_error"])
	}
	p.settled(publish("at.home"), "delivered")
	if got := x.read(); len(got) != 1 || got[0] != "CONNECT 203.0.113.7:8080 Basic ZGVzazp0aGUtcHJveHlzLW93bi13b3Jk" {
		t.Errorf("the proxy was asked %q", got)
	}
	settings := p.must(200, "GET", "settings/network", nil)
	if settings.json["fixed"] != true || settings.str("proxy_user") != "desk" || strings.Contains(settings.text+p.log.String(), "the-proxys-own-word") {
		t.Errorf("the settings say %s", settings.text)
	}

	x.Close()
	p.route("http://203.0.113.7:8081", "far.too", nil, map[string]any{"retry_schedule": []int{0, 3600}}) // no connection is kept to it
	waits := p.settled(publish("far.too"), "retrying")
	if said := waits["last_error"].(string); !strings.HasPrefix(said, "The proxy ") {
		t.Errorf("without the proxy: %s", said)
	}
	if n := len(rx.at("/hook")); n != 2 {
		t.Errorf("%d messages came", n)
	}
}
