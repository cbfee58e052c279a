package script

import "testing"

func TestFormat(t *testing.T) {
	for name, x := range map[string]struct {
		place    Place
		in, want string
	}{
		"JSON on one line":             {JSONBody, `{"a":{{ it.data[0].a }},"b":["x{{ it.b }}y",2],"e":{}}`, "{\n  \"a\": {{ it.data[0].a }},\n  \"b\": [\n    \"x{{ it.b }}y\",\n    2\n  ],\n  \"e\": {}\n}"},
		"raw tags too":                 {JSONBody, `{"a":{{= JSON.stringify(it) }}}`, "{\n  \"a\": {{= JSON.stringify(it) }}\n}"},
		"no JSON":                      {JSONBody, `{"a": {{ x }`, `{"a": {{ x }`},
		"blocks stay":                  {JSONBody, `[{{@each(it.data) => d}}{"a":1},{{/each}}null]`, `[{{@each(it.data) => d}}{"a":1},{{/each}}null]`},
		"code by its brackets":         {JSONBody, "{{! const o = it.data[0];\nreturn {\na: o.a,\n      b: [\n1,\n] };\n}}", "{{! const o = it.data[0];\nreturn {\n  a: o.a,\n  b: [\n    1,\n  ] };\n}}"},
		"the end of the tag":           {Text, "{{!\nif (a) {\nb()\n  }}}", "{{!\nif (a) {\n  b()\n}}}"},
		"literals keep their lines":    {Text, "{{! return [\n`a\n    b ${ x(\n1) } c\n  d`,\n] }}", "{{! return [\n  `a\n    b ${ x(\n      1) } c\n  d`,\n] }}"},
		"comments keep theirs":         {Text, "{{! f(\n/* a\n   b */\n1) // }} not here\n}}", "{{! f(\n  /* a\n   b */\n  1) // }} not here\n}}"},
		"text is not touched":          {Text, "  Dear {{ it.a }},\n\n      bye", "  Dear {{ it.a }},\n\n      bye"},
		"a string that holds brackets": {Text, "{{! f(\n\"}}\",\n'(' ) }}", "{{! f(\n  \"}}\",\n  '(' ) }}"},
		"done already":                 {JSONBody, "{\n  \"a\": {{ x }}\n}", "{\n  \"a\": {{ x }}\n}"},
	} {
		got, err := Format(x.in, x.place)
		if name == "no JSON" {
			if err == nil || got != x.in {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			continue
		}
		if err != nil || got != x.want {
			t.Errorf("%s: %v\ngot:\n%s\nwant:\n%s", name, err, got, x.want)
		}
		if again, _ := Format(got, x.place); again != got {
			t.Errorf("%s: formatting twice changes it:\n%s", name, again)
		}
	}
}
