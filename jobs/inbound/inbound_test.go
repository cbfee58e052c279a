package inbound

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"time"

	"waybill/db/model"
)

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestReadingBodies(t *testing.T) {
	const media = "Content-Type"
	for _, c := range []struct{ name, kind, body, want string }{
		{"JSON as it is", "application/json; charset=utf-8", `{"b": 1, "a": 9007199254740993}`, `{"b": 1, "a": 9007199254740993}`},
		{"JSON of a vendor", "application/vnd.api+json", `[1]`, `[1]`},
		{"no type, JSON", "", ` {"a":1} `, ` {"a":1} `},
		{"no type, text", "", `hello "you"`, `"hello \"you\""`},
		{"no type, bytes", "", "\xff\xfe", `"//4="`},
		{"nothing", "application/json", "", `null`},
		{"form, in order", "application/x-www-form-urlencoded", "z=1&a=b%20c&z=2&empty", `{"z":["1","2"],"a":"b c","empty":""}`},
		{"text", "text/plain", "line\none", `"line\none"`},
		{"XML", "application/xml", "<a/>", `"<a/>"`},
		{"bytes", "image/png", "\x89PNG", `"` + base64.StdEncoding.EncodeToString([]byte("\x89PNG")) + `"`},
		{"multipart", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n.txt\"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--\r\n", `{"a":"1","f":{"filename":"n.txt","content_type":"text/plain","text":"hi"}}`},
		{"CloudEvent", "application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"x","data":{"n":1}}`, `{"n":1}`},
		{"CloudEvent with bytes", "application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"text/plain","data_base64":"aGk="}`, `"hi"`},
	} {
		got, err := Read(headers(media, c.kind), []byte(c.body))
		if err != nil || len(got.Items) != 1 || string(got.Items[0].Data) != c.want {
			t.Errorf("%s: %+v %v, want %s", c.name, got, err, c.want)
		}
	}
	binary, err := Read(headers(media, "text/plain", "Ce-Specversion", "1.0", "Ce-Id", "7", "Ce-Source", "/s", "Ce-Type", "t.x", "Ce-Subject", "caf%C3%A9"), []byte("hi"))
	if i := binary.Items[0]; err != nil || i.ID != "7" || i.Type != "t.x" || i.Subject != "café" || string(i.Data) != `"hi"` {
		t.Errorf("binary CloudEvent: %+v %v", binary, err)
	}
	batch, err := Read(headers(media, "application/cloudevents-batch+json"), []byte(`[{"specversion":"1.0","id":"1","source":"s","type":"t"},{"specversion":"1.0","id":"2","source":"s","type":"t","data":2}]`))
	if err != nil || len(batch.Items) != 2 || string(batch.Items[0].Data) != "null" || string(batch.Items[1].Data) != "2" {
		t.Errorf("batch: %+v %v", batch, err)
	}
}

func TestBodiesThatCannotBeRead(t *testing.T) {
	const media = "Content-Type"
	for _, c := range []struct{ kind, body string }{
		{"application/json", "{"}, {"application/json", `{"a":1,"a":2}`}, {"application/json", "{} x"}, {"application/json", "\"\xff\""},
		{"application/json", strings.Repeat("[", 201) + strings.Repeat("]", 201)}, {"application/x-www-form-urlencoded", "a=%zz"},
		{"application/cloudevents+json", `{"id":"1"}`}, {"application/cloudevents-batch+json", `[]`}, {"application/cloudevents-batch+json", `{}`},
		{"multipart/form-data", "x"}, {"application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"s","type":"t","time":"yesterday"}`},
	} {
		if got, err := Read(headers(media, c.kind), []byte(c.body)); err == nil {
			t.Errorf("%s %.40q was read: %+v", c.kind, c.body, got)
		}
	}
}

func TestRecognisingRepeatedCalls(t *testing.T) {
	request := func(body string, pairs ...string) (Request, Content) {
		r := Request{Header: headers(append(pairs, "Content-Type", "application/json")...), Body: []byte(body)}
		c, err := Read(r.Header, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r, c
	}
	key := func(d model.Dedupe, id, body string, pairs ...string) string {
		r, c := request(body, pairs...)
		return string(Key(d, id, r, c))
	}
	header, fields := model.Dedupe{Header: "X-Id"}, model.Dedupe{Fields: []string{"data.id", "list[1].n"}}
	same := [][2]string{
		{key(header, "", `1`, "X-Id", "a"), key(header, "z", `2`, "X-Id", "a")},
		{key(fields, "", `{"data":{"id":1},"list":[0,{"n":"x"}],"t":1}`), key(fields, "", `{"t":2,"list":[5,{"n":"x"}],"data":{"id":1}}`)},
		{key(model.Dedupe{}, "d", `1`), key(model.Dedupe{}, "d", `2`)},
	}
	for i, s := range same {
		if s[0] != s[1] || s[0] == "" {
			t.Errorf("%d: the same call has two keys", i)
		}
	}
	apart := map[string]string{}
	for name, k := range map[string]string{"a": key(header, "", `1`, "X-Id", "a"), "b": key(header, "", `1`, "X-Id", "b"), "f1": key(fields, "", `{"data":{"id":1},"list":[0,{"n":"x"}]}`),
		"f2": key(fields, "", `{"data":{"id":"2"},"list":[0,{"n":"x"}]}`), "d": key(model.Dedupe{}, "a", `1`)} {
		if other, ok := apart[k]; ok || k == "" {
			t.Errorf("%s and %s have one key", name, other)
		}
		apart[k] = name
	}
	for name, k := range map[string]string{"no header": key(header, "d", `1`), "a field is missing": key(fields, "d", `{"data":{"id":1}}`), "a field is null": key(fields, "", `{"data":{"id":null},"list":[0,{"n":1}]}`),
		"off": key(model.Dedupe{Off: true}, "d", `1`), "nothing tells": key(model.Dedupe{}, "", `1`)} {
		if k != "" {
			t.Errorf("%s: there is a key", name)
		}
	}
}

func TestBasicAndAddresses(t *testing.T) {
	v := model.Verification{Preset: model.PresetBasic, Username: "carrier", Networks: []string{"192.0.2.0/24", "2001:db8::1"}}
	s := Secrets{"secret": {"old", "new: with colon"}}
	try := func(auth, from string) bool {
		return Verify(v, s, Request{Header: headers("Authorization", auth), Address: netip.MustParseAddr(from)}, time.Time{}).OK
	}
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	for _, good := range []string{"192.0.2.9", "2001:db8::1", "::ffff:192.0.2.9"} {
		if !try(basic("carrier:new: with colon"), good) || !try(basic("carrier:old"), good) {
			t.Errorf("%s may not call", good)
		}
	}
	for _, bad := range [][2]string{{basic("carrier:new"), "192.0.2.9"}, {basic("other:old"), "192.0.2.9"}, {"Bearer old", "192.0.2.9"}, {"", "192.0.2.9"}, {basic("carrier:old"), "192.0.3.9"}, {"Basic %%", "192.0.2.9"}} {
		if try(bad[0], bad[1]) {
			t.Errorf("%v may call", bad)
		}
	}
}

func TestHandshakes(t *testing.T) {
	meta := model.Verification{Preset: model.PresetMeta}
	ask := func(token string) *Handshake {
		return Question(meta, Secrets{model.VerifyTokenName: {"sesame"}}, Request{Query: url.Values{"hub.mode": {"subscribe"}, "hub.challenge": {"1158201444"}, "hub.verify_token": {token}}})
	}
	if h := ask("sesame"); h == nil || h.Body != "1158201444" || h.Refused != "" {
		t.Errorf("Meta: %+v", h)
	}
	if h := ask("other"); h == nil || h.Refused == "" || h.Body != "" {
		t.Errorf("Meta with another token: %+v", h)
	}
	if h := Challenge(model.Verification{Preset: model.PresetSlack}, Request{Body: []byte(`{"token":"x","challenge":"3eZbrw1a","type":"url_verification"}`)}); h == nil || h.Body != "3eZbrw1a" {
		t.Errorf("Slack: %+v", h)
	}
	if h := Challenge(model.Verification{Preset: model.PresetSlack}, Request{Body: []byte(`{"type":"event_callback"}`)}); h != nil {
		t.Errorf("an event is taken for a question: %+v", h)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("application/json", []byte(`{"a":[1,{"b":null}]}`), "a[1].b")
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\n\r\n--x--"), "$.a")
	f.Add("application/cloudevents-batch+json", []byte(`[{"id":1}]`), "0.id")
	f.Fuzz(func(t *testing.T, kind string, body []byte, path string) {
		c, err := Read(headers("Content-Type", kind), body)
		if err != nil {
			return
		}
		for _, i := range c.Items {
			if err := CheckJSON(i.Data); err != nil && len(c.Items) == 1 && !c.Cloud {
				t.Errorf("%q %q became %q, which is not JSON: %v", kind, body, i.Data, err)
			}
			_, _ = field(i.Data, path)
		}
	})
}
