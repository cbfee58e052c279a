package model

import (
	"strings"
	"testing"
	"time"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"order.created", "order.created", true},
		{"order.created", "order.created.now", false},
		{"order.created", "order", false},
		{"order.created", "Order.created", false},
		{"order", "order", true},
		{"order.*", "order.created", true},
		{"order.*", "order", false},
		{"order.*", "order.created.now", false},
		{"order.*.done", "order.payment.done", true},
		{"order.*.done", "order.done", false},
		{"order.**", "order.created", true},
		{"order.**", "order.created.now.here", true},
		{"order.**", "order", false},
		{"order.**", "orders.created", false},
		{"order.*.**", "order.a", false},
		{"order.*.**", "order.a.b", true},
		{"*", "order", true},
		{"*", "order.created", false},
		{"*.created", "order.created", true},
		{"**", "order", true},
		{"**", "order.created.now", true},
		{"**", "", false},
		{"", "", false},
		{"", "order", false},
		// Raised by deliveries: a wildcard in the first place would loop.
		{"**", "webhook.response", false},
		{"*.response", "webhook.response", false},
		{"*.**", "webhook.response", false},
		{"webhook.response", "webhook.response", true},
		{"webhook.*", "webhook.response", true},
		{"webhook.**", "webhook.a.b", true},
		{"**", "webhooks.response", true},
		{"*", "webhook", true},
	} {
		if got := Matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q matches %q: %t, want %t", c.pattern, c.name, got, c.want)
		}
	}
}

func TestCheckPattern(t *testing.T) {
	for _, good := range []string{"order", "order.created", "order.*", "order.**", "*", "**", "*.created", "order.*.done", "*.**", "bestellung.geändert", "a-b_c.d"} {
		if says := CheckPattern(good); says != "" {
			t.Errorf("%q: %s", good, says)
		}
	}
	for _, bad := range []string{"", ".", "..", ".order", "order..created", "order.cre*", "*order", "order.**.done", "**.done", "order created", "order.\ncreated", ".**", "order**", "order.", "***", "order.***"} {
		if CheckPattern(bad) == "" {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestCheckEventName(t *testing.T) {
	for _, good := range []string{"order", "order.created", "a.b.c.d", "bestellung.geändert", strings.Repeat("x", 200)} {
		if says := CheckEventName(good); says != "" {
			t.Errorf("%q: %s", good, says)
		}
	}
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\x00b", "a*", "*", strings.Repeat("x", 201)} {
		if CheckEventName(bad) == "" {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Matching takes any text, a name that may be used matches itself, and ** after its first segment matches it too.
func FuzzMatches(f *testing.F) {
	for _, s := range []string{"order.created", "order.*", "**", "*.created", "webhook.response", "a..b", ".", "\xff.\x00"} {
		f.Add(s, "order.created")
		f.Add("order.*", s)
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		matches := Matches(pattern, name)
		if matches && strings.HasPrefix(pattern, "*") && strings.HasPrefix(name, InternalEventPrefix) {
			t.Errorf("%q loops on %q", pattern, name)
		}
		if matches && !strings.Contains(pattern, "*") && pattern != name {
			t.Errorf("%q matches %q", pattern, name)
		}
		if CheckEventName(name) != "" {
			return
		}
		if !Matches(name, name) {
			t.Errorf("%q does not match itself", name)
		}
		if CheckPattern(name) != "" {
			t.Errorf("%q is a name and no pattern: %s", name, CheckPattern(name))
		}
		if first, _, more := strings.Cut(name, "."); more && !Matches(first+".**", name) {
			t.Errorf("%q is not found by %q", name, first+".**")
		}
	})
}

func TestStamp(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	for want, at := range map[string]time.Time{
		"":                         {},
		"2026-01-02T03:04:05.000Z": time.Date(2026, 1, 2, 5, 4, 5, 0, zone),
		"2026-01-02T03:04:05.678Z": time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC),
	} {
		if got := Stamp(at); got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
}
