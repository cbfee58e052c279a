package egress

import (
	"cmp"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"waybill/db/model"
)

// buffers hold requests on their way out.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// appendHead appends the request line and the headers (RFC 9112 3), in a fixed order. The headers were checked before; size is
// that of the body.
func appendHead(b []byte, u *url.URL, r Request, size int64) ([]byte, error) {
	method, path := cmp.Or(r.Method, http.MethodGet), u.RequestURI()
	if !httpguts.ValidHeaderFieldName(method) { // a token as well
		return nil, fmt.Errorf("the method %q is not valid", method)
	}
	if i := strings.IndexFunc(path+u.Host, func(c rune) bool { return c <= ' ' || c >= 0x7f }); i >= 0 {
		return nil, fmt.Errorf("the address %q cannot stand in a request", path)
	}
	b = append(append(append(b, method...), ' '), path...)
	b = line(append(b, " HTTP/1.1\r\n"...), "Host", withoutZone(u.Host))
	if agent := r.Header["User-Agent"]; len(agent) > 0 && agent[0] != "" {
		b = line(b, "User-Agent", agent[0])
	}
	if tellsLength(method, size) {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), size, 10), "\r\n"...)
	}
	var few [16]string
	names := few[:0]
	for name := range r.Header {
		if name != "User-Agent" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range r.Header[name] {
			b = line(b, name, v)
		}
	}
	return append(b, "\r\n"...), nil
}

// tellsLength: a body has its length told, and so has an empty one where a body is usual (RFC 9110 8.6).
func tellsLength(method string, size int64) bool {
	return size > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// added are the headers that stand in a request besides those that it was given, as appendHead writes them.
func (c *Client) added(u *url.URL, r Request, size int64) []model.Header {
	out := append(make([]model.Header, 0, 3), model.Header{Name: "Host", Value: withoutZone(u.Host)})
	if _, own := r.Header["User-Agent"]; !own {
		out = append(out, model.Header{Name: "User-Agent", Value: c.agent[0]})
	}
	if tellsLength(cmp.Or(r.Method, http.MethodGet), size) {
		out = append(out, model.Header{Name: "Content-Length", Value: strconv.FormatInt(size, 10)})
	}
	return out
}

func line(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, textproto.TrimString(value)...), "\r\n"...)
}

// withoutZone leaves the zone of an IPv6 address out: it means something on this machine only (RFC 6874 4).
func withoutZone(host string) string {
	before, after, zone := strings.Cut(host, "%")
	if !zone {
		return host
	}
	_, port, _ := strings.Cut(after, "]")
	return before + "]" + port
}
