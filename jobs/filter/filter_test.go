package filter

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

func event(data string) *Env {
	return NewEnv(model.Event{ID: "evt_1", Name: "order.created", Subject: "customer-7", Data: json.RawMessage(data), Time: time.Date(2026, 3, 1, 13, 0, 0, 0, time.FixedZone("", 3600))})
}

const order1 = `{"total":150,"country":"NZ","vip":true,"none":null,"price":9.5,"id":9007199254740993,"big":123456789012345678901234567890,
	"items":[{"sku":"a","n":1},{"sku":"b","n":20,"tags":["x","y"]}],"customer":{"name":"Zoë","mail":"zoe@example.com"},"text":"hello","empty":[]}`

func TestFilters(t *testing.T) {
	for _, tc := range []struct {
		source string
		want   string // yes, no, error
	}{
		{"", "yes"}, {"  \n", "yes"}, {"true", "yes"}, {"false", "no"},
		{`event.data.total > 100 && event.data.country in ["NZ", "AU"]`, "yes"},
		{`event.data.total > 200 || event.data.country == 'NZ'`, "yes"},
		{`event.name == "order.created" and event.subject startsWith "customer-"`, "yes"},
		{`event.id == "evt_1"`, "yes"}, {`event.time == "2026-03-01T12:00:00.000Z"`, "yes"}, {`event.time < "2026-03-02"`, "yes"},
		{`event["name"] == "order.created" && event.data["country"] == "NZ"`, "yes"},
		{`event.data.price == 9.5`, "yes"}, {`event.data.total == 150.0`, "yes"}, {`event.data.total in [1, 150.0]`, "yes"},
		{`event.data.id == 9007199254740993`, "yes"}, {`event.data.id == 9007199254740992`, "no"}, {`event.data.big > 1e20`, "yes"},
		{`event.data.vip`, "yes"}, {`!event.data.vip`, "no"}, {`event.data.vip ? event.data.total > 1 : false`, "yes"},
		{`any(event.data.items, .n > 10)`, "yes"}, {`all(event.data.items, .n > 10)`, "no"}, {`all(event.data.empty, .n > 10)`, "yes"},
		{`any(event.data.items, any(.tags ?? [], # == "y"))`, "yes"}, {`len(filter(event.data.items, .sku == "a")) == 1`, "yes"},
		{`count(event.data.items, .n >= 1) == 2`, "yes"}, {`sum(map(event.data.items, .n)) == 21`, "yes"}, {`sum(event.data.items, .n) == 21`, "yes"},
		{`find(event.data.items, .sku == "b").n == 20`, "yes"}, {`event.data.items[-1].sku == "b"`, "yes"},
		{`event.data.items | map(.sku) | any(# == "a")`, "yes"}, {`let n = event.data.total; n > 100 && n < 200`, "yes"},
		{`100 < event.data.total < 200`, "yes"}, {`event.data.text matches "^h.*o$"`, "yes"}, {`event.data.text contains "ell"`, "yes"},
		{`event.data.text endsWith "lo" and not (event.data.text startsWith "lo")`, "yes"}, {`upper(event.data.text) == "HELLO"`, "yes"},
		{`event.data.customer == {"name": "Zoë", "mail": "zoe@example.com"}`, "yes"}, {`event.data.items[1].tags == ["x", "y"]`, "yes"},
		{`"mail" in event.data.customer`, "yes"}, {`"phone" in event.data.customer`, "no"}, {`event.data.country not in ["NZ"]`, "no"},
		{`event.data.text + "!" == "hello!"`, "yes"}, {`event.data.total * 2 + 1 == 301`, "yes"}, {`event.data.text[1:3] == "el"`, "yes"},
		{`if event.data.total > 100 { event.data.vip } else { false }`, "yes"}, {`max(event.data.total, 7) == 150`, "yes"},

		// Null rules.
		{`event.data.absent == null`, "yes"}, {`event.data.absent == nil`, "yes"}, {`event.data.none == null`, "yes"}, {`event.data.total == null`, "no"},
		{`event.data.absent != null`, "no"}, {`event.data.total != null`, "yes"}, {`null == nil`, "yes"}, {`event.data.absent == event.data.none`, "yes"},
		{`event.data.a.b.c.d == null`, "yes"}, {`event.data.none.x == null`, "yes"}, {`event.data.total.x == null`, "yes"}, {`event.data.text.x == null`, "yes"},
		{`event.data?.a?.b == nil`, "yes"}, {`event.data.items[7] == null`, "yes"}, {`event.data.items[7].sku == null`, "yes"}, {`event.data.items.sku == null`, "yes"},
		{`event.data.absent < 5`, "no"}, {`event.data.absent <= 5`, "no"}, {`event.data.absent > 5`, "no"}, {`event.data.absent >= 5`, "no"},
		{`5 < event.data.absent`, "no"}, {`5 >= event.data.none`, "no"}, {`event.data.absent < null`, "no"}, {`event.data.absent >= null`, "no"}, {`null <= null`, "no"},
		{`event.data.absent < "x"`, "no"}, {`not (event.data.absent < 5)`, "yes"},
		{`event.data.absent in ["a"]`, "no"}, {`event.data.absent in [null]`, "no"}, {`null in [null]`, "no"}, {`"a" in event.data.absent`, "no"}, {`"a" in null`, "no"},
		{`event.data.absent not in ["a"]`, "yes"}, {`event.data.absent in event.data.customer`, "no"},
		{`event.data.absent == "x"`, "no"}, {`event.data.absent != "x"`, "yes"}, {`event.data.absent == 0`, "no"}, {`event.data.absent == false`, "no"},
		{`(event.data.absent ?? 7) == 7`, "yes"}, {`event.data.absent contains "x"`, "no"}, {`event.data.absent matches "x"`, "no"},
		{`event.data.total == "150"`, "no"}, {`event.data.vip == 1`, "no"}, {`event.data.items == 7`, "no"},

		// Any other error counts as "no".
		{`event.data.absent + 1 > 0`, "error"}, {`event.data.absent`, "error"}, {`event.data.absent && true`, "error"}, {`event.data.total || true`, "error"},
		{`!event.data.absent`, "error"}, {`event.data.total`, "error"}, {`event.data.text > 5`, "error"}, {`event.data.items < 5`, "error"},
		{`any(event.data.absent, true)`, "error"}, {`any(event.data.customer, true)`, "error"}, {`any(event.data.items, .absent)`, "error"},
		{`len(event.data.absent) == 0`, "error"}, {`len(event.data.total) == 0`, "error"}, {`"a" in event.data.text`, "error"},
		{`event.data.total % 0 == 1`, "error"}, {`event.data.total matches "x"`, "error"}, {`event.data.total contains "x"`, "error"},
		{`-event.data.text == 1`, "error"}, {`event.data.absent[1:2] == "x"`, "error"}, {`int(event.data.text) == 1`, "error"}, {`event.data.price % 2 == 1`, "error"},
	} {
		p, problem := Compile(tc.source)
		if problem != nil {
			t.Errorf("%s: %v", tc.source, problem)
			continue
		}
		ok, shown, err := p.Eval(event(order1))
		got := map[bool]string{true: "yes", false: "no"}[ok]
		if err != nil {
			got = "error"
			if m := err.Error(); ok || !strings.HasSuffix(m, ".") || strings.ContainsAny(m, "{}·\n") || strings.Contains(m, "interface") || m[0] < 'A' || m[0] > 'Z' && m[0] < 0x80 {
				t.Errorf("%s: no sentence for people: %s", tc.source, m)
			}
		}
		if got != tc.want {
			t.Errorf("%s: want %s, got %s %v", tc.source, tc.want, got, err)
		}
		if ok && shown != "" {
			t.Errorf("%s: shows %q", tc.source, shown)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, tc := range []struct {
		source       string
		line, column int
		words        string
	}{
		{`event.data.total >`, 1, 18, "ends too early"},
		{`evnt.data.total > 1`, 1, 1, "no evnt here"},
		{"true &&\n  event.nme == 1", 2, 9, "An event has id, name"},
		{`event.name.first == "a"`, 1, 12, "has no members"},
		{`event.name == 5`, 1, 12, "mismatched types"},
		{`event.name`, 1, 1, "gives text, not true or false"},
		{`1 + 2`, 1, 1, "gives a number"},
		{`null`, 1, 1, "not true or false"},
		{`any(event.data.a, any(.b, any(.c, true)))`, 1, 35, "twice"},
		{`true && 1..1000000000 == []`, 1, 10, "Ranges"},
		{`event.data.a matches event.data.b`, 1, 33, "written out"},
		{`event.data.a matches "("`, 1, 22, "not a valid regular expression"},
		{`event.data.a matches "((a{1,100}){1,9})"`, 1, 22, "too large"},
		{`fetch("http://x")`, 1, 1, "no such function"},
		{`event.data.f()`, 1, 12, "no such function"},
		{`now() == null`, 1, 1, "does not exist here"},
		{`reduce(event.data.a, #acc + #acc, "x") == ""`, 1, 1, "does not exist here"},
		{`repeat("x", 1000000000) == ""`, 1, 1, "does not exist here"},
		{`$env == null`, 1, 1, "no $env"}, {`(let x = 1; x == 1) && x == 1`, 1, 24, "no x here"}, {`# == 1`, 0, 0, "-"}, {`any(event.data.a, #acc == 1)`, 1, 19, "no meaning"},
		{`get($env, "x") == null`, 1, 1, "does not exist here"},
		{`let event = 1; event == 1`, 1, 5, "taken"},
		{`·meter == null`, 1, 1, ""},
		{"true\x00", 1, 5, ""},
		{"\xff", 1, 1, "UTF-8"},
		{strings.Repeat("true && ", 200) + "true", 1, 0, "200 parts"},
		{strings.Repeat("(", 5000) + "true" + strings.Repeat(")", 5000), 0, 0, "-"},
		{strings.Repeat("!", 10000) + "true", 1, 0, ""},
		{strings.Repeat(" ", MaxSource) + "true", 1, 1, "16 KiB"},
	} {
		_, problem := Compile(tc.source)
		if tc.words == "-" {
			continue // either way, as long as it ends
		}
		if problem == nil {
			t.Errorf("%.60s: compiles", tc.source)
			continue
		}
		if !strings.Contains(problem.Message, tc.words) || problem.Line != tc.line || (tc.column > 0 && problem.Column != tc.column) {
			t.Errorf("%.60s: want %d:%d %q, got %v", tc.source, tc.line, tc.column, tc.words, problem)
		}
		if m := problem.Message; strings.ContainsAny(m, "·\n") || !strings.HasSuffix(m, ".") {
			t.Errorf("%.60s: no sentence for people: %s", tc.source, m)
		}
	}
}

// What is allowed but costs too much for an event is stopped.
func TestHostileExpressionsEnd(t *testing.T) {
	long := fmt.Sprintf(`{"l":[%s0],"s":%q,"t":%q}`, strings.Repeat("0,", 200_000), strings.Repeat("x", 300_000), strings.Repeat("x", 300_000))
	e := event(long)
	double := "let a0 = event.data.s; "
	for i := range 20 {
		double += fmt.Sprintf("let a%d = a%d + a%d; ", i+1, i, i)
	}
	for _, source := range []string{
		`all(event.data.l, all(event.data.l, # == 0))`,
		`all(event.data.l, all(event.data.l, true))`,
		`sum(event.data.l, sum(event.data.l, 1)) == 0`,
		`len(map(event.data.l, map(event.data.l, event.data.l))) == 1`,
		`all(event.data.l, event.data.s == event.data.t)`,
		`all(event.data.l, event.data == event.data)`,
		`all(event.data.l, not (event.data.s contains "yy"))`,
		`all(event.data.l, upper(event.data.s) != "")`,
		`all(event.data.l, max(event.data.l) == 0)`,
		`all(event.data.l, 1 not in event.data.l)`,
		`event.data.s matches "(x+x+)+y"`,
		`all(event.data.l, event.data.s matches "x")`,
		`all(event.data.l, event.data.s + event.data.s != "")`,
		`all(event.data.l, event.data.s <= event.data.t)`,
		double + `a20 != ""`,
	} {
		p, problem := Compile(source)
		if problem != nil {
			t.Errorf("%.60s: %v", source, problem)
			continue
		}
		if ok, _, err := p.Eval(e); ok || err == nil || err.Error() != errTooMuch.Error() {
			t.Errorf("%.60s: want too many steps, got %v %v", source, ok, err)
		}
	}
	p, _ := Compile(`any(event.data.l, # == 1) || len(event.data.s) == 300000`)
	if ok, _, err := p.Eval(e); !ok || err != nil {
		t.Errorf("a modest expression over a large event: %v %v", ok, err)
	}
}

func TestShownAndValues(t *testing.T) {
	p, problem := Compile(`event.data.total > 200 && event.data["a b"] == null && event.data.items[0].sku == "b" && any(event.data.items, .n > 5) && event.name != "x" && event.data.total < 7`)
	if problem != nil {
		t.Fatal(problem)
	}
	ok, shown, err := p.Eval(event(order1))
	want := `event.data.total = 150, event.data["a b"] = null, event.data.items[0].sku = "a", event.data.items = "a list of 2", event.name = "order.created"`
	if diff := cmp.Diff(want, shown); diff != "" || ok || err != nil {
		t.Error(ok, err, diff)
	}
	values := []Value{{"event.data.total", 150}, {`event.data["a b"]`, nil}, {"event.data.items[0].sku", "a"}, {"event.data.items", "a list of 2"}, {"event.name", "order.created"}}
	if diff := cmp.Diff(values, p.Values(event(order1))); diff != "" {
		t.Error(diff)
	}
	p, _ = Compile(`event.data.s == "x"`)
	if _, shown, _ := p.Eval(event(`{"s":"` + strings.Repeat("ü", 1000) + `"}`)); len([]rune(shown)) > 250 {
		t.Errorf("shows %d characters", len([]rune(shown)))
	}
}

func TestDataIsParsedOnlyWhenLookedAt(t *testing.T) {
	broken := event(`{"a":`)
	for source, want := range map[string]string{`event.name == "order.created"`: "", `event.data.a == 1`: "not JSON", `event == null`: "not JSON"} {
		p, _ := Compile(source)
		_, _, err := p.Eval(broken)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: want %q, got %v", source, want, err)
		}
	}
	for _, data := range []string{"", "null"} {
		p, _ := Compile(`event.data == null && event.data.a.b == null`)
		if ok, _, err := p.Eval(event(data)); !ok || err != nil {
			t.Errorf("data %q: %v %v", data, ok, err)
		}
	}
	p, _ := Compile(`event.data[1] == "b" && 3 in event.data`)
	if ok, _, err := p.Eval(event(`["a","b",3]`)); !ok || err != nil {
		t.Error(ok, err)
	}
}

func TestProgramsAreShared(t *testing.T) {
	p, _ := Compile(`any(event.data.items, .n > 10) && event.data.text matches "^h"`)
	done := make(chan bool)
	for range 8 {
		go func() {
			for range 200 {
				if ok, _, err := p.Eval(event(order1)); !ok || err != nil {
					t.Error(ok, err)
				}
			}
			done <- true
		}()
	}
	for range 8 {
		<-done
	}
}

func FuzzCompileAndEval(f *testing.F) {
	for _, s := range []string{`event.data.a > 1`, `any(event.data.items, .n in [1,2])`, `let x = event.data; x?.a[0] ?? "b" matches "c"`, `100 < event.data.total < 200`,
		`if event.data.vip {true} else {len(event.data.text) > 1}`, `{"a": [1, nil]} == event.data[:1]`, `event.data.items | filter(.n > 1) | count() == 1`} {
		f.Add(s, order1)
	}
	f.Fuzz(func(t *testing.T, source, data string) {
		p, problem := Compile(source)
		if problem != nil {
			if problem.Line < 1 || problem.Column < 1 || problem.Message == "" {
				t.Fatalf("%q: %+v", source, problem)
			}
			return
		}
		e := event(data)
		ok, _, err := p.Eval(e)
		if ok && err != nil {
			t.Fatalf("%q holds with an error: %v", source, err)
		}
		p.Values(e)
	})
}

func BenchmarkEval(b *testing.B) {
	p, _ := Compile(`event.data.total > 100 && event.data.country in ["NZ", "AU"]`)
	e := event(order1)
	b.ReportAllocs()
	for b.Loop() {
		if ok, _, _ := p.Eval(e); !ok {
			b.Fatal()
		}
	}
}
