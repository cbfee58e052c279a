package script

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// reader builds JavaScript values from JSON text in one pass, in the order of the text. goja's own JSON.parse takes
// four times as long. Keys that look like array indexes keep their place too, where JavaScript would sort them first.
type reader struct {
	rt    *goja.Runtime
	exact *exactNumbers
	src   string
	pos   int
	depth int
}

type readError struct {
	text  string
	bound string
}

func (r *reader) fail(text string) *readError {
	return &readError{text: fmt.Sprintf("%s at byte %d", text, r.pos)}
}

// read reads one value and nothing behind it.
func (r *reader) read() (goja.Value, *readError) {
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.space(); r.pos < len(r.src) {
		return nil, r.fail("unexpected text after the JSON value")
	}
	return v, nil
}

func (r *reader) space() {
	for r.pos < len(r.src) {
		switch r.src[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

func (r *reader) peek() byte {
	r.space()
	if r.pos < len(r.src) {
		return r.src[r.pos]
	}
	return 0
}

func (r *reader) value() (goja.Value, *readError) {
	switch c := r.peek(); {
	case c == '"':
		s, err := r.string()
		if err != nil {
			return nil, err
		}
		return r.rt.ToValue(s), nil
	case c == '{':
		return r.nested(r.object)
	case c == '[':
		return r.nested(r.array)
	case c == '-' || isDigit(c):
		return r.number()
	case r.word("true"):
		return r.rt.ToValue(true), nil
	case r.word("false"):
		return r.rt.ToValue(false), nil
	case r.word("null"):
		return goja.Null(), nil
	}
	return nil, r.fail("the text is not valid JSON")
}

func (r *reader) nested(read func() (goja.Value, *readError)) (goja.Value, *readError) {
	if r.depth++; r.depth > MaxJSONDepth {
		return nil, &readError{text: fmt.Sprintf("the JSON is nested deeper than %d", MaxJSONDepth), bound: BoundDepth}
	}
	r.pos++
	v, err := read()
	r.depth--
	return v, err
}

func (r *reader) word(w string) bool {
	if strings.HasPrefix(r.src[r.pos:], w) {
		r.pos += len(w)
		return true
	}
	return false
}

func (r *reader) array() (goja.Value, *readError) {
	var items []any
	if r.peek() == ']' {
		r.pos++
		return r.rt.NewArray(), nil
	}
	for {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		items = append(items, v)
		switch r.peek() {
		case ',':
			r.pos++
		case ']':
			r.pos++
			return r.rt.NewArray(items...), nil
		default:
			return nil, r.fail("the text is not valid JSON")
		}
	}
}

// key reads `"key":`.
func (r *reader) key() (string, *readError) {
	if r.peek() != '"' {
		return "", r.fail("the text is not valid JSON")
	}
	k, err := r.string()
	if err != nil {
		return "", err
	}
	if r.peek() != ':' {
		return "", r.fail("the text is not valid JSON")
	}
	r.pos++
	return k, nil
}

func (r *reader) object() (goja.Value, *readError) {
	o := r.rt.NewObject()
	var ordered *orderedObject
	if r.peek() == '}' {
		r.pos++
		return o, nil
	}
	for {
		k, err := r.key()
		if err != nil {
			return nil, err
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		if ordered == nil && k != "" && isDigit(k[0]) {
			ordered = newOrderedObject(o)
		}
		if ordered != nil {
			ordered.Set(k, v)
		} else if err := o.DefineDataProperty(k, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
			return nil, r.fail(err.Error())
		}
		switch r.peek() {
		case ',':
			r.pos++
		case '}':
			r.pos++
			if ordered != nil {
				return r.rt.NewDynamicObject(ordered), nil
			}
			return o, nil
		default:
			return nil, r.fail("the text is not valid JSON")
		}
	}
}

func (r *reader) string() (string, *readError) {
	begin := r.pos + 1
	for i := begin; i < len(r.src); i++ {
		switch c := r.src[i]; {
		case c == '"':
			r.pos = i + 1
			return r.src[begin:i], nil
		case c == '\\':
			return r.escaped(begin, i)
		case c < 0x20:
			r.pos = i
			return "", r.fail("control character in a JSON string")
		}
	}
	return "", r.fail("a JSON string is not closed")
}

func (r *reader) escaped(begin, i int) (string, *readError) {
	b := make([]byte, 0, i-begin+32)
	b = append(b, r.src[begin:i]...)
	for i < len(r.src) {
		c := r.src[i]
		switch {
		case c == '"':
			r.pos = i + 1
			return string(b), nil
		case c < 0x20:
			r.pos = i
			return "", r.fail("control character in a JSON string")
		case c != '\\':
			b = append(b, c)
			i++
			continue
		}
		if i+1 >= len(r.src) {
			break
		}
		if r.src[i+1] == 'u' {
			u, n := r.unicode(i)
			if n == 0 {
				r.pos = i
				return "", r.fail("bad escape in a JSON string")
			}
			b = utf8.AppendRune(b, u)
			i += n
			continue
		}
		k := strings.IndexByte(`"\/bfnrt`, r.src[i+1])
		if k < 0 {
			r.pos = i
			return "", r.fail("bad escape in a JSON string")
		}
		b = append(b, "\"\\/\b\f\n\r\t"[k])
		i += 2
	}
	return "", r.fail("a JSON string is not closed")
}

// unicode reads \uXXXX, or a pair of them, at i, and returns the length that it took; half a pair becomes U+FFFD.
func (r *reader) unicode(i int) (rune, int) {
	first, ok := hex4(r.src, i+2)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if strings.HasPrefix(r.src[i+6:], `\u`) {
		if second, ok := hex4(r.src, i+8); ok {
			if u := utf16.DecodeRune(first, second); u != utf8.RuneError {
				return u, 12
			}
		}
	}
	return utf8.RuneError, 6
}

func hex4(s string, i int) (rune, bool) {
	if i+4 > len(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s[i:i+4], 16, 32)
	return rune(n), err == nil
}

// number reads a number by RFC 8259's grammar.
func (r *reader) number() (goja.Value, *readError) {
	begin := r.pos
	if r.src[r.pos] == '-' {
		r.pos++
	}
	whole := r.digits()
	valid := whole == 1 || whole > 1 && r.src[r.pos-whole] != '0'
	integer := true
	if valid && r.at('.') {
		integer = false
		r.pos++
		valid = r.digits() > 0
	}
	if valid && (r.at('e') || r.at('E')) {
		integer = false
		r.pos++
		if r.at('+') || r.at('-') {
			r.pos++
		}
		valid = r.digits() > 0
	}
	if !valid {
		return nil, r.fail("bad JSON number")
	}
	return r.makeNumber(r.src[begin:r.pos], integer), nil
}

func (r *reader) at(c byte) bool { return r.pos < len(r.src) && r.src[r.pos] == c }

func (r *reader) digits() int {
	begin := r.pos
	for r.pos < len(r.src) && isDigit(r.src[r.pos]) {
		r.pos++
	}
	return r.pos - begin
}

const maxSafe = 1<<53 - 1

func (r *reader) makeNumber(text string, integer bool) goja.Value {
	if integer && text != "-0" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err == nil && n >= -maxSafe && n <= maxSafe {
			return r.rt.ToValue(n)
		}
		return r.exact.make(text)
	}
	f, _ := strconv.ParseFloat(text, 64)
	if len(text) > 15 && (math.IsInf(f, 0) || !sameDecimal(text, strconv.FormatFloat(f, 'e', -1, 64))) || math.IsInf(f, 0) {
		return r.exact.make(text)
	}
	return r.rt.ToValue(f)
}

// sameDecimal reports whether two decimal numbers are the same number.
func sameDecimal(a, b string) bool {
	da, ea := decimal(a)
	db, eb := decimal(b)
	return da == db && (ea == eb || da == "")
}

// decimal gives the digits of a number without zeros at their ends, and the exponent of 0.DIGITS.
func decimal(s string) (string, int) {
	s, sign := strings.TrimPrefix(s, "-"), strings.HasPrefix(s, "-")
	exponent := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exponent, _ = strconv.Atoi(s[i+1:])
		s = s[:i]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent += len(whole) - (len(whole+fraction) - len(digits))
	digits = strings.TrimRight(digits, "0")
	if sign && digits != "" {
		digits = "-" + digits
	}
	return digits, exponent
}
