package script

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const identity = `{{! return JSON.stringify(it.data[0]); }}`

func TestKeyOrderAndNumbers(t *testing.T) {
	p := newTestPool(t, Options{})
	for _, data := range []string{
		`{"z":1,"a":{"y":1,"b":2},"m":[{"q":1,"c":2}]}`,
		`{"b":1,"10":"x","2":"y","a":2,"0":null}`,
		`{"id":12345678901234567890,"neg":-9007199254740993,"list":[12345678901234567891,1]}`,
		`{"near":1234567890123456789,"next":1234567890123456790}`,
		`{"pi":3.14159265358979323846264338327950288,"huge":1e400,"tiny":0.1,"wei":1.000000000000000001}`,
		`{"safe":9007199254740991,"exact":9007199254740993}`,
		`{"text":"ü 漢 😀 \"\\ \n\t <&>","":"empty key","__proto__":{"x":1}}`,
		`{"a":[],"b":{},"c":null,"d":true,"e":false,"f":-1.5,"g":0}`,
	} {
		input := `{"data":[` + data + `]}`
		for _, source := range []string{identity, `{{ it.data[0] }}`, `{{= JSON.stringify(JSON.parse(JSON.stringify(it.data[0]))) }}`, `{{! return it.data[0] }}`, `{{! return {...it}.data[0] }}`} {
			if diff := cmp.Diff(data, say(t, p, JSONBody, source, input)); diff != "" {
				t.Errorf("%s: want - got +\n%s", source, diff)
			}
		}
	}
}

// What JSON.stringify always did to numbers and escapes stays as it is in JavaScript.
func TestNumbersInJavaScript(t *testing.T) {
	p := newTestPool(t, Options{})
	input := `{"data":[{"big":12345678901234567890,"same":12345678901234567890,"other":12345678901234567891,"n":1.0,"e":1e2,"z":-0,"u":"\u00fc\ud83d\ude00\ud800"}]}`
	for _, c := range []struct{ source, want string }{
		{`{{ it.data[0].big }}`, `12345678901234567890`},
		{`{{ {id: it.data[0].big} }}`, `{"id":12345678901234567890}`},
		{"{{= `${it.data[0].big}` + String(it.data[0].big) }}", `1234567890123456789012345678901234567890`},
		{`{{ it.data[0].big + 1 }}`, `12345678901234567000`},
		{`{{ it.data[0].big / 2 > 6e18 && it.data[0].big == 12345678901234567890 }}`, `true`},
		{`{{ it.data[0].big === it.data[0].same }}{{ it.data[0].big === it.data[0].other }}`, `truefalse`},
		{`{{ Object.keys(it.data[0].big).length + typeof it.data[0].big }}`, `"0object"`},
		{`{{ it.data[0].big.toFixed(0) }}`, `"12345678901234567168"`},
		{`{{ BigInt(String(it.data[0].big)) + 1n }}`, `12345678901234567891`},
		{`{{ [it.data[0].n, it.data[0].e, it.data[0].z, it.data[0].n + 1] }}`, `[1,100,0,2]`},
		{`{{ it.data[0].u }}`, `"ü😀` + "\uFFFD" + `"`},
		{`"{{ it.data[0].big }}"`, `"12345678901234567890"`},
		{`{{! it.data[0].big = 5; it.data[0].more = it.data[0].other; return JSON.stringify(it.data[0], ["big", "more"], 1) }}`, "{\n \"big\": 5,\n \"more\": 12345678901234567891\n}"},
		{`{{! delete it.data[0].u; it.extra = 1; return Object.keys(it) }}`, `["data","extra"]`},
	} {
		if diff := cmp.Diff(c.want, say(t, p, JSONBody, c.source, input)); diff != "" {
			t.Errorf("%s: want - got +\n%s", c.source, diff)
		}
	}
}

func TestBadInput(t *testing.T) {
	p := newTestPool(t, Options{})
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for _, c := range []struct{ source, input, want string }{
		{"{{ 1 }}", `[1]`, "ERROR input: the input is not a JSON object at byte 0"},
		{"{{ 1 }}", `{"a":`, "ERROR input: the input is not valid JSON at byte 5"},
		{"{{ it.a }}", `{"a":01}`, "ERROR template, line 1, column 7: TypeError: input: bad JSON number at byte 2"},
		{"{{ it.a }}", `{"a":` + deep + `}`, "ERROR input: the JSON is nested too deeply"},
		{"{{ JSON.parse('" + deep + "') }}", `{}`, "ERROR template, line 1, column 14: SyntaxError: JSON.parse: the JSON is nested deeper than 200"},
	} {
		if diff := cmp.Diff(c.want, say(t, p, Text, c.source, c.input)); diff != "" {
			t.Errorf("%.40s: want - got +\n%s", c.source, diff)
		}
	}
}

func TestDeterminism(t *testing.T) {
	p := newTestPool(t, Options{})
	source := `{{ [uuid(), uuid(), Math.random(), Date.now(), new Date(), new Date(2026, 0, 1), now(), new Date().toString()] }}`
	first := say(t, p, JSONBody, source, order)
	if again := say(t, p, JSONBody, source, order); again != first {
		t.Errorf("same job, other result:\n%s\n%s", first, again)
	}
	var parts []any
	if err := json.Unmarshal([]byte(first), &parts); err != nil {
		t.Fatal(err)
	}
	if parts[0] == parts[1] {
		t.Error("uuid() gave the same twice in one render")
	}
	want := []any{"2026-02-03T04:05:06.789Z", "2026-01-01T00:00:00.000Z", "2026-02-03T04:05:06.789Z", "Tue Feb 03 2026 04:05:06 GMT+0000 (UTC)"}
	if diff := cmp.Diff(want, parts[4:]); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	j := job(body(JSONBody, source), order)
	j.Seed = "msg_2"
	out, err := p.Render(context.Background(), j)
	if err != nil || out.Parts[0] == first {
		t.Errorf("another seed gave %v, %v", out.Parts, err)
	}
}

// Nothing that one render leaves behind is seen by the next one.
func TestRendersAreIsolated(t *testing.T) {
	p := newTestPool(t, Options{Workers: 1})
	say(t, p, Text, `{{! globalThis.leak = 1; Array.prototype.map = null; JSON.stringify = () => "no"; String.prototype.x = 1; Object.prototype.y = 2 }}x`, order)
	if diff := cmp.Diff(`[[2],null,null,null]`, say(t, p, JSONBody, `{{ [[1].map(x => x + 1), globalThis.leak, "".x, {}.y] }}`, order)); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

func TestPartsShareTheRuntime(t *testing.T) {
	p := newTestPool(t, Options{})
	template := &Template{Parts: []Part{
		{"path", Path, "/a/{{ it.data[0].name }}?x=1"}, {"headers[0].value", Header, "plain\r\nx"}, {"headers[1].value", Header, `{{! return "v\r\n" + uuid() }}`}, {"template", JSONBody, `{"u":"{{ uuid() }}"}`},
	}}
	out, err := p.Preview(context.Background(), job(template, `{"data":[{"name":"a/b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/a/a%2Fb?x=1", "plainx"}, out.Parts[:2]); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	if first, second := out.Parts[2], out.Parts[3]; first == "" || strings.Contains(second, first[1:]) {
		t.Errorf("uuids of two parts: %q %q", first, second)
	}
}

// FuzzJSON holds the reader against encoding/json, and the round trip against the text.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{order, `{"data":[{"a":1.5e3,"b":"\ud83d\ude00"}]}`, `[1,`, `{"a":{"1":2,"0":[]}}`, `-0`, `"\u12"`, `1e999`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := newBareRun()
		v, bad := (&reader{rt: r.rt, exact: r.exact, src: text}).read()
		depthBound := bad != nil && bad.bound == BoundDepth
		if valid := json.Valid([]byte(text)); valid != (bad == nil) && !depthBound {
			t.Fatalf("%q: valid %v, reader says %v", text, valid, bad)
		}
		if bad != nil {
			return
		}
		out, ok := r.json(v)
		if !ok || !json.Valid([]byte(out)) {
			t.Fatalf("%q became %q", text, out)
		}
	})
}
