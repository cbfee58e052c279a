package script

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
	"github.com/google/uuid"
)

// Helper is a function that templates can call, as shown beside the editor. The result of Example is Gives, with
// now() at 2026-02-03T04:05:06.789Z and the seed "msg_1".
type Helper struct {
	Name      string
	Signature string
	Doc       string
	Example   string
	Gives     string
	call      func(*run, goja.FunctionCall) goja.Value
}

// Helpers lists the functions that templates can call, in the order in which to show them.
func Helpers() []Helper {
	return []Helper{
		{"now", "now()", "The time of this attempt, as a Date.", `now().toISOString()`, "2026-02-03T04:05:06.789Z", (*run).helpNow},
		{"parseDate", "parseDate(text, format?, zone?)", "Reads a date. Without format: RFC 3339, a plain date, or a number of milliseconds. With one: the tokens of formatDate. Throws when the text does not fit.", `parseDate("03/02/2026", "DD/MM/YYYY").toISOString()`, "2026-02-03T00:00:00.000Z", (*run).helpParseDate},
		{"formatDate", "formatDate(date, format, zone?)", "Writes a date (Date, text or milliseconds). Tokens: YYYY YY MMMM MMM MM M DD D dddd ddd HH H hh h mm m ss s SSS A a ZZ Z; text in [brackets] stays. The zone is a name such as Pacific/Auckland; without one, UTC.", `formatDate(now(), "ddd D MMM YYYY HH:mm Z", "Pacific/Auckland")`, "Tue 3 Feb 2026 17:05 +13:00", (*run).helpFormatDate},
		{"addDate", "addDate(date, amount, unit)", "Adds to a date. Units: ms, seconds, minutes, hours, days, weeks, months, years (also in the singular); a day too many for its month becomes the last of that month.", `isoDate(addDate("2026-01-31", 1, "month"))`, "2026-02-28T00:00:00.000Z", (*run).helpAddDate},
		{"isoDate", "isoDate(date?)", "The date as RFC 3339 text in UTC; of now() when left out.", `isoDate()`, "2026-02-03T04:05:06.789Z", (*run).helpISODate},
		{"unix", "unix(date?)", "Whole seconds since 1970; of now() when left out.", `unix()`, "1770091506", (*run).helpUnix},
		{"unixMs", "unixMs(date?)", "Milliseconds since 1970; of now() when left out.", `unixMs()`, "1770091506789", (*run).helpUnixMs},
		{"fromUnix", "fromUnix(seconds)", "The Date of a number of seconds since 1970.", `isoDate(fromUnix(0))`, "1970-01-01T00:00:00.000Z", (*run).helpFromUnix},
		{"sha256", "sha256(text, encoding?)", "SHA-256 of the text's UTF-8. Encodings: hex (default), base64, base64url.", `sha256("abc")`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hashHelper(sha256.New)},
		{"sha512", "sha512(text, encoding?)", "SHA-512, as sha256.", `sha512("abc").slice(0, 16)`, "ddaf35a193617aba", hashHelper(sha512.New)},
		{"sha1", "sha1(text, encoding?)", "SHA-1, as sha256; for systems that still ask for it.", `sha1("abc", "base64")`, "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", hashHelper(sha1.New)},
		{"md5", "md5(text, encoding?)", "MD5, as sha256; for systems that still ask for it.", `md5("abc")`, "900150983cd24fb0d6963f7d28e17f72", hashHelper(md5.New)},
		{"hmac", "hmac(algorithm, key, text, encoding?)", "HMAC of the text. Algorithms: sha256, sha512, sha1, md5. Encodings as sha256.", `hmac("sha256", "key", "abc").slice(0, 16)`, "9c196e32dc0175f8", (*run).helpHMAC},
		{"base64", "base64(text)", "Base64 of the text's UTF-8.", `base64("a?ÿ")`, "YT/Dvw==", textHelper(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
		{"base64url", "base64url(text)", "Base64 with - and _ and without =.", `base64url("a?ÿ")`, "YT_Dvw", textHelper(func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) })},
		{"fromBase64", "fromBase64(text)", "The text of base64 of either kind. Throws when it is not base64.", `fromBase64("YT_Dvw")`, "a?ÿ", (*run).helpFromBase64},
		{"urlEncode", "urlEncode(text)", "Percent-encodes all but letters, digits and - . _ ~.", `urlEncode("a b/ü")`, "a%20b%2F%C3%BC", textHelper(func(s string) string { return string(appendPercent(nil, s)) })},
		{"urlDecode", "urlDecode(text)", "Undoes percent-encoding; + stays. Throws when the text is not percent-encoded.", `urlDecode("a%20b+c")`, "a b+c", (*run).helpURLDecode},
		{"uuid", "uuid()", "A UUID (version 5) that follows from the delivery and the number of the call, so that all attempts of a delivery agree.", `uuid()`, "80369cb5-fe14-5f2c-a714-f8b8f3f6c3b4", (*run).helpUUID},
	}
}

// helpersIn picks the helpers that the code names.
func helpersIn(names map[string]bool) []Helper {
	return slices.DeleteFunc(Helpers(), func(h Helper) bool { return !names[h.Name] })
}

// installHelpers defines the helpers that the part names, and guards JSON.parse when it is named.
func (r *run) installHelpers(p *part) {
	for i := range p.helpers {
		h := &p.helpers[i]
		r.global(h.Name, func(c goja.FunctionCall) goja.Value { return h.call(r, c) })
	}
	if p.facts.names["JSON"] && p.facts.parse {
		r.guardParse()
	}
}

func (r *run) global(name string, f func(goja.FunctionCall) goja.Value) {
	if err := r.rt.Set(name, f); err != nil {
		panic(err)
	}
}

// guardParse puts the bounded, order-keeping reader in the place of JSON.parse, whose nesting could end the process.
func (r *run) guardParse() {
	o := r.rt.Get("JSON").ToObject(r.rt)
	native, _ := goja.AssertFunction(o.Get("parse"))
	err := o.Set("parse", func(c goja.FunctionCall) goja.Value {
		v, bad := (&reader{rt: r.rt, exact: r.exact, src: c.Argument(0).String()}).read()
		switch {
		case bad != nil:
			panic(r.jsError("SyntaxError", "JSON.parse: "+bad.text))
		case len(c.Arguments) > 1 && native != nil:
			return r.must(native(c.This, c.Arguments...))
		}
		return v
	})
	if err != nil {
		panic(err)
	}
}

func (r *run) must(v goja.Value, err error) goja.Value {
	if err != nil {
		panic(err)
	}
	return v
}

// jsError makes an error of a JavaScript class, to be thrown with panic.
func (r *run) jsError(class, message string) goja.Value {
	o, err := r.rt.New(r.rt.Get(class), r.rt.ToValue(message))
	if err != nil {
		return r.rt.NewTypeError(message)
	}
	return o
}

func (r *run) throw(message string) { panic(r.jsError("Error", message)) }

// argument is the text of an argument that has to be there.
func (r *run) argument(c goja.FunctionCall, i int, name string) string {
	v := c.Argument(i)
	if goja.IsUndefined(v) || goja.IsNull(v) {
		r.throw(name + " is missing")
	}
	return r.text(v)
}

func textHelper(f func(string) string) func(*run, goja.FunctionCall) goja.Value {
	return func(r *run, c goja.FunctionCall) goja.Value { return r.rt.ToValue(f(r.argument(c, 0, "the text"))) }
}

func hashHelper(make func() hash.Hash) func(*run, goja.FunctionCall) goja.Value {
	return func(r *run, c goja.FunctionCall) goja.Value {
		h := make()
		h.Write([]byte(r.argument(c, 0, "the text")))
		return r.encoded(h.Sum(nil), c.Argument(1))
	}
}

func (r *run) encoded(sum []byte, encoding goja.Value) goja.Value {
	name := "hex"
	if !goja.IsUndefined(encoding) {
		name = encoding.String()
	}
	switch name {
	case "hex":
		return r.rt.ToValue(hex.EncodeToString(sum))
	case "base64":
		return r.rt.ToValue(base64.StdEncoding.EncodeToString(sum))
	case "base64url":
		return r.rt.ToValue(base64.RawURLEncoding.EncodeToString(sum))
	}
	panic(r.jsError("Error", "unknown encoding "+strconv.Quote(name)+": hex, base64, base64url"))
}

func (r *run) helpHMAC(c goja.FunctionCall) goja.Value {
	algorithms := map[string]func() hash.Hash{"sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New, "md5": md5.New}
	name := r.argument(c, 0, "the algorithm")
	algorithm, ok := algorithms[name]
	if !ok {
		r.throw("unknown algorithm " + strconv.Quote(name) + ": sha256, sha512, sha1, md5")
	}
	h := hmac.New(algorithm, []byte(r.argument(c, 1, "the key")))
	h.Write([]byte(r.argument(c, 2, "the text")))
	return r.encoded(h.Sum(nil), c.Argument(3))
}

func (r *run) helpFromBase64(c goja.FunctionCall) goja.Value {
	text := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(r.argument(c, 0, "the text")), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		r.throw("this text is not base64")
	}
	return r.rt.ToValue(strings.ToValidUTF8(string(raw), "\uFFFD"))
}

func (r *run) helpURLDecode(c goja.FunctionCall) goja.Value {
	text, err := url.PathUnescape(r.argument(c, 0, "the text"))
	if err != nil {
		r.throw("this text is not percent-encoded")
	}
	return r.rt.ToValue(strings.ToValidUTF8(text, "\uFFFD"))
}

// helpUUID derives a name-based UUID (RFC 9562, version 5) from seed and counter.
func (r *run) helpUUID(goja.FunctionCall) goja.Value {
	r.uuids++
	return r.rt.ToValue(uuid.NewSHA1(uuid.NameSpaceURL, []byte("waybill:"+r.seed+"#"+strconv.Itoa(r.uuids))).String())
}
