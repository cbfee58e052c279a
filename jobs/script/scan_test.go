package script

import (
	"runtime/debug"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScan: whatever the text, scanning and compiling end with a program or with a problem whose place lies in the
// text; and every tag that was found stands where it says.
func FuzzScan(f *testing.F) {
	for _, s := range append(hostileSources(), identity, order, "{{", "}}", "{{!", "{{ /[/]/ }}", "{{ `${`}`}` }}", "{{@each(a) => b, c}}x{{/each}}", "{{@if(a)}}b{{#elif(c)}}{{#else}}{{/if}}", `"{{ x }}"`, "{{ \\u{61} }}", "{{!\u2028// }}\n }}", "{{ <!-- ( \n }}", "{{ x --> }}") {
		f.Add(s, byte(JSONBody))
		f.Add(s, byte(Text))
	}
	f.Fuzz(func(t *testing.T, source string, place byte) {
		nodes, bad := scan(source, Place(place%5), &facts{names: map[string]bool{}})
		if bad != nil && (bad.at < 0 || bad.at > len(source)) {
			t.Fatalf("problem at %d of %d", bad.at, len(source))
		}
		last := 0
		for _, n := range nodes {
			if n.start < last || n.end < n.start || n.end > len(source) || n.codeStart > n.codeEnd || n.codeEnd > n.end {
				t.Fatalf("node %+v after %d", n, last)
			}
			if n.kind != nodeText && !(strings.HasPrefix(source[n.start:], "{{") && strings.HasSuffix(source[:n.end], "}}")) {
				t.Fatalf("%q is no tag", source[n.start:n.end])
			}
			last = n.end
		}
		for _, p := range Check([]Part{{"p", Place(place % 5), source}}) {
			lines := strings.Split(source, "\n")
			if p.Line == 0 && (!utf8.ValidString(source) || strings.HasPrefix(p.Message, "this JavaScript cannot be compiled")) {
				continue
			}
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
				t.Fatalf("%q: place out of range: %+v", source, p)
			}
		}
	})
}

// The checks run in the server's process, so no template may drive goja's recursive parser and compiler far down the
// stack. Each of these would need hundreds of megabytes of it without the bounds of the scanner.
func TestCheckBoundsTheStack(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(16 << 20))
	for _, piece := range []struct{ open, middle, end string }{
		{"(", "1", ")"}, {"[", "", "]"}, {"{a:", "1", "}"}, {"`${", "1", "}`"}, {"f(", "", ")"}, {"!", "1", ""}, {"- ", "1", ""}, {"typeof ", "1", ""}, {"new ", "x", ""},
		{"a=", "1", ""}, {"1?1:", "1", ""}, {"1?", "1", ":1"}, {"a=>", "1", ""}, {"async a=>", "1", ""}, {"async\na=>", "1", ""}, {"2**", "1", ""}, {"1+", "1", ""}, {"1+\n", "1", ""}, {"1&&", "1", ""}, {"1??", "1", ""},
		{"", "a", ".a"}, {"", "a", "?.a"}, {"", "a", "()"}, {"", "a", "[0]"}, {"", "a", "``"}, {"class extends ", "A", "{}"}, {"function(){return ", "1", "}"}, {"()=>{", "", "}"}, {"...", "a", ""}, {"(a,", "1", ")"}, {"{get a(){return ", "1", "}}"}, {"await ", "1", ""}, {"yield ", "1", ""}, {"\\u0061=>", "1", ""},
	} {
		for _, n := range []int{50, 900, 1900, 60_000} {
			if n*(len(piece.open)+len(piece.end)) > MaxTemplate-100 {
				n = (MaxTemplate - 100) / (len(piece.open) + len(piece.end))
			}
			code := strings.Repeat(piece.open, n) + piece.middle + strings.Repeat(piece.end, n)
			Check(body(Text, "{{ "+code+" }}").Parts)
			problems := Check(body(Text, "{{! x = "+code+" }}").Parts)
			if n > maxWeight && (len(problems) == 0 || problems[0].Bound != BoundDepth) {
				t.Errorf("%d times %q: %v", n, piece.open+piece.end, problems)
			}
		}
	}
	for _, piece := range []struct{ open, end string }{
		{"if(1)", ";"}, {"if(1)x\nelse ", "x"}, {"if(1){}else ", "{}"}, {"while(1)", ";"}, {"for(;;)", ";"}, {"for(a of b)", ";"}, {"with(a)", ";"}, {"do ", ";while(1)"}, {"a:", ";"}, {"{", "}"}, {"try{", "}finally{}"}, {"switch(1){case 1:", "}"},
		{"class A extends ", "B{}"}, {"class A\nextends ", "B{}"}, {"x={a(){", "}}"}, {"function f(){", "}"}, {"let [", "]=1"}, {"let {a:", "}=1"}, {"case 1:", ""}, {"label\n:", ";"}, {"a\n=", "1"}, {"a\n=>", "1"}, {"if(1)a\n else ", ";"}, {"return ", ""}, {"throw ", "1"}, {"else ", ""}, {"\\u{61}:", ";"},
	} {
		for _, n := range []int{50, 900, 1900, 60_000} {
			n = min(n, (MaxTemplate-100)/(len(piece.open)+len(piece.end)))
			Check(body(Text, "{{! "+strings.Repeat(piece.open, n)+strings.Repeat(piece.end, n)+" }}").Parts)
			Check(body(Text, "{{! "+strings.Repeat(piece.open, n)+piece.end+" }}").Parts)
		}
	}
	for _, re := range []string{strings.Repeat("(", 900), strings.Repeat("(?:", 300) + "a", strings.Repeat("(a{1000}){1000}", 50), "(?=" + strings.Repeat("a{1000}", 100) + ")", "((((a{1000}){1000}){1000}){1000})\\1", strings.Repeat("[a-z", 200), strings.Repeat("a|", 400), strings.Repeat("(?=", 25) + strings.Repeat(")", 25)} {
		Check(body(Text, "{{ /"+re+"/ }}").Parts)
	}
}

// Long templates that people write stay within the bounds on shape.
func TestLongTemplatesAreAllowed(t *testing.T) {
	for name, source := range map[string]string{
		"statements":             "{{! " + strings.Repeat("let a = b(1) || c;", 0) + strings.Repeat("x = a.b(1, 2) + 3 * (4 - 5);\n", 5000) + " }}",
		"without semicolons":     "{{!\n" + strings.Repeat("x = a.b(1, 2) + `t${1}`\n", 5000) + " }}",
		"functions":              "{{!\n" + strings.Repeat("function f(a, b) { if (a) { return b } else { return a } }\n", 2000) + " }}",
		"a big object":           "{{ {" + strings.Repeat("key: [1, {a: 'b'}],\n", 5000) + "} }}",
		"a method chain":         "{{ x" + strings.Repeat(".filter(a => a.b)\n", 200) + " }}",
		"if blocks in a row":     strings.Repeat("{{@if(it.a)}}x{{#else}}y{{/if}}\n", 3000),
		"values":                 "[" + strings.Repeat("{{ it.a }},", 10000) + "0]",
		"if statements in a row": "{{!\n" + strings.Repeat("if (a) b\nelse c\n", 2000) + " }}",
	} {
		if problems := Check(body(JSONBody, source).Parts); problems != nil {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestPlain(t *testing.T) {
	for source, want := range map[string]bool{"": true, `{"a":{"b":1}}`: true, "{ {": true, "{{ x }}": false} {
		if got := Plain(source); got != want {
			t.Errorf("Plain(%q) = %v", source, got)
		}
	}
}

// goja loads source maps from files when it is let.
func TestSourceMapsAreNotRead(t *testing.T) {
	if problems := Check(body(Text, "{{! 1\n//# sourceMappingURL=file:///nowhere/at/all.map\n }}").Parts); problems != nil {
		t.Error(problems)
	}
}
