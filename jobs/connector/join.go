package connector

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"waybill/db/model"
)

// CheckPath says why a destination cannot have this path, or "". A path that holds template tags is checked once they
// are rendered.
func CheckPath(path string) string {
	if strings.Contains(path, "{{") {
		return ""
	}
	return checkPath(path)
}

func checkPath(path string) string {
	plain, _, _ := strings.Cut(path, "?")
	switch {
	case strings.ContainsFunc(path, unicode.IsControl):
		return "The path holds a line break or another control character."
	case strings.Contains(path, "#"):
		return "The path holds a #: requests have no #fragment. Write %23 if the character itself is meant."
	case whole.MatchString(path):
		return "The path is a whole address. The host belongs to the connection; leave only what comes after it."
	}
	for seg := range strings.FieldsFuncSeq(plain, func(r rune) bool { return r == '/' || r == '\\' }) {
		if s := strings.ReplaceAll(strings.ToLower(seg), "%2e", "."); s == "." || s == ".." {
			return "The path holds a segment . or .., which would leave the connection's base URL."
		}
	}
	return ""
}

var whole = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// Joined is a path and what Join made of it; Address is empty where it made nothing.
type Joined struct{ Path, Address string }

// Join puts the path of a destination behind the base URL of its connection, or says why not. One slash stands at the
// joint, whatever both bring along; the base URL keeps its own path and query, and the path's query follows it.
// What may not stand in a URL is percent-encoded, what is already encoded stays. The host is always the connection's.
func Join(conn model.Connection, path string) (address, complaint string) {
	path = strings.TrimSpace(path)
	if bad := checkPath(path); bad != "" {
		return "", bad
	}
	base, err := url.Parse(conn.EffectiveURL())
	if err != nil || base.Host == "" {
		return "", "The base URL of the connection is not an address."
	}
	path, query, _ := strings.Cut(path, "?")
	joined := base.EscapedPath()
	if path != "" {
		joined = strings.TrimRight(joined, "/") + "/" + strings.TrimLeft(path, "/")
	}
	address = base.Scheme + "://" + base.Host + encode(joined, pathExtra)
	if q := joinQuery(base.RawQuery, query); q != "" {
		address += "?" + encode(q, queryExtra)
	}
	return address, ""
}

func joinQuery(a, b string) string {
	a, b = strings.Trim(a, "&"), strings.Trim(b, "&")
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}

// What stands raw beside letters, digits and -._~ (RFC 3986, 3.3 and 3.4; brackets in queries by custom).
const (
	pathExtra  = "-._~!$&'()*+,;=:@/"
	queryExtra = pathExtra + "?[]"
)

func encode(s, extra string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', strings.IndexByte(extra, c) >= 0, c == '%' && isHex(s, i+1) && isHex(s, i+2):
			b.WriteByte(c)
		default:
			b.WriteString(string([]byte{'%', hex[c>>4], hex[c&15]}))
		}
	}
	return b.String()
}

func isHex(s string, i int) bool {
	return i < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[i]) >= 0
}
