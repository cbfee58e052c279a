package script

import (
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// write writes the value of an {{ expr }} for its place.
func (r *run) write(n *node, v goja.Value) {
	switch r.part.Place {
	case JSONBody:
		if n.inString {
			r.out = appendJSONText(r.out, r.text(v))
			return
		}
		text, ok := r.json(v)
		if !ok {
			r.refuse(v)
			text = "null"
		}
		r.out = append(r.out, text...)
	case FormBody, Path:
		r.out = appendPercent(r.out, r.text(v))
	default:
		r.out = append(r.out, r.text(v)...)
	}
}

// text is a value as text: null and undefined are nothing, objects are JSON, but for those whose JSON is a string
// (dates), which are that string.
func (r *run) text(v goja.Value) string {
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return ""
	}
	r.refuse(v)
	o, ok := v.(*goja.Object)
	if !ok {
		return v.String()
	}
	if text, ok := r.exact.of(o); ok {
		return text
	}
	text, ok := r.json(o)
	if !ok {
		return ""
	}
	if strings.HasPrefix(text, `"`) {
		s, err := (&reader{src: text}).string()
		if err == nil {
			return s
		}
	}
	return text
}

// refuse throws for what has no text and no JSON.
func (r *run) refuse(v goja.Value) {
	if _, ok := v.(*goja.Symbol); ok {
		panic(r.rt.NewTypeError("a symbol cannot be written"))
	}
	if _, ok := goja.AssertFunction(v); ok {
		panic(r.rt.NewTypeError("a function cannot be written; is a call missing its ()?"))
	}
}

// json is a value as JSON; not ok means that it has none (undefined, functions, symbols).
func (r *run) json(v goja.Value) (string, bool) {
	switch {
	case goja.IsUndefined(v):
		return "", false
	case goja.IsString(v):
		return string(append(appendJSONText([]byte{'"'}, v.String()), '"')), true
	case goja.IsBigInt(v):
		return v.String(), true
	}
	if r.convert == nil {
		r.convert, _ = goja.AssertFunction(r.rt.Get("JSON").ToObject(r.rt).Get("stringify"))
		if r.convert == nil {
			panic(r.rt.NewTypeError("JSON.stringify was replaced"))
		}
	}
	text, err := r.convert(goja.Undefined(), v)
	if err != nil {
		panic(err)
	}
	if goja.IsUndefined(text) {
		return "", false
	}
	return text.String(), true
}

const hexDigits = "0123456789abcdef"

// appendJSONText appends s as it stands inside a JSON string literal, without its quotes.
func appendJSONText(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		if k := strings.IndexByte("\"\\\b\f\n\r\t", c); k >= 0 {
			b = append(b, '\\', `"\bfnrt`[k])
			continue
		}
		b = append(b, `\u00`...)
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return append(b, s[from:]...)
}

// appendPercent encodes all but the unreserved characters of RFC 3986, which suits path segments, query and form alike.
func appendPercent(b []byte, s string) []byte {
	const upper = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || strings.IndexByte("-._~", c) >= 0 && c < utf8.RuneSelf {
			b = append(b, c)
			continue
		}
		b = append(b, '%', upper[c>>4], upper[c&15])
	}
	return b
}
