package inbound

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"waybill/db/fault"
	"waybill/db/model"
)

// Item is one thing that a body says: the whole body, or one of its CloudEvents.
type Item struct {
	ID, Source, Type, Subject string          // of a CloudEvent
	Time                      time.Time       // of a CloudEvent; zero = now
	Data                      json.RawMessage // never empty
}

// Content is what a body says.
type Content struct {
	Media string // its media type, "" when none was named
	Cloud bool   // CloudEvents
	Items []Item
	Whole bool // the data of the only item is the body, byte for byte
}

// Takes reports whether an endpoint that takes these types takes one with this Content-Type; an empty list takes all.
func Takes(types []string, contentType string) bool {
	if len(types) == 0 {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(types, func(t string) bool {
		group, all := strings.CutSuffix(t, "/*")
		return t == media || t == "*/*" || all && strings.HasPrefix(media, group+"/")
	})
}

// Read understands a body by its Content-Type: JSON stays as it is, a form becomes an object, CloudEvents 1.0 are taken
// apart (structured, batch, and binary with ce- headers), text becomes a JSON string, anything else a JSON string of its
// base64. A body without a type is JSON if it can be. Its error is a fault: what claims to be JSON must be.
func Read(h http.Header, body []byte) (Content, error) {
	kind := h.Get("Content-Type")
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		media = ""
		if kind != "" {
			media = "application/octet-stream"
		}
	}
	c := Content{Media: media}
	switch {
	case media == "application/cloudevents+json":
		c.Cloud = true
		item, err := structured(body)
		c.Items = []Item{item}
		return c, err
	case media == "application/cloudevents-batch+json":
		c.Cloud = true
		c.Items, err = batch(body)
		return c, err
	case h.Get("Ce-Specversion") != "" || h.Get("Ce-Type") != "":
		c.Cloud = true
		item, err := binary(h, media, body)
		c.Items = []Item{item}
		return c, err
	}
	data, err := asData(media, params, body)
	c.Items = []Item{{Data: data}}
	c.Whole = err == nil && len(data) == len(body) && len(body) > 0 && &data[0] == &body[0]
	return c, err
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// asData makes JSON of a body.
func asData(media string, params map[string]string, body []byte) (json.RawMessage, error) {
	switch {
	case len(body) == 0:
		return json.RawMessage("null"), nil
	case isJSON(media):
		if err := goodJSON(body); err != nil {
			return nil, err
		}
		return body, nil
	case media == "application/x-www-form-urlencoded":
		return form(string(body))
	case media == "multipart/form-data":
		return multiform(params["boundary"], body)
	case media == "" && goodJSON(body) == nil:
		return body, nil
	case (media == "" || isText(media)) && utf8.Valid(body):
		return jsontext.AppendQuote(nil, body)
	}
	return jsontext.AppendQuote(nil, base64.StdEncoding.EncodeToString(body))
}

func isText(media string) bool {
	switch media {
	case "application/xml", "application/yaml", "application/javascript", "application/graphql":
		return true
	}
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+xml")
}

// mostDepth is how deep data may be nested: as deep as a template can read it.
const mostDepth = 200

// goodJSON refuses what two readers could understand in two ways, and what a template could not read.
func goodJSON(body []byte) error {
	if deep(body) {
		return &fault.Fault{Kind: fault.Invalid, Code: "too_deep", Message: "The body is nested deeper than 200 levels."}
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	if err := d.SkipValue(); err != nil {
		return BadJSON(err)
	}
	if d.PeekKind() != 0 {
		return fault.New(fault.Malformed, "The body is not valid JSON: something follows its end at byte %d.", d.InputOffset())
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return BadJSON(err)
	}
	return nil
}

// deep reports whether text, JSON or not, opens more than mostDepth objects and lists within each other.
func deep(text []byte) bool {
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) <= mostDepth { // nearly always
		return false
	}
	depth, inside := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case inside:
		case c == '{' || c == '[':
			if depth++; depth > mostDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// BadJSON says where and why a text is not JSON, without showing it.
func BadJSON(err error) *fault.Fault {
	var at *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &at):
		return fault.New(fault.Malformed, "The body is not good JSON: at byte %d an object repeats one of its names.", at.ByteOffset)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fault.New(fault.Malformed, "The body is not valid JSON: it ends too early.")
	case errors.As(err, &at):
		return fault.New(fault.Malformed, "The body is not valid JSON: look at byte %d.", at.ByteOffset)
	}
	return fault.New(fault.Malformed, "The body is not valid JSON.")
}

// object writes members in the order in which they first came; repeated ones become a list.
type object struct {
	names  []string
	values map[string][]json.RawMessage
}

func (o *object) add(name string, value json.RawMessage) {
	if o.values == nil {
		o.values = map[string][]json.RawMessage{}
	}
	if o.values[name] == nil {
		o.names = append(o.names, name)
	}
	o.values[name] = append(o.values[name], value)
}

func (o *object) json() (json.RawMessage, error) {
	out := []byte{'{'}
	for i, name := range o.names {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = jsontext.AppendQuote(out, strings.ToValidUTF8(name, "\uFFFD")); err != nil {
			return nil, err
		}
		out = append(out, ':')
		if v := o.values[name]; len(v) == 1 {
			out = append(out, v[0]...)
		} else {
			out = append(append(append(out, '['), bytes.Join(rawBytes(v), []byte{','})...), ']')
		}
	}
	return append(out, '}'), nil
}

func rawBytes(list []json.RawMessage) [][]byte {
	out := make([][]byte, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

func quoted(s string) json.RawMessage {
	b, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD")) // valid UTF-8 always encodes
	return b
}

// mostFields bounds the fields of a form.
const mostFields = 10_000

// form reads application/x-www-form-urlencoded, in the order of the fields.
func form(body string) (json.RawMessage, error) {
	var o object
	n := 0
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		if n++; n > mostFields {
			return nil, fault.New(fault.Malformed, "The form has more than %d fields.", mostFields)
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, fault.New(fault.Malformed, "The form cannot be read: a %% is not followed by two hexadecimal digits.")
		}
		o.add(name, quoted(value))
	}
	return o.json()
}

// Masked names headers whose values no log and no template may hold.
func Masked(name string, v model.Verification) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token":
		return true
	}
	return v.Preset == model.PresetJWT && strings.EqualFold(name, v.Header)
}
