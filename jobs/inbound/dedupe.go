package inbound

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"waybill/db/model"
)

// Key is that by which a repeated call is recognised, nil when nothing tells. id is the preset's own (Verdict.ID). A call
// that lacks the header or one of the fields is taken for new. batch CloudEvents are recognised by all of their ids.
func Key(d model.Dedupe, id string, r Request, c Content) []byte {
	switch {
	case d.Off:
		return nil
	case d.Header != "":
		if v := r.Header.Get(d.Header); v != "" {
			return sum("header", v)
		}
		return nil
	case len(d.Fields) > 0:
		parts := []string{"fields"}
		data := []byte(nil)
		if len(c.Items) > 0 {
			data = c.Items[0].Data
		}
		for _, path := range d.Fields {
			v, ok := field(data, path)
			if !ok {
				return nil
			}
			parts = append(parts, path, v)
		}
		return sum(parts...)
	case id != "":
		return sum("delivery", id)
	case c.Cloud:
		parts := []string{"cloudevents"}
		for _, i := range c.Items {
			parts = append(parts, i.Source, i.ID)
		}
		return sum(parts...)
	}
	return nil
}

func sum(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return h.Sum(nil)
}

// field is the value at a path such as data.items[0].id in a JSON text: the text of a string, else its JSON without
// spaces. It is absent where the path leads nowhere, or to null.
func field(data []byte, path string) (string, bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	for _, name := range segments(path) {
		var ok bool
		if i, err := strconv.Atoi(name); err == nil && d.PeekKind() == '[' {
			ok = element(d, i)
		} else {
			ok = member(d, name)
		}
		if !ok {
			return "", false
		}
	}
	v, err := d.ReadValue()
	if err != nil || v.Kind() == 'n' {
		return "", false
	}
	if v.Kind() == '"' {
		var s string
		err := json.Unmarshal(v, &s)
		return s, err == nil
	}
	if err := v.Compact(); err != nil {
		return "", false
	}
	return string(v), true
}

func segments(path string) []string {
	path = strings.TrimPrefix(path, "$.")
	return strings.FieldsFunc(strings.NewReplacer("[", ".", "]", "").Replace(path), func(r rune) bool { return r == '.' })
}

func member(d *jsontext.Decoder, want string) bool {
	if d.PeekKind() != '{' {
		return false
	}
	_, _ = d.ReadToken() // the brace that was seen
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return false
		}
		if name.String() == want {
			return true
		}
		if err := d.SkipValue(); err != nil {
			return false
		}
	}
	return false
}

func element(d *jsontext.Decoder, n int) bool {
	_, _ = d.ReadToken() // the bracket that was seen
	for ; d.PeekKind() != ']'; n-- {
		if n == 0 {
			return true
		}
		if err := d.SkipValue(); err != nil {
			return false
		}
	}
	return false
}
