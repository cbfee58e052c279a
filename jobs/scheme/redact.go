package scheme

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"waybill/db/model"
)

// Redactor replaces secrets by model.Mask in what is recorded of an exchange. Build it once per credential version; it
// is safe for use by many goroutines, and a nil Redactor knows only the places that are always secret.
type Redactor struct {
	values   []string // as they are, without their spellings
	needles  [][]byte // all spellings, longest first
	replacer *strings.Replacer
	with     atomic.Pointer[extended] // the last answer of With
}

type extended struct {
	by model.Secret
	r  *Redactor
}

// NewRedactor covers every secret of the materials, and further values such as a signing secret, in all the spellings
// of forms.go. Values shorter than 4 characters are masked only where Applied names their place.
func NewRedactor(materials []Material, more ...model.Secret) *Redactor {
	var values []string
	for _, m := range materials {
		k, ok := ByType(m.Type)
		if ok && k.masks != nil {
			values = append(values, k.masks(m)...)
			continue
		}
		for _, s := range m.Secrets {
			values = append(values, s.Reveal())
		}
		if ok && k.derived != nil {
			values = append(values, k.derived(m)...)
		}
	}
	for _, s := range more {
		values = append(values, s.Reveal(), strings.TrimPrefix(s.Reveal(), secretPrefix))
	}
	return covering(values)
}

func covering(values []string) *Redactor {
	r := &Redactor{values: values}
	var pairs []string
	for _, s := range spellings(values) {
		r.needles = append(r.needles, []byte(s))
		pairs = append(pairs, s, model.Mask)
	}
	r.replacer = strings.NewReplacer(pairs...)
	return r
}

// With covers one more value, such as a token that was obtained; "" adds nothing. The last answer is kept, since many
// requests carry the same token.
func (r *Redactor) With(value model.Secret) *Redactor {
	switch {
	case value == "":
		return r
	case r == nil:
		return NewRedactor(nil, value)
	}
	if x := r.with.Load(); x != nil && x.by == value {
		return x.r
	}
	x := &extended{value, covering(append(slices.Clip(r.values), value.Reveal()))}
	r.with.Store(x)
	return x.r
}

// Text masks a text.
func (r *Redactor) Text(s string) string {
	if r == nil || len(r.needles) == 0 {
		return s
	}
	return r.replacer.Replace(s)
}

// Body masks a body; it is returned as it is when nothing matches. The end of a body that was cut may be the
// beginning of a secret and is masked too.
func (r *Redactor) Body(b []byte, cut bool) []byte {
	if r == nil || len(b) == 0 {
		return b
	}
	if slices.ContainsFunc(r.needles, func(n []byte) bool { return bytes.Contains(b, n) }) {
		b = []byte(r.replacer.Replace(string(b)))
	}
	if !cut {
		return b
	}
	longest := 0
	for _, n := range r.needles {
		for l := min(len(n)-1, len(b)); l >= shortest && l > longest; l-- {
			if bytes.HasSuffix(b, n[:l]) {
				longest = l
			}
		}
	}
	if longest > 0 {
		b = append(bytes.Clone(b[:len(b)-longest]), model.Mask...)
	}
	return b
}

// Request lists the headers of a request, sorted, with the places of a and those that are always secret masked whole.
func (r *Redactor) Request(h http.Header, a Applied) []model.Header {
	return r.list(h, func(name string) bool { return slices.Contains(a.Headers, name) || secretHeader(name) })
}

// Response lists the headers of an answer, sorted.
func (r *Redactor) Response(h http.Header) []model.Header {
	return r.list(h, secretHeader)
}

func (r *Redactor) list(h http.Header, secret func(string) bool) []model.Header {
	out := make([]model.Header, 0, len(h))
	for name, values := range h {
		for _, v := range values {
			switch {
			case secret(name):
				v = masked(name, v)
			case name == "Location" || name == "Referer" || name == "Content-Location":
				v = r.URL(v, Applied{})
			default:
				v = r.Text(v)
			}
			out = append(out, model.Header{Name: r.Text(name), Value: v})
		}
	}
	slices.SortStableFunc(out, func(a, b model.Header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func secretHeader(canonical string) bool {
	switch canonical {
	case "Authorization", "Cookie", "Set-Cookie", "Set-Cookie2", "Proxy-Authorization", "X-Api-Key", "X-Amz-Security-Token":
		return true
	}
	return false
}

// URL masks the user part, the parameters that a names, those whose name says that they are secret, and every known
// value. The rest stays byte for byte.
func (r *Redactor) URL(raw string, a Applied) string {
	raw, fragment, hashed := strings.Cut(r.Text(raw), "#") // before it is cut: a value may hold any of the signs
	base, query, asked := strings.Cut(raw, "?")
	if scheme, rest, ok := strings.Cut(base, "://"); ok {
		authority, path, slash := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			authority = model.Mask + authority[at:]
		}
		base = scheme + "://" + authority
		if slash {
			base += "/" + path
		}
	}
	if asked {
		base += "?" + maskQuery(query, a)
	}
	if hashed {
		base += "#" + maskQuery(fragment, a)
	}
	return base
}

// maskQuery masks the values of secret parameters, whatever they are.
func maskQuery(q string, a Applied) string {
	parts := strings.Split(q, "&")
	for i, p := range parts {
		name, value, ok := strings.Cut(p, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if ok && value != "" && (slices.Contains(a.Query, plain) || secretParameter(plain)) {
			parts[i] = name + "=" + model.Mask
		}
	}
	return strings.Join(parts, "&")
}

func secretParameter(name string) bool {
	name = strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	if name == "key" || name == "sig" {
		return true
	}
	return slices.ContainsFunc([]string{"token", "secret", "password", "passwd", "apikey", "accesskey", "signature"},
		func(word string) bool { return strings.Contains(name, word) })
}

// masked is the value of a secret header as it is recorded: of an Authorization in a well-known scheme that name stays, which
// says how the request was signed in.
func masked(name, value string) string {
	if name == "Authorization" {
		switch scheme, _, _ := strings.Cut(value, " "); scheme {
		case "Basic", "Bearer", "AWS4-HMAC-SHA256":
			return scheme + " " + model.Mask
		}
	}
	return model.Mask
}
