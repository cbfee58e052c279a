package model

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wrong lists the fields that are complained about.
func wrong(c Connection) []string {
	var out []string
	for _, f := range c.Check() {
		out = append(out, f.Name)
	}
	return out
}

func TestConnectionCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Connection)
		want   []string
	}{
		{"as it is", func(*Connection) {}, nil},
		{"plain http", func(c *Connection) { c.BaseURL = "http://localhost:8080/base?x=1" }, nil},
		{"an IPv6 address", func(c *Connection) { c.BaseURL = "https://[2001:db8::1]:8443" }, nil},
		{"the same port twice", func(c *Connection) { c.BaseURL, c.Port = "https://a.example:8443", 8443 }, nil},
		{"largest port", func(c *Connection) { c.Port = 65535 }, nil},
		{"no name", func(c *Connection) { c.Name = "" }, []string{"name"}},
		{"a long name", func(c *Connection) { c.Name = strings.Repeat("ä", 121) }, []string{"name"}},
		{"the longest name", func(c *Connection) { c.Name = strings.Repeat("ä", 120) }, nil},
		{"NUL", func(c *Connection) { c.Description = "a\x00b" }, []string{"description"}},
		{"no address", func(c *Connection) { c.BaseURL = "" }, []string{"base_url"}},
		{"no scheme", func(c *Connection) { c.BaseURL = "example.com" }, []string{"base_url"}},
		{"another scheme", func(c *Connection) { c.BaseURL = "ftp://example.com" }, []string{"base_url"}},
		{"no host", func(c *Connection) { c.BaseURL = "https:///path" }, []string{"base_url"}},
		{"a port alone", func(c *Connection) { c.BaseURL = "https://:443" }, []string{"base_url"}},
		{"a port that is none", func(c *Connection) { c.BaseURL = "https://example.com:http" }, []string{"base_url"}},
		{"a password", func(c *Connection) { c.BaseURL = "https://ada:secret@example.com" }, []string{"base_url"}},
		{"a fragment", func(c *Connection) { c.BaseURL = "https://example.com/#here" }, []string{"base_url"}},
		{"an empty fragment", func(c *Connection) { c.BaseURL = "https://example.com/#" }, []string{"base_url"}},
		{"a tag", func(c *Connection) { c.BaseURL = "https://example.com/{{ it.x }}" }, []string{"base_url"}},
		{"two ports: the second one counts", func(c *Connection) { c.BaseURL, c.Port = "https://example.com:8443", 443 }, nil},
		{"port below", func(c *Connection) { c.Port = -1 }, []string{"port"}},
		{"port above", func(c *Connection) { c.Port = 65536 }, []string{"port"}},
		{"no time", func(c *Connection) { c.TimeoutSeconds = 0 }, []string{"timeout_seconds"}},
		{"too much time", func(c *Connection) { c.TimeoutSeconds = 301 }, []string{"timeout_seconds"}},
		{"everything", func(c *Connection) { *c = Connection{Port: -1} }, []string{"name", "timeout_seconds", "port", "base_url"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := Connection{Name: "Shop", BaseURL: "https://example.com"}
			x.Clean()
			c.change(&x)
			if diff := cmp.Diff(c.want, wrong(x)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEffectiveURL(t *testing.T) {
	for _, c := range []struct {
		base string
		port int
		want string
	}{
		{"https://example.com", 0, "https://example.com"},
		{"https://example.com", 8443, "https://example.com:8443"},
		{"https://example.com:8443/base", 0, "https://example.com:8443/base"},
		{"https://example.com:8443/base", 8443, "https://example.com:8443/base"},
		{"https://example.com:1/base/?a=b%20c", 2, "https://example.com:2/base/?a=b%20c"},
		{"http://[2001:db8::1]/x", 81, "http://[2001:db8::1]:81/x"},
		{"http://[2001:db8::1]:80/x", 0, "http://[2001:db8::1]:80/x"},
		{"https://example.com/ü", 0, "https://example.com/%C3%BC"},
		{"://", 80, ""},
		{"https://exa mple.com", 0, ""},
	} {
		if got := (Connection{BaseURL: c.base, Port: c.port}).EffectiveURL(); got != c.want {
			t.Errorf("%s with port %d: %s, want %s", c.base, c.port, got, c.want)
		}
	}
}
