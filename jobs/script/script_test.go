package script

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"
)

// The test binary is its own render worker.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "render-worker" {
		if err := ServeWorker(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 2 && strings.HasPrefix(os.Args[1], "lie-") {
		lie(strings.TrimPrefix(os.Args[1], "lie-"), os.Stdin, os.Stdout)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var testNow = time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)

func newTestPool(t testing.TB, o Options) *Pool {
	t.Helper()
	p := NewPool(o)
	t.Cleanup(func() { p.Close() })
	return p
}

func body(place Place, source string) *Template {
	return &Template{Parts: []Part{{Name: "template", Place: place, Source: source}}}
}

func job(t *Template, input string) Job {
	return Job{Template: t, Input: []byte(input), Now: testNow, Seed: "msg_1"}
}

// newBareRun is a runtime without a template.
func newBareRun() *run {
	r := &run{rt: goja.New(), now: testNow, seed: "msg_1", left: MaxOutput}
	r.confine(false)
	return r
}

const order = `{"data":[{"id":7,"name":"Ann \"A\" <&>\n","tags":["x","y"],"total":12.50,"none":null,"when":"2026-02-03","big":12345678901234567890,"ok":true,"nested":{"b":1,"a":{"c":2}}}],"events":[]}`

// say renders one body in a worker and gives its text, or what went wrong.
func say(t testing.TB, p *Pool, place Place, source, input string) string {
	t.Helper()
	out, err := p.Render(context.Background(), job(body(place, source), input))
	switch {
	case err != nil:
		return "ERROR " + err.Error()
	case out.Skip:
		return "SKIP " + out.SkipReason
	}
	return out.Parts[0]
}

func TestLanguage(t *testing.T) {
	p := newTestPool(t, Options{})
	for _, c := range []struct {
		name   string
		place  Place
		source string
		want   string
	}{
		{"the seed's template", JSONBody, `{{! return JSON.stringify(it.data[0].nested); }}`, `{"b":1,"a":{"c":2}}`},
		{"text alone", Text, "hello", "hello"},
		{"return throws text away", Text, `before {{! return "R" }} after`, "R"},
		{"no return gives the text", Text, `a{{! let z = 1; }}b{{ z }}`, "ab1"},
		{"return an object", JSONBody, `{{! return {b: 1, a: [true, null]} }}`, `{"b":1,"a":[true,null]}`},
		{"return a number", Text, `{{! return 1.5 }}`, `1.5`},
		{"return a boolean", Text, `{{! return false }}`, `false`},
		{"return undefined", Text, `x{{! return }}`, `SKIP template returned undefined: nothing to send`},
		{"return null", Text, `x{{! return null }}`, `SKIP template returned null: nothing to send`},
		{"return empty text", Text, `x{{! return "" }}`, ``},
		{"return in a loop", Text, `{{@each([1,2,3]) => v}}{{! if (v === 2) { return "two" } }}{{/each}}`, `two`},
		{"object literal ends in braces", JSONBody, `{{ {a:{b:1}} }}`, `{"a":{"b":1}}`},
		{"object literal touches the end", JSONBody, `{{= JSON.stringify({a:{b:1}})}}`, `{"a":{"b":1}}`},
		{"arrow and or", JSONBody, `{{ [1,2].map(x => x || 5).map(x => ({x})) }}`, `[{"x":1},{"x":2}]`},
		{"braces in strings", Text, `{{ "}}" + '}}' + ` + "`}}`" + ` }}`, "}}}}}}"},
		{"braces in comments", Text, "{{ 1 /* }} */ // }}\n }}", "1"},
		{"braces in a regular expression", Text, `{{ "a}}b".replace(/}}/g, "-") }}`, "a-b"},
		{"a class with a slash", Text, `{{ "a/b".split(/[/}]/).length }}`, "2"},
		{"division is no regular expression", Text, `{{ (4) / 2 / it.data.length + "}}".length / 1 }}`, "4"},
		{"regular expression after if", Text, `{{! let r = 0; if (true) /}}/.test("}}") && (r = 1) }}{{ r }}`, "1"},
		{"nested template literals", Text, "{{ `a${`b${ {c: '}'}.c }`}d` }}", "ab}d"},
		{"postfix then division", Text, `{{! let a = 4; let b = a++ / 2; }}{{ b }}`, "2"},
		{"json string place", JSONBody, `{"n":"{{ it.data[0].name }}","o":"{{ it.data[0].nested }}","x":"{{ it.data[0].none }}{{ it.nope }}"}`, `{"n":"Ann \"A\" <&>\n","o":"{\"b\":1,\"a\":{\"c\":2}}","x":""}`},
		{"json value place", JSONBody, `[{{ it.data[0].name }},{{ it.nope }},{{ it.data[0].none }},{{ it.data[0].total }},{{ 0/0 }},{{ it.data[0].ok }}]`, `["Ann \"A\" <&>\n",null,null,12.5,null,true]`},
		{"escaped quote in the template", JSONBody, `{"a\"":{{ "x" }}}`, `{"a\"":"x"}`},
		{"branches keep the string open", JSONBody, `{"a":{{@if(it.data[0].ok)}}"{{ 'x"' }}{{#else}}"none{{/if}} {{ "y" }}"}`, `{"a":"x\" y"}`},
		{"raw", JSONBody, `{{= '"' + it.data[0].id + '"' }}`, `"7"`},
		{"form", FormBody, `n={{ it.data[0].name }}&t={{ it.data[0].tags }}`, `n=Ann%20%22A%22%20%3C%26%3E%0A&t=%5B%22x%22%2C%22y%22%5D`},
		{"path", Path, `/u/{{ "a/b ü" }}?q={{ "x&y" }}`, `/u/a%2Fb%20%C3%BC?q=x%26y`},
		{"header", Header, "a\r\n{{ 'b\\r\\nc\\0' }}{{= '\\n' }}d", "abcd"},
		{"text", Text, `{{ it.data[0].nested }}|{{ null }}|{{ undefined }}|{{ new Date() }}`, `{"b":1,"a":{"c":2}}|||2026-02-03T04:05:06.789Z`},
		{"date in json", JSONBody, `{"a":{{ now() }},"b":"{{ now() }}"}`, `{"a":"2026-02-03T04:05:06.789Z","b":"2026-02-03T04:05:06.789Z"}`},
		{"each with index", Text, `{{@each(it.data[0].tags) => v, i}}{{ i }}={{ v }};{{/each}}`, `0=x;1=y;`},
		{"each nested", Text, `{{@each([[1,2],[3]]) => a, i}}{{@each(a) => b, j}}{{ i }}{{ j }}{{ b }} {{/each}}{{/each}}`, `001 012 103 `},
		{"each over an object", Text, `{{@each({b:1,a:2}) => v, k}}{{ k }}{{ v }}{{/each}}`, `b1a2`},
		{"each over a set and a string", Text, `{{@each(new Set([1,1,2])) => v}}{{ v }}{{/each}}{{@each("añ") => c}}<{{ c }}>{{/each}}`, `12<a><ñ>`},
		{"each over nothing", Text, `[{{@each(it.nope) => v}}x{{/each}}{{@each(null) => v}}x{{/each}}]`, `[]`},
		{"each with break", Text, `{{@each([1,2,3]) => v}}{{! if (v == 2) break; }}{{ v }}{{/each}}`, `1`},
		{"if elif else", Text, `{{@each([1,2,3]) => v}}{{@if(v == 1)}}a{{#elif(v == 2)}}b{{#else}}c{{/if}}{{/each}}`, `abc`},
		{"newline after a statement tag", Text, "{{! let a = 1; }}\n{{ a }}\n{{@if(a)}}\r\n  yes\n{{/if}}\n!", "1\n  yes\n!"},
		{"assigning without declaring", Text, `{{! total = 0; for (const x of [1,2]) total += x }}{{ total }}`, "3"},
		{"minus is an expression", Text, `{{ !it.nope }}{{ -1 }}`, "true-1"},
		{"literal braces", Text, `{{= "{{" }}x}}`, "{{x}}"},
		{"bigint", JSONBody, `{{ 2n**70n }}`, "1180591620717411303424"},
		{"a class", Text, `{{! class A { #x = 1; get v() { return this.#x / 1 } static s = {a:1} } }}{{ new A().v }}`, "1"},
		{"comments of statements", Text, "{{!\n // it's a comment }} \n let a = 2 /* } */\n}}{{ a }}", "2"},
		{"optional chaining and ternary", Text, `{{ it.a?.b ?? (true?.5:1) }}`, "0.5"},
		{"labels and switch", Text, `{{! let o = ""; outer: for (const a of [1,2]) { switch (a) { case 1: { o += "a"; continue outer } default: o += /}}/.source } } }}{{ o }}`, "a}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, say(t, p, c.place, c.source, order)); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
			if problems, err := p.Check(t.Context(), body(c.place, c.source).Parts); problems != nil || err != nil {
				t.Errorf("Check: %v %v", problems, err)
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	p := newTestPool(t, Options{})
	for _, c := range []struct {
		place  Place
		source string
		want   string
	}{
		{Text, "a\nb {{ x", "template, line 2, column 3: this tag has no }}"},
		{Text, "{{ (1 }}", "template, line 1, column 7: unexpected }: the ( before it is not closed"},
		{Text, "{{ [1, 2 ", "template, line 1, column 4: this [ is not closed"},
		{Text, "ü{{ 'a }}\n", "template, line 1, column 5: this string is not closed on its line"},
		{Text, "{{ x // done }}", "template, line 1, column 6: this // comment runs to the end of its line and hides the end of the tag; put }} on the next line or use /* */"},
		{Text, "{{ /a }}", "template, line 1, column 4: this regular expression is not closed"},
		{Text, "{{}}", "template, line 1, column 1: this tag is empty"},
		{Text, "{{! }}", "template, line 1, column 1: this tag is empty"},
		{Text, "one\n  {{ a + }}", "template, line 2, column 10: the code of this tag ends too early"},
		{Text, "one\n  {{ a b }}", "template, line 2, column 8: Unexpected identifier"},
		{Text, "ü\nüü{{! let a = 1;\n  let ü = ;\n}}", "template, line 3, column 11: Unexpected token ;"},
		{Text, "x\n{{! let a = 1; let a = 2; }}", "template, line 2, column 20: Identifier 'a' has already been declared"},
		{Text, "{{ ) }}", "template, line 1, column 4: unexpected )"},
		{Text, "{{ }x }}", "template, line 1, column 4: unexpected }"},
		{Text, "x{{@if(true)}}", "template, line 1, column 2: this @if has no {{/if}}"},
		{Text, "x{{@each(a) => b}}{{/if}}", "template, line 1, column 19: {{/if stands inside another block that is not closed"},
		{Text, "{{/each}}", "template, line 1, column 1: {{/each without the tag that opens it"},
		{Text, "{{#else}}", "template, line 1, column 1: {{#else without the tag that opens it"},
		{Text, "{{@if(1)}}{{#else}}{{#else}}{{/if}}", "template, line 1, column 20: {{#else}} has to be the last branch"},
		{Text, "{{@each(a)}}{{/each}}", "template, line 1, column 11: => and one or two names expected, as in {{@each(list) => v, i}}"},
		{Text, "{{@foreach(a)}}", "template, line 1, column 1: unknown tag {{@foreach; known are {{@each(…) => v, i}}, {{@if(…)}}, {{#elif(…)}}, {{#else}}, {{/each}}, {{/if}}"},
		{Text, "{{@if()}}{{/if}}", "template, line 1, column 6: @if needs an expression"},
		{Text, "{{ __wb(1) }}", "template, line 1, column 4: names that begin with __wb are reserved"},
		{JSONBody, `{"a":{{@if(1)}}"{{/if}}}`, "template, line 1, column 17: this block opens or closes a JSON string and may be left out"},
		{JSONBody, `{"a":{{@if(1)}}"{{#else}}1{{/if}}}`, "template, line 1, column 27: the branches of this block differ in whether a JSON string is open at their end"},
		{Text, "{{ /(/ }}", "template, line 1, column 4: Unterminated group"},
	} {
		problems, err := p.Check(t.Context(), body(c.place, c.source).Parts)
		if err != nil {
			t.Fatal(err)
		}
		got := "nothing"
		if len(problems) > 0 {
			got = problems[0].Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q: want - got +\n%s", c.source, diff)
		}
	}
}

func TestCheckNamesEveryPart(t *testing.T) {
	got := Check([]Part{{"path", Path, "/{{ a b }}"}, {"headers[0].value", Header, "{{ ok }}"}, {"template", JSONBody, "\n{{"}})
	want := []Problem{{Part: "path", Line: 1, Column: 7, Message: "Unexpected identifier"}, {Part: "template", Line: 2, Column: 1, Message: "this tag has no }}"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

func TestRunTimeErrors(t *testing.T) {
	p := newTestPool(t, Options{})
	for _, c := range []struct{ source, want string }{
		{"a\nü {{ it.nope.deep }}", "ERROR template, line 2, column 14: TypeError: Cannot read property 'deep' of undefined"},
		{"a\n{{!\n  const f = () => { throw new Error('no address') }\n  f()\n}}", "ERROR template, line 3, column 27: Error: no address"},
		{"x {{ nope }}", "ERROR template, line 1, column 6: ReferenceError: nope is not defined"},
		{"{{! throw {toString() { throw 1 }} }}", "ERROR template, line 1, column 5: the template threw a value that has no text"},
		{"x\n{{ isoDate }}", "ERROR template, line 2, column 1: TypeError: a function cannot be written; is a call missing its ()?"},
		{"{{ Symbol('x') }}", "ERROR template, line 1, column 1: TypeError: a symbol cannot be written"},
		{"{{! const a = {}; a.a = a; }}\n{{ a }}", "ERROR template, line 2, column 1: TypeError: Converting circular structure to JSON"},
		{"{{! return () => 1 }}", "ERROR template: TypeError: the template returned a function; return text or data"},
		{"{{! return (async () => 1)() }}", "ERROR template: TypeError: the template returned a promise; templates do not wait"},
		{"\n{{ formatDate('x', 'YYYY') }}", "ERROR template, line 2, column 14: Error: this is not a date: \"x\""},
		{"{{ JSON.parse('{') }}", "ERROR template, line 1, column 14: SyntaxError: JSON.parse: the text is not valid JSON at byte 1"},
		{"{{@each([1]) => v}}\n{{ v.x.y }}{{/each}}", "ERROR template, line 2, column 8: TypeError: Cannot read property 'y' of undefined"},
		{"{{! for (;;); }}", "ERROR template, line 1, column 1: the template ran longer than 250 ms"},
		{"{{! const f = () => f(); f() }}", "ERROR template, line 1, column 22: calls are nested deeper than 300"},
		{"{{! for (;;) { }}", "ERROR template, line 1, column 17: unexpected }; the } before it closed a bracket, so the tag goes on"},
	} {
		if diff := cmp.Diff(c.want, say(t, p, Text, c.source, order)); diff != "" {
			t.Errorf("%q: want - got +\n%s", c.source, diff)
		}
	}
}

func TestEvalAndConstructorsAreGone(t *testing.T) {
	p := newTestPool(t, Options{})
	for _, source := range []string{
		`eval("1")`, `Function("return 1")()`, `new Function("return 1")()`, `[].map.constructor("return 1")()`, `(() => 1).constructor("return 1")()`,
		`(function*(){}).constructor("yield 1")().next().value`, `(async () => 1).constructor("return 1")()`, `Object.getPrototypeOf(function*(){}).constructor("")()`,
		`Reflect.construct(isoDate.constructor, ["return 1"])()`, `globalThis["ev" + "al"]("1")`, `(class {}).constructor("return 1")()`, `__proto__.constructor.constructor("return 1")()`,
	} {
		if got := say(t, p, Text, "{{= "+source+" }}", order); !strings.HasPrefix(got, "ERROR template, line 1") {
			t.Errorf("%s: got %q", source, got)
		}
	}
}

func TestHelperExamples(t *testing.T) {
	p := newTestPool(t, Options{})
	for _, h := range Helpers() {
		if diff := cmp.Diff(h.Gives, say(t, p, Text, "{{= "+h.Example+" }}", order)); diff != "" {
			t.Errorf("%s: want - got +\n%s", h.Example, diff)
		}
	}
}
