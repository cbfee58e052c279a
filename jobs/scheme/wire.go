package scheme

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// wire is an address in the spelling in which it is sent and signed: host in lower case ASCII without the default
// port, path and query with everything encoded that may be.
type wire struct {
	scheme, host, path string
	query              parameters
}

// wireOf reads a URL, or says why it cannot.
func wireOf(raw string) (w wire, bad string) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return w, "the address cannot be read as a URL."
	}
	w.scheme, w.host = u.Scheme, strings.ToLower(u.Host)
	if port := u.Port(); (port == "443" && u.Scheme == "https") || (port == "80" && u.Scheme == "http") {
		w.host = strings.TrimSuffix(w.host, ":"+port)
	}
	if strings.ContainsFunc(w.host, func(r rune) bool { return r >= 0x80 }) {
		name, port, _ := strings.Cut(w.host, ":")
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return w, "the host is not a valid international domain name."
		}
		w.host = name
		if port != "" {
			w.host += ":" + port
		}
	}
	var segments []string
	for s := range strings.SplitSeq(cmp.Or(u.RawPath, u.EscapedPath()), "/") { // as typed: %2F is no slash
		segments = append(segments, escape(unescape(s), ""))
	}
	if w.path = strings.Join(segments, "/"); w.path == "" {
		w.path = "/"
	}
	for p := range strings.SplitSeq(u.RawQuery, "&") {
		if p == "" {
			continue
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(p, "+", " "), "=") // a plus is a space in forms
		w.query.add(unescape(name), unescape(value))
	}
	return w, ""
}

func (w wire) String() string {
	out := w.scheme + "://" + w.host + w.path
	if len(w.query) > 0 {
		out += "?" + strings.Join(w.query, "&")
	}
	return out
}

// parameters of a query, each as name=value, encoded, in the order in which they are sent.
type parameters []string

func (p *parameters) add(name, value string) {
	*p = append(*p, escape(name, "")+"="+escape(value, ""))
}

func (p *parameters) drop(names ...string) {
	*p = slices.DeleteFunc(*p, func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return slices.Contains(names, name)
	})
}

func (p parameters) has(name string) bool {
	return slices.ContainsFunc(p, func(s string) bool { return strings.HasPrefix(s, name+"=") })
}

// canonical sorts by encoded name, then by encoded value.
func (p parameters) canonical() string {
	sorted := slices.Clone(p)
	slices.SortFunc(sorted, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(sorted, "&")
}

// tidy takes dot segments and doubled slashes out of a path (RFC 3986, 5.2.4).
func tidy(path string) string {
	var out []string
	for s := range strings.SplitSeq(path, "/") {
		switch s {
		case "", ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, s)
		}
	}
	tidied := "/" + strings.Join(out, "/")
	if strings.HasSuffix(path, "/") && len(out) > 0 {
		tidied += "/"
	}
	return tidied
}

// escape encodes every byte but the unreserved ones (RFC 3986, 2.3) and those in kept.
func escape(s, kept string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-._~"+kept, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// unescape decodes %XX; a percent sign without two digits stays one.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if plain, err := url.PathUnescape(s[i : i+3]); err == nil {
				b.WriteString(plain)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
