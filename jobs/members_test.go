package jobs

import (
	"strings"
	"testing"

	"waybill/db/fault"
)

func TestReadMembers(t *testing.T) {
	for _, c := range []struct{ name, file, want, wrong string }{
		{name: "CSV", file: "email,name\nada@example.com,\"Lovelace, Ada\"\n\ngrace@example.com,\"G\n\"\"H\"\"\"\n", want: `{"email":"ada@example.com","name":"Lovelace, Ada"} {"email":"grace@example.com","name":"G\n\"H\""}`},
		{name: "semicolons and a byte order mark", file: "\xef\xbb\xbfemail; city \r\na@b.c;Łódź & <co>\r\n", want: `{"email":"a@b.c","city":"Łódź & <co>"}`},
		{name: "tabs", file: "a\tb\n1\t2,3\n", want: `{"a":"1","b":"2,3"}`},
		{name: "JSON lines", file: "\n{\"n\": 1.50, \"big\": 12345678901234567890}\n{\"n\":2}", want: `{"n":1.50,"big":12345678901234567890} {"n":2}`},
		{name: "an array", file: ` [{"a":1},{"a":2}] `, want: `{"a":1} {"a":2}`},
		{name: "names only", file: "email,name\n", want: ""},
		{name: "empty", file: " \n", wrong: "empty"},
		{name: "too few values", file: "a,b\n1,2\n3\n", wrong: "Line 3 has 1 values"},
		{name: "two of a name", file: "a,a\n", wrong: "Two columns"},
		{name: "no name", file: "a,\n", wrong: "Column 2"},
		{name: "no object", file: "{\"a\":1}\n5\n", wrong: "Record 2: A record is an object"},
		{name: "broken JSON", file: "{\"a\":1}\n{\"a\":\n", wrong: "Record 2 is not JSON"},
		{name: "not UTF-8", file: "a\n\xff\n", wrong: "not UTF-8"},
		{name: "not UTF-8 in JSON", file: "{\"a\":\"\xff\"}", wrong: "not UTF-8"},
		{name: "a large record", file: "a\n" + strings.Repeat("x", 70<<10), wrong: "64 KiB"},
	} {
		list, err := ReadMembers(strings.NewReader(c.file))
		if f := fault.Of(err); c.wrong != "" && (f == nil || f.Fields[0].Name != "file" || !strings.Contains(f.Fields[0].Message, c.wrong)) {
			t.Errorf("%s: got %v, want a complaint %q", c.name, err, c.wrong)
		}
		var parts []string
		for _, x := range list {
			parts = append(parts, string(x))
		}
		if got := strings.Join(parts, " "); c.wrong == "" && (err != nil || got != c.want) {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}
