package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// canary is a secret that must be found nowhere but where it is meant to be.
type canary struct {
	what  string
	text  string
	pair  string   // a longer text that travels in one piece with it, "" = none
	core  int      // the first bytes, which are letters and digits and survive most encodings; 0 = none
	meant []string // beginnings of the places where it may stand
}

// spelled are the ways in which somebody may write s.
func spelled(s string) []string {
	text, _ := json.Marshal(s) // a string always encodes
	out := []string{s, string(text[1 : len(text)-1]), html.EscapeString(s), url.QueryEscape(s), url.PathEscape(s),
		hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		out = append(out, e.EncodeToString([]byte(s)))
	}
	return out
}

// needles are what to look for: every spelling, and the core also within the base64 of something longer.
func (c canary) needles() []string {
	out := spelled(c.text)
	if c.pair != "" {
		out = append(out, spelled(c.pair)...)
	}
	if c.core > 0 {
		out = append(out, spelled(c.text[:c.core])...)
		for lead := range 3 {
			text := append(make([]byte, lead), c.text[:c.core]...)
			out = append(out, base64.RawStdEncoding.EncodeToString(text)[(lead*8+5)/6:len(text)*8/6])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sought is a spelling of the secret at that index.
type sought struct {
	secret int
	needle string
}

// atlas finds many needles in one pass, by their first 8 bytes.
type atlas struct {
	maybe [1 << 16]bool
	by    map[uint64][]sought
}

func slot(v uint64) uint64 { return v * 0x9E3779B97F4A7C15 >> 48 }

func newAtlas(t *testing.T, secrets []canary) *atlas {
	a := &atlas{by: map[uint64][]sought{}}
	for i, c := range secrets {
		for _, needle := range c.needles() {
			if len(needle) < 8 {
				t.Fatalf("%s cannot be looked for as %q", c.what, needle)
			}
			var v uint64
			for i := range 8 {
				v = v>>8 | uint64(needle[i])<<56
			}
			a.maybe[slot(v)] = true
			a.by[v] = append(a.by[v], sought{i, needle})
		}
	}
	return a
}

// find calls hit for every needle wherever it begins.
func (a *atlas) find(text string, hit func(at int, s sought)) {
	var v uint64
	for i := range len(text) {
		v = v>>8 | uint64(text[i])<<56
		if i < 7 || !a.maybe[slot(v)] {
			continue
		}
		for _, s := range a.by[v] {
			if strings.HasPrefix(text[i-7:], s.needle) {
				hit(i-7, s)
			}
		}
	}
}
