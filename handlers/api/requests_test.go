package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// How requests are read, whatever they ask for.

func TestTimesOfRequests(t *testing.T) {
	d := newDesk(t)
	const at = "/api/v1"
	times := map[string]string{ // "" = refused
		"2026-01-02T03:04:05Z": "2026-01-02T03:04:05.000Z", "2026-01-02t03:04:05.25z": "2026-01-02T03:04:05.250Z", "2026-01-02T03:04:05+02:00": "2026-01-02T01:04:05.000Z",
		"9999-12-31T23:59:59-10:00": "", "0000-01-01T00:00:00+10:00": "", "2026-01-01T0:00:00Z": "", "2026-01-01T00:00:00,5Z": "", "2026-01-01T00:00:00+24:00": "", "tomorrow": "",
	}
	ways := map[string]func(time string) reply{
		"time": func(s string) reply {
			return d.do("POST", at+"/events", map[string]any{"name": "time.told", "time": s})
		},
		"events[1].time": func(s string) reply {
			return d.do("POST", at+"/events/batch", map[string]any{"events": []any{map[string]any{"name": "a"}, map[string]any{"name": "time.told", "time": s}}})
		},
		"ce-time": func(s string) reply {
			return d.do("POST", at+"/events", "1", "ce-specversion", "1.0", "ce-id", "ce"+s, "ce-source", "test", "ce-type", "time.told", "ce-time", s)
		},
		"expires_at": func(s string) reply {
			return d.do("POST", at+"/api-keys", map[string]any{"name": "K", "expires_at": strings.Replace(s, "2026", "2096", 1)})
		},
		"from": func(s string) reply {
			return d.do("POST", at+"/deliveries/replay", map[string]any{"dry_run": true, "from": s})
		},
		"to": func(s string) reply { return d.do("GET", at+"/audit?to="+url.QueryEscape(s), nil) },
	}
	for sent, want := range times {
		for field, send := range ways {
			r := send(sent)
			switch {
			case want == "":
				r.fields(field)
			case r.Status > 299:
				t.Errorf("%s %q: %d %s", field, sent, r.Status, r.Text)
			case field == "time":
				if got := d.do("GET", at+"/events/"+r.id(), nil).want(200).object()["time"]; got != want {
					t.Errorf("%s %q: want %q, got %v", field, sent, want, got)
				}
			case field == "expires_at":
				if got := r.object()["expires_at"]; got != strings.Replace(want, "2026", "2096", 1) {
					t.Errorf("%s %q: got %v", field, sent, got)
				}
			}
		}
	}
}

func TestQueriesOfRequests(t *testing.T) {
	d := newDesk(t)
	const at = "/api/v1"
	for query, fields := range map[string][]string{
		"/deliveries?status=held;x": nil, "/deliveries?status=%zz": nil, "/deliveries?bogus;=1": nil, "/audit?q=%": nil, "/records?from;=1": nil,
		"/events?name=a&name=b": {"name"}, "/users?limit=1&limit=2": {"limit"}, "/records?gzip=true&gzip=true": {"gzip"}, "/deliveries?cursor=&cursor=": {"cursor"},
		"/records?gzip=1": {"gzip"}, "/records?gzip=yes": {"gzip"}, "/records?zip=true": {"zip"}, "/files/fil_1?x=1": {"x"},
		"/users?q=a%00": {"q"}, "/users?q=%ff": {"q"}, "/users?a%00=1": {"a\ufffd"}, "/users?bogus=1": {"bogus"},
	} {
		if fields != nil {
			d.do("GET", at+query, nil).fields(fields...)
			continue
		}
		if p := d.do("GET", at+query, nil).problem(422, "invalid"); !strings.Contains(p["detail"].(string), "%25") {
			t.Errorf("%s: %v", query, p)
		}
	}
	d.do("POST", at+"/events?x;=1", `{"name":"a"}`).problem(422, "invalid")
	d.do("POST", at+"/audiences/adn_1/members?replace=1", `{"members":[]}`).fields("replace")
	d.do("GET", at+"/deliveries?status=held;x", nil, "Authorization", "").problem(401, "")
	d.do("GET", at+"/users?q=a%3Bb%25&limit=1&cursor=", nil).want(200)
}

func TestCursorsOfRequests(t *testing.T) {
	d := newDesk(t)
	const at = "/api/v1"
	for i := range 3 {
		d.do("POST", at+"/events", map[string]any{"name": "paged", "data": i}).want(202)
	}
	next := d.do("GET", at+"/events?limit=2", nil).want(200).object()["next_cursor"].(string)
	if rest := d.do("GET", at+"/events?limit=2&cursor="+next, nil).want(200).items(); len(rest) != 1 {
		t.Errorf("the second page has %d events", len(rest))
	}
	audience := d.do("POST", at+"/audiences", map[string]any{"name": "A"}).want(201).id()
	// every list of the document that can be paged, those within a thing that does not exist included
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
		}
	}
	if err := json.Unmarshal(d.do("GET", at+"/openapi.json", nil).want(200).Text, &doc); err != nil {
		t.Fatal(err)
	}
	lists := 0
	for path, ops := range doc.Paths {
		if op, ok := ops["get"]; !ok || strings.Contains(path, "{") && path != "/audiences/{id}/members" {
			continue
		} else if !strings.Contains(strings.Join(names(op.Parameters), " "), "cursor") {
			continue
		}
		lists++
		list := at + strings.ReplaceAll(path, "{id}", audience) + "?cursor="
		for _, cursor := range []string{"zzz", "!!", "-1", "+5", "007", "99999999999999999999", "evt_", "evt_zzz", next[:len(next)-1] + "A", next + "0", strings.Repeat("1", 300), "rol_x", next} {
			if path == "/events" && cursor == next {
				continue
			}
			d.do("GET", list+url.QueryEscape(cursor), nil).fields("cursor")
		}
		numbers := path == "/audit" || path == "/exports" || path == "/audiences/{id}/members"
		if r := d.do("GET", list+"0", nil); numbers && r.Status != 200 || !numbers && r.Status != 422 {
			t.Errorf("%s0: %d %s", list, r.Status, r.Text)
		}
	}
	if lists < 20 {
		t.Errorf("%d lists tried", lists)
	}
	d.do("GET", at+"/audiences/"+audience+"/members?cursor=9223372036854775807", nil).want(200)
	d.do("GET", at+"/deliveries?event=a&cursor=zzz", nil).fields("cursor")
	d.do("GET", at+"/roles?limit=1&cursor=rol_00000000000000000000000000", nil).want(200)
	if r := d.do("GET", at+"/roles?cursor=rol_viewer", nil).want(200); len(r.items()) != 0 && r.first()["id"] == "rol_viewer" {
		t.Errorf("after the last role: %s", r.Text)
	}
}

func names(parameters []struct{ Name string }) (out []string) {
	for _, p := range parameters {
		out = append(out, p.Name)
	}
	return out
}
