package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/views/texts"
)

const root = "../../.."

// TestCatalogueIsInStep fails when a text was written, changed or dropped and the catalogue was not gathered anew.
func TestCatalogueIsInStep(t *testing.T) {
	files, err := made(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 2 {
		t.Fatalf("%d files, want the catalogue and a language at least", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the sources say; run: go generate ./views/texts\n%s", filepath.Base(name), cmp.Diff(lines(string(got)), lines(want)))
		}
	}
}

// lines are those that hold a text: enough to see what differs.
func lines(file string) (out []string) {
	for line := range strings.Lines(file) {
		if strings.HasPrefix(line, "msgid ") {
			out = append(out, line)
		}
	}
	return out
}

var verb = regexp.MustCompile(`%(\[\d\])?([a-z%])`)

// inPlaces are the values of a format, each with the place of its argument: "[1]%s", whether it is written so or not.
func inPlaces(format string) (out []string) {
	next := 1
	for _, m := range verb.FindAllStringSubmatch(format, -1) {
		switch {
		case m[2] == "%":
		case m[1] != "":
			out = append(out, m[1]+"%"+m[2])
			next = int(m[1][1]-'0') + 1
		default:
			out = append(out, fmt.Sprintf("[%d]%%%s", next, m[2]))
			next++
		}
	}
	return out
}

var place = regexp.MustCompile(`\{\w+\}`)

// TestLanguagesAreWhole: a language has every text, and none loses a value or makes one up.
func TestLanguagesAreWhole(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(root, "views", "texts", "*.po"))
	if err != nil {
		t.Fatal(err)
	}
	values := func(s string, format bool) []string {
		v := place.FindAllString(s, -1)
		if format {
			v = append(v, inPlaces(s)...)
		}
		slices.Sort(v)
		return slices.Compact(v)
	}
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, e := range texts.Parse(string(file)) {
			for i, text := range e.Texts {
				id := e.ID
				if i > 0 {
					id = e.Many
				}
				if e.ID == "" {
					if !strings.Contains(text, "Language-Name: ") {
						t.Errorf("%s: the head does not say how the language calls itself", filepath.Base(name))
					}
					continue
				}
				if text == "" {
					t.Errorf("%s: %q has no text yet", filepath.Base(name), id)
					continue
				}
				told++
				if diff := cmp.Diff(values(id, e.Format), values(text, e.Format)); diff != "" {
					t.Errorf("%s: %q: values differ (-id +text):\n%s", filepath.Base(name), id, diff)
				}
			}
		}
		if told < 200 {
			t.Errorf("%s says %d texts, want the shell, sign-in, setup and a noun at least", filepath.Base(name), told)
		}
	}
}

func TestGatherFindsTheKindsOfText(t *testing.T) {
	dir := t.TempDir()
	for _, f := range folders {
		if err := os.MkdirAll(filepath.Join(dir, f), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	src := `package views
func page(ctx C, x X) {
	ui.Input(ui.FieldProps{Name: "no_text", Label: "A label", Hint: "Joined " + "hint.", Value: "Ada"})
	ui.Tabs("Some tabs", []ui.Tab{{Label: "First tab", URL: "/x"}})
	ui.PageHead(ui.PageHeadProps{Title: "Not looked up", Lead: "A lead."})
	ui.Many(ctx, 3, "delivery")
	say(ctx, "Delete {name}?", "name", x.Name)
	ui.CellText("Column", "mono", "what somebody entered")
	fault.New(fault.Conflict, "A complaint.")
	fault.New(fault.Conflict, "A complaint of %d bytes.", 3)
	fault.Absent("widget")
	bad.Add("name", "%s", words)
	return current("gadget", 1, 2)
	ui.Note(ui.Bad, "Composed " + x.Name)
	ui.Input(ui.FieldProps{Placeholder: "https://example.com/path"})
}
func words() string { return "Chosen elsewhere" }
func key() string { return "not_a_text" }`
	if err := os.WriteFile(filepath.Join(dir, "views", "page_templ.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	described := `package jobs
const heading = "A heading"
func form() []Kind {
	return []Kind{{"preset", "A kind", "What it is.", "icon", "What to do there.", []model.Field{
		{Name: "no_text", Label: "A setting", Help: "Of what.", Placeholder: "what.machines.write", Group: heading, Options: []model.Option{{"value", "First choice"}, {Value: "other", Label: "Second choice"}}},
		{Name: "no_text", Placeholder: "Order {{ it.data[0].id }}"}, secretField("A secret", "From there.")}}}
}
func more() Type {
	return Type{Title: "A type", Form: Form{Where: "A place", Groups: map[string]string{heading: "Under it."}}, Samples: []Sample{{Title: "A sample", Template: "not a text"}}}
}`
	if err := os.WriteFile(filepath.Join(dir, "jobs", "form.go"), []byte(described), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "static/src/js", "a.js"), []byte(`toast("ok", tell("Copied {n}", { n }));`), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := gather(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range g.entries(texts.Entry{}, nil)[1:] {
		got = append(got, e.ID+" < "+strings.Join(e.From, " "))
	}
	want := []string{
		"A complaint of %d bytes. < views/page.templ", "A complaint. < views/page.templ", "A heading < jobs/form.go", "A kind < jobs/form.go", "A label < views/page.templ", "A lead. < views/page.templ",
		"A place < jobs/form.go", "A sample < jobs/form.go", "A secret < jobs/form.go", "A setting < jobs/form.go", "A type < jobs/form.go", "Chosen elsewhere < views/page.templ",
		"Column < views/page.templ", "Copied {n} < static/src/js/a.js", "Delete {name}? < views/page.templ", "First choice < jobs/form.go", "First tab < views/page.templ", "From there. < jobs/form.go",
		"Joined hint. < views/page.templ", "Of what. < jobs/form.go", "Order {{ it.data[0].id }} < jobs/form.go", "Second choice < jobs/form.go", "Some tabs < views/page.templ", "There is no such widget. < views/page.templ",
		"Under it. < jobs/form.go", "What it is. < jobs/form.go", "What to do there. < jobs/form.go", "gadget < views/page.templ", "{n} delivery < views/page.templ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gathered (-want +got):\n%s", diff)
	}
	if many := g.many["{n} delivery"]; many != "{n} deliveries" {
		t.Errorf("plural %q", many)
	}
}
