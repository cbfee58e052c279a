package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// flood asks whether what one partner does to his inbound URL is felt by anybody else: a flood far beyond its rate, clients that
// send their head or body byte by byte, 10,000 connections that say nothing. Meanwhile pages, the API and another endpoint are
// asked over and over; each is compared with quiet time before. Then it asks whether keys that open nothing can be told apart by
// the time that the refusal takes.
func flood(ctx context.Context, s *server, _ *receiver) error {
	user, err := s.post(ctx, "users", map[string]any{"email": "calls@example.com", "name": "Calls", "roles": []string{"Viewer"}})
	if err != nil {
		return err
	}
	victim, err := s.endpoint(ctx, "Flooded", user, 50)
	if err != nil {
		return err
	}
	other, err := s.endpoint(ctx, "Other", user, 1000)
	if err != nil {
		return err
	}
	f := &flooding{server: s, other: other.path}
	if f.browser, err = s.session(ctx); err != nil {
		return err
	}
	if _, err := f.measure(ctx); err != nil { // warm
		return err
	}
	before, err := f.measure(ctx)
	if err != nil {
		return err
	}
	f.say("quiet time             %s", before.words(latencies{}))
	f.say("then, beside the mean of the quiet times before and after each:")
	for _, c := range []struct {
		name  string
		begin func(ctx context.Context) (end func() string, err error)
	}{
		{"flood on one endpoint", func(ctx context.Context) (func() string, error) { return s.flooded(ctx, victim.path) }},
		{"500 slow heads", func(ctx context.Context) (func() string, error) {
			return s.slow(ctx, 500, "POST "+victim.path+" HTTP/1.1\r\nHost: "+s.addr+"\r\nX-Slow: ")
		}},
		{"500 slow bodies", func(ctx context.Context) (func() string, error) {
			return s.slow(ctx, 500, "POST "+victim.path+" HTTP/1.1\r\nHost: "+s.addr+"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{\"a\":\"")
		}},
		{"10,000 idle, opening", func(ctx context.Context) (func() string, error) { return s.silent(ctx, 10_000, false) }},
		{"10,000 idle", func(ctx context.Context) (func() string, error) { return s.silent(ctx, 10_000, true) }},
	} {
		end, err := c.begin(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		during, err := f.measure(ctx)
		note := end()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		after, err := f.measure(ctx)
		if err != nil {
			return err
		}
		f.say("%-22s %s%s", c.name, during.words(before.mean(after)), note)
		before = after
	}
	return s.refusals(ctx, user)
}

// hook is an inbound endpoint.
type hook struct {
	id, path string
}

func (s *server) endpoint(ctx context.Context, name, user string, rate int) (h hook, err error) {
	if h.id, err = s.post(ctx, "inbound-endpoints", map[string]any{"name": name, "service_user_id": user, "event": "bench.nobody", "rate_per_second": rate}); err != nil {
		return h, err
	}
	var made struct{ URL string }
	if err = s.object(ctx, "inbound-endpoints/"+h.id, &made); err != nil {
		return h, err
	}
	h.path = made.URL[strings.Index(made.URL, "/in/"):]
	return h, nil
}

// session is a browser that is signed in.
func (s *server) session(ctx context.Context) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c := &http.Client{Jar: jar, Timeout: time.Minute}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/login", strings.NewReader(url.Values{"email": {"bench@example.com"}, "password": {benchPassword}}.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	return c, resp.Body.Close()
}

// flooding is what others ask meanwhile.
type flooding struct {
	*server
	browser *http.Client
	other   string
}

// latencies are the middle and the 90th of a hundred answers of each of what is asked.
type latencies struct{ page, rest, inbound [2]time.Duration }

func (l latencies) words(quiet latencies) string {
	out := ""
	for _, x := range []struct {
		name        string
		now, before [2]time.Duration
	}{{"pages", l.page, quiet.page}, {"API", l.rest, quiet.rest}, {"other endpoint", l.inbound, quiet.inbound}} {
		out += fmt.Sprintf("%s p50 %.1f, p90 %.1f ms", x.name, ms(x.now[0]), ms(x.now[1]))
		if x.before[0] > 0 {
			out += fmt.Sprintf(" (%.1f×, %.1f×)", float64(x.now[0])/float64(x.before[0]), float64(x.now[1])/float64(x.before[1]))
		}
		out += "; "
	}
	return out
}

func (l latencies) mean(o latencies) latencies {
	for i := range 2 {
		l.page[i], l.rest[i], l.inbound[i] = (l.page[i]+o.page[i])/2, (l.rest[i]+o.rest[i])/2, (l.inbound[i]+o.inbound[i])/2
	}
	return l
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure asks 100 times each, one after the other, like somebody who works with it.
func (f *flooding) measure(ctx context.Context) (l latencies, err error) {
	var all [3][]time.Duration
	for range 100 {
		for i, ask := range []func(context.Context) error{f.page, f.list, f.call} {
			begin := time.Now()
			if err := ask(ctx); err != nil {
				return l, err
			}
			all[i] = append(all[i], time.Since(begin))
		}
	}
	for i, into := range []*[2]time.Duration{&l.page, &l.rest, &l.inbound} {
		slices.Sort(all[i])
		into[0], into[1] = all[i][50], all[i][90]
	}
	return l, nil
}

func (f *flooding) page(ctx context.Context) error {
	return f.ok(ctx, f.browser, http.MethodGet, "/inbound", "", http.StatusOK)
}

func (f *flooding) list(ctx context.Context) error {
	status, _, err := f.ask(ctx, "/api/v1/connections")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the API answered %d", status)
	}
	return err
}

func (f *flooding) call(ctx context.Context) error {
	return f.ok(ctx, http.DefaultClient, http.MethodPost, f.other, `{"a":1}`, http.StatusAccepted)
}

func (f *flooding) ok(ctx context.Context, c *http.Client, method, path, body string, want int) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+f.addr+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("%s %s answered %d", method, strings.Split(path, "/")[1], resp.StatusCode)
	}
	return err
}

// floodRate is what comes in a flood: forty times what the endpoint takes.
const floodRate = 2000

// flooded calls an endpoint from 64 connections until it is ended.
func (s *server) flooded(ctx context.Context, path string) (func() string, error) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var taken, refused atomic.Int64
	begin := time.Now()
	var turn atomic.Int64
	for range 64 {
		wg.Go(func() {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for ctx.Err() == nil {
				time.Sleep(time.Until(begin.Add(time.Duration(turn.Add(1)) * time.Second / floodRate)))
				if _, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: "+s.addr+"\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"); err != nil {
					return
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusAccepted {
					taken.Add(1)
				} else {
					refused.Add(1)
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	return func() string {
		spent := time.Since(begin).Seconds()
		stop()
		wg.Wait()
		return fmt.Sprintf("flood: %.0f/s taken, %.0f/s refused", float64(taken.Load())/spent, float64(refused.Load())/spent)
	}, nil
}

// slow begins n requests and adds a byte to each every 200 ms.
func (s *server) slow(ctx context.Context, n int, begin string) (func() string, error) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var open atomic.Int64
	for range n {
		wg.Go(func() {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				return
			}
			defer conn.Close()
			open.Add(1)
			if _, err := io.WriteString(conn, begin); err != nil {
				return
			}
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					if _, err := conn.Write([]byte("a")); err != nil {
						return
					}
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	return func() string {
		stop()
		wg.Wait()
		return fmt.Sprintf("%d clients", open.Load())
	}, nil
}

// silent opens n connections that say nothing; it waits until they are open, or measures begin while they are being opened.
func (s *server) silent(ctx context.Context, n int, wait bool) (func() string, error) {
	list := make([]net.Conn, n)
	var opened atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < n && ctx.Err() == nil; i += 8 {
				conn, err := net.Dial("tcp", s.addr)
				if err != nil {
					failed.Store(&err)
					return
				}
				list[i] = conn
				opened.Add(1)
			}
		})
	}
	if wait {
		wg.Wait()
	}
	return func() string {
		note := fmt.Sprintf("%d connections", opened.Load())
		if wait {
			note += fmt.Sprintf(", memory %.0f MiB", s.memory())
		}
		wg.Wait()
		for _, c := range list {
			if c != nil {
				_ = c.Close()
			}
		}
		if err := failed.Load(); err != nil {
			note += "; " + (*err).Error()
		}
		time.Sleep(500 * time.Millisecond)
		return note
	}, nil
}

// refusals compares how long it takes to refuse keys that open nothing, by the reason, in turn so that noise meets all alike.
func (s *server) refusals(ctx context.Context, user string) error {
	paths := map[string]string{"unknown key": "/in/wbi_0000000000000000000000000000000000000000000000000000"}
	for _, name := range []string{"revoked key", "disabled endpoint", "inactive user"} {
		of := user
		if name == "inactive user" {
			id, err := s.post(ctx, "users", map[string]any{"email": "gone@example.com", "name": "Gone", "roles": []string{"Viewer"}})
			if err != nil {
				return err
			}
			of = id
		}
		h, err := s.endpoint(ctx, name, of, 1000)
		if err != nil {
			return err
		}
		paths[name] = h.path
		if err := s.disable(ctx, name, h, of); err != nil {
			return err
		}
	}
	names := []string{"unknown key", "revoked key", "disabled endpoint", "inactive user"}
	took := map[string][]time.Duration{}
	f := &flooding{server: s}
	// All in all fewer than the strays of one network may send at once.
	for i := range 470 {
		for j := range names {
			name := names[(i+j)%len(names)]
			begin := time.Now()
			if err := f.ok(ctx, http.DefaultClient, http.MethodPost, paths[name], `{"a":1}`, http.StatusUnauthorized); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if i >= 20 {
				took[name] = append(took[name], time.Since(begin))
			}
		}
	}
	for _, name := range names {
		slices.Sort(took[name])
		n := len(took[name])
		s.say("401, %-18s p25 %d µs, p50 %d µs, p75 %d µs (of 450)", name, took[name][n/4].Microseconds(), took[name][n/2].Microseconds(), took[name][n*3/4].Microseconds())
	}
	return nil
}

// disable makes an endpoint refuse for the reason that its name says.
func (s *server) disable(ctx context.Context, name string, h hook, user string) error {
	path, method := "inbound-endpoints/"+h.id, http.MethodPut
	var object map[string]any
	switch name {
	case "revoked key":
		var e struct{ Keys []struct{ ID string } }
		if err := s.object(ctx, path, &e); err != nil {
			return err
		}
		if len(e.Keys) == 0 {
			return fmt.Errorf("endpoint %s shows no key", h.id)
		}
		path, method, object = path+"/revoke", http.MethodPost, map[string]any{"key_id": e.Keys[0].ID}
	case "inactive user":
		path = "users/" + user
		if err := s.object(ctx, path, &object); err != nil {
			return err
		}
		object["disabled"] = true
	default:
		if err := s.object(ctx, path, &object); err != nil {
			return err
		}
		object["enabled"] = false
	}
	b, err := json.Marshal(object)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+"/api/v1/"+path, strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s answered %d: %s", method, path, resp.StatusCode, text)
	}
	return nil
}
