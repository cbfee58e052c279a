package inbound

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"waybill/db/fault"
	"waybill/db/model"
)

// cloudEvent is the JSON format of CloudEvents 1.0.2 (sections 2 and 3); attributes that an event does not keep are left.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	Time        string          `json:"time"`
	Media       string          `json:"datacontenttype"`
	Data        json.RawMessage `json:"data"`
	Base64      *string         `json:"data_base64"`
}

func structured(body []byte) (Item, error) {
	if err := goodJSON(body); err != nil {
		return Item{}, err
	}
	var e cloudEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return Item{}, fault.New(fault.Malformed, "The body is not a CloudEvent: an attribute has the wrong type.")
	}
	return e.item("")
}

func batch(body []byte) ([]Item, error) {
	if err := goodJSON(body); err != nil {
		return nil, err
	}
	var list []cloudEvent
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fault.New(fault.Malformed, "The body is not a batch of CloudEvents: a JSON array of events.")
	}
	if len(list) == 0 || len(list) > model.MaxBatchEvents {
		return nil, fault.New(fault.Malformed, "A batch holds between 1 and %d events; this one has %d.", model.MaxBatchEvents, len(list))
	}
	items := make([]Item, len(list))
	for i, e := range list {
		var err error
		if items[i], err = e.item(" of event " + strconv.Itoa(i+1)); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func (e cloudEvent) item(of string) (Item, error) {
	i := Item{ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Data: e.Data}
	if err := i.complete(e.SpecVersion, e.Time, of); err != nil {
		return i, err
	}
	if e.Base64 != nil {
		raw, err := base64.StdEncoding.DecodeString(*e.Base64)
		if err != nil || len(e.Data) > 0 {
			return i, fault.New(fault.Malformed, "data_base64%s must be base64, and stand without data.", of)
		}
		media, _, _ := mime.ParseMediaType(e.Media) // unreadable: as if it were unknown
		if media == "" {
			media = "application/octet-stream"
		}
		if i.Data, err = asData(media, nil, raw); err != nil {
			return i, err
		}
	}
	if len(i.Data) == 0 {
		i.Data = json.RawMessage("null")
	}
	return i, nil
}

// complete checks what no CloudEvent lacks.
func (i *Item) complete(version, when, of string) error {
	if version != "1.0" {
		return fault.New(fault.Malformed, "CloudEvents of version 1.0 are taken; specversion%s says another.", of)
	}
	for name, text := range map[string]string{"id": i.ID, "source": i.Source, "type": i.Type} {
		if text == "" {
			return fault.New(fault.Malformed, "The CloudEvent has no %s%s.", name, of)
		}
	}
	if when == "" {
		return nil
	}
	at, bad := model.ParseTime(when)
	if bad != nil {
		return fault.New(fault.Malformed, "The time%s is not as in RFC 3339.", of)
	}
	i.Time = at
	return nil
}

// binary reads a CloudEvent whose attributes are ce- headers (HTTP binding 1.0.2, 3.1).
func binary(h http.Header, media string, body []byte) (Item, error) {
	text := func(name string) string { return headerText(h.Get("Ce-" + name)) }
	i := Item{ID: text("Id"), Source: text("Source"), Type: text("Type"), Subject: text("Subject")}
	if err := i.complete(text("Specversion"), text("Time"), ""); err != nil {
		return i, err
	}
	var err error
	i.Data, err = asData(media, nil, body)
	return i, err
}

// headerText decodes a ce- header: quoted or not, percent-encoded UTF-8 (HTTP binding 1.0.2, 3.1.3.2).
func headerText(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s[1 : len(s)-1])
	}
	if t, err := url.PathUnescape(s); err == nil && utf8.ValidString(t) {
		return t
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
