package api

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"waybill/db/fault"
	"waybill/jobs"
)

// cloud is what a CloudEvent 1.0 says besides what an event keeps: type, subject, time and data become the event's, id
// and source recognise it, all other attributes are dropped.
type cloud struct {
	version string
	media   string // datacontenttype
	base64  string
}

// attribute sets what one member of the JSON format says (CloudEvents JSON format 1.0.2, 2 and 3).
func (r *reading) attribute(name string, raw jsontext.Value) {
	switch name {
	case "specversion":
		r.cloud.version = r.text(name, raw)
	case "id":
		r.event.ID = r.text(name, raw)
	case "source":
		r.event.Source = r.text(name, raw)
	case "type":
		r.event.Name = r.text(name, raw)
	case "subject":
		r.event.Subject = r.text(name, raw)
	case "time":
		r.event.Time = parseTime(r.bad, r.prefix+name, r.text(name, raw))
	case "datacontenttype":
		r.cloud.media = r.text(name, raw)
	case "data":
		r.event.Data = json.RawMessage(raw)
	case "data_base64":
		r.cloud.base64 = r.text(name, raw)
	}
}

// finish checks what the specification requires, and decodes data_base64.
func (r *reading) finish() error {
	r.required("")
	if r.cloud.base64 == "" {
		return nil
	}
	if len(r.event.Data) > 0 {
		r.complain("data_base64", "Either data or data_base64.")
		return nil
	}
	content, err := base64.StdEncoding.DecodeString(r.cloud.base64)
	if err != nil {
		r.complain("data_base64", "This is not base64.")
		return nil
	}
	media, _, _ := mime.ParseMediaType(r.cloud.media) // unreadable: as if it were unknown
	if media == "" && r.cloud.media != "" {
		media = "application/octet-stream"
	}
	r.event.Data, err = asData(media, content)
	return err
}

// required complains about attributes that no CloudEvent lacks; prefix goes before their names.
func (r *reading) required(prefix string) {
	if r.cloud.version != "1.0" {
		r.complain(prefix+"specversion", "CloudEvents of version 1.0 are taken; say 1.0.")
	}
	for name, text := range map[string]string{"id": r.event.ID, "source": r.event.Source, "type": r.event.Name} {
		if text == "" {
			r.complain(prefix+name, "A CloudEvent needs this.")
		}
	}
}

// binaryEvent reads a CloudEvent whose attributes are ce- headers and whose data is the body (HTTP binding 1.0.2, 3.1).
func binaryEvent(bad *fault.Check, media string, h http.Header, content []byte) ([]jobs.NewEvent, error) {
	events := make([]jobs.NewEvent, 1)
	r := reading{bad: bad, event: &events[0], cloud: &cloud{}}
	attribute := func(name string) string {
		text, ok := headerText(h.Get("ce-" + name))
		if !ok {
			r.complain("ce-"+name, "This is not UTF-8 text.")
		}
		return text
	}
	r.cloud.version = attribute("specversion")
	r.event.ID, r.event.Source, r.event.Name, r.event.Subject = attribute("id"), attribute("source"), attribute("type"), attribute("subject")
	r.event.Time = parseTime(bad, "ce-time", attribute("time"))
	r.required("ce-")
	var err error
	if len(content) > 0 {
		r.event.Data, err = asData(media, content)
	}
	return events, err
}

// headerText decodes a ce- header: quoted or not, percent-encoded UTF-8 (HTTP binding 1.0.2, 3.1.3.2).
func headerText(s string) (string, bool) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s[1 : len(s)-1])
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && hex(s[i+1]) >= 0 && hex(s[i+2]) >= 0 {
			b.WriteByte(byte(hex(s[i+1])<<4 | hex(s[i+2])))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String(), utf8.ValidString(b.String())
}

// hex is the value of a hexadecimal digit, negative for anything else.
func hex(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// asData makes JSON of content: JSON stays as it is, text of a text type becomes a string, anything else a string of
// its base64. The type alone decides, so that a receiver knows what to expect.
func asData(media string, content []byte) (json.RawMessage, error) {
	switch {
	case media == "" || media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json"):
		var data json.RawMessage
		if deeper(content, mostDepth) {
			return nil, deepFault("data")
		}
		err := parse(content, func(d *jsontext.Decoder) error {
			raw, err := d.ReadValue()
			data = json.RawMessage(raw)
			return jsonFault(err)
		})
		return data, err
	case isText(media):
		quoted, err := jsontext.AppendQuote(nil, content)
		if err != nil {
			return nil, fault.New(fault.Malformed, "The data has a text type but is not valid UTF-8.")
		}
		return quoted, nil
	}
	quoted, err := jsontext.AppendQuote(nil, base64.StdEncoding.EncodeToString(content))
	return quoted, err
}

func isText(media string) bool {
	switch media {
	case "application/xml", "application/x-www-form-urlencoded", "application/yaml", "application/javascript":
		return true
	}
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+xml")
}
