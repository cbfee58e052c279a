package filter

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

func TestRowsAndBack(t *testing.T) {
	for source, want := range map[string]Rows{
		`event.data.total > 100`:                                                {"and", []Row{{"event.data.total", "gt", "100"}}},
		`event.data.total >= -1.5 && event.subject != "test"`:                   {"and", []Row{{"event.data.total", "ge", "-1.5"}, {"event.subject", "ne", "test"}}},
		`event.data.a == "x" || event.data.b == true || event.data.c == 3`:      {"or", []Row{{"event.data.a", "eq", "x"}, {"event.data.b", "eq", "true"}, {"event.data.c", "eq", "3"}}},
		`event.data.country in ["NZ", "A,U", 3]`:                                {"and", []Row{{"event.data.country", "in", `NZ, "A,U", 3`}}},
		`not (event.data.country in ["NZ"]) and event.data["a b"] contains "x"`: {"and", []Row{{"event.data.country", "not_in", "NZ"}, {`event.data["a b"]`, "contains", "x"}}},
		`event.data.country not in ["NZ"]`:                                      {"and", []Row{{"event.data.country", "not_in", "NZ"}}},
		`event.data.items[0].sku startsWith "LAMP" && event.name endsWith "d"`:  {"and", []Row{{"event.data.items[0].sku", "starts", "LAMP"}, {"event.name", "ends", "d"}}},
		`event.data.gone == null && event.data.here != nil`:                     {"and", []Row{{"event.data.gone", "unset", ""}, {"event.data.here", "set", ""}}},
		`event.data.number == "100"`:                                            {"and", []Row{{"event.data.number", "eq", `"100"`}}},
		`event.data.empty == ""`:                                                {"and", []Row{{"event.data.empty", "eq", `""`}}},
		`event.data.q == "say \"hi\"\n"`:                                        {"and", []Row{{"event.data.q", "eq", `"say \"hi\"\n"`}}},
	} {
		got, ok := RowsOf(source)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", source, ok, diff)
			continue
		}
		text, bad := got.Expression()
		if _, problem := Compile(text); bad >= 0 || problem != nil {
			t.Errorf("%s became %q, row %d: %v", source, text, bad, problem)
		}
		if again, ok := RowsOf(text); !ok || !cmp.Equal(got, again) {
			t.Errorf("%s: written as %q it reads %+v", source, text, again)
		}
	}
	for _, source := range []string{"", "true", `any(event.data.items, .sku == "x")`, `event.data.a > 1 && event.data.b > 1 || event.data.c > 1`, `event.data.a > event.data.b`,
		`len(event.data.items) > 2`, `not (event.data.a == 1)`, `event.data?.a == 1`, `lower(event.name) == "x"`, `event.data.a ==`, `event == null`, `3 < event.data.a`, `event.data.a in [event.name]`,
		`event.data.a == 1e300`, `event.data.a == 12345678901234567890`, `event.data.x contains event.name`} {
		if got, ok := RowsOf(source); ok {
			t.Errorf("%q is shown as rows: %+v", source, got)
		}
	}
}

func TestRowsAsTyped(t *testing.T) {
	for _, x := range []struct {
		row  Row
		want string
	}{
		{Row{"total", "gt", " 100 "}, "event.data.total > 100"},
		{Row{"data.customer.email", "ends", "@example.com"}, `event.data.customer.email endsWith "@example.com"`},
		{Row{"subject", "eq", "A-1"}, `event.subject == "A-1"`},
		{Row{"zip", "eq", "007"}, `event.data.zip == "007"`},
		{Row{"a", "in", `1, "2", x y ,`}, `event.data.a in [1, "2", "x y"]`},
		{Row{"a", "contains", "10"}, `event.data.a contains "10"`},
		{Row{"", "eq", "1"}, ""},
		{Row{"a b", "eq", "1"}, ""},
		{Row{"event", "eq", "1"}, ""},
		{Row{"a", "like", "1"}, ""},
		{Row{`x) || (true`, "eq", "1"}, ""},
	} {
		if got := x.row.expression(); got != x.want {
			t.Errorf("%+v: %q, want %q", x.row, got, x.want)
		}
	}
}

// FuzzRows sees to it that rows mean what the expression meant.
func FuzzRows(f *testing.F) {
	f.Add(`event.data.a == "x" && event.data.b > 1`, `{"a":"x","b":2}`)
	f.Add(`not (event.data.a in ["x", 1])`, `{"a":1}`)
	f.Fuzz(func(t *testing.T, source, data string) {
		rows, ok := RowsOf(source)
		if !ok {
			return
		}
		was, problem := Compile(source)
		if problem != nil {
			return
		}
		text, bad := rows.Expression()
		is, problem := Compile(text)
		if bad >= 0 || problem != nil {
			t.Fatalf("%q became %q: %v", source, text, problem)
		}
		e := model.Event{Name: "a.b", Time: time.Unix(0, 0), Data: []byte(data)}
		a, _, errA := was.Eval(NewEnv(e))
		b, _, errB := is.Eval(NewEnv(e))
		if a != b || (errA == nil) != (errB == nil) {
			t.Fatalf("%q is %v %v, %q is %v %v", source, a, errA, text, b, errB)
		}
	})
}
