package scheme

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shortest is the length in bytes from which a value is looked for in texts; anything shorter would hit by chance.
const shortest = 4

// spellings are all the ways in which values are looked for, longest first: as they are, and as base64 (both
// alphabets, with and without padding, also in the middle of something longer), URL-encoded, JSON, HTML and hex.
func spellings(values []string) []string {
	seen := map[string]bool{}
	for _, v := range values {
		if len(v) < shortest {
			continue
		}
		for _, s := range forms(v) {
			if len(s) >= shortest {
				seen[s] = true
			}
		}
	}
	out := make([]string, 0, len(seen))
	for s := range seen {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return out
}

func forms(v string) []string {
	out := []string{v, html.EscapeString(v), hex.EncodeToString([]byte(v)), strings.ToUpper(hex.EncodeToString([]byte(v)))}
	for _, s := range []string{url.QueryEscape(v), url.PathEscape(v), strings.ReplaceAll(url.QueryEscape(v), "+", "%20")} {
		out = append(out, s, lowerEscapes(s))
	}
	for _, s := range []string{jsonText(v, true), jsonText(v, false), asciiText(v)} {
		out = append(out, s, strings.ReplaceAll(s, "/", `\/`))
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		out = append(out, enc.EncodeToString([]byte(v)))
	}
	return append(out, inner(v)...)
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i:i+3], bytes.ToLower(b[i:i+3]))
		}
	}
	return string(b)
}

func jsonText(v string, escapeHTML bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escapeHTML)
	_ = enc.Encode(v) // text always encodes
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// asciiText is JSON text with everything beyond ASCII as \uXXXX, as some languages write it.
func asciiText(v string) string {
	var b strings.Builder
	for _, r := range jsonText(v, false) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x10000:
			b.WriteString(`\u` + pad(strconv.FormatInt(int64(r), 16)))
		default:
			r -= 0x10000
			b.WriteString(`\u` + strconv.FormatInt(int64(0xd800+r>>10), 16) + `\u` + strconv.FormatInt(int64(0xdc00+r&0x3ff), 16))
		}
	}
	return b.String()
}

func pad(s string) string { return strings.Repeat("0", 4-len(s)) + s }

// inner is what base64 makes of v inside a longer text, at each of the three alignments: the characters that depend on
// v alone.
func inner(v string) []string {
	if len(v) < 2*shortest {
		return nil
	}
	var out []string
	for lead := range 3 {
		text := append(make([]byte, lead), v...)
		from, to := (lead*8+5)/6, len(text)*8/6
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			out = append(out, enc.EncodeToString(text)[from:to])
		}
	}
	return out
}
