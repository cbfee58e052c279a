package handlers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"waybill/db/model"
	"waybill/jobs"
	"waybill/jobs/connector"
	"waybill/jobs/filter"
	"waybill/jobs/inbound"
	"waybill/jobs/scheme"
	"waybill/jobs/script"
	"waybill/views/texts"
)

// described are the texts for people in what pages draw from descriptions, by where they stand.
type described map[string]string

func (d described) add(where string, list ...string) {
	for _, text := range list {
		if text != "" {
			d[text] = where
		}
	}
}

var exampleWords = regexp.MustCompile(`^\p{Lu}\p{Ll}+:? |\} \p{L}{2,}`)

func (d described) fields(where string, list []model.Field) {
	for _, f := range list {
		at := where + ", field " + f.Name
		d.add(at, f.Label, f.Help, f.Unit, f.Group)
		if exampleWords.MatchString(f.Placeholder) {
			d.add(at, f.Placeholder)
		}
		for _, o := range f.Options {
			if o.Label != o.Value { // what machines read is the same in every language
				d.add(at, o.Label)
			}
		}
	}
}

func (d described) kinds() {
	for _, k := range scheme.Kinds() {
		at := "credential " + string(k.Type)
		d.add(at, k.Title, k.Summary)
		d.fields(at, k.Fields)
		for _, s := range scheme.Sample(k.Type, model.Config{}, nil, "https://waybill.example") {
			d.add(at, s.Title)
		}
	}
	for _, k := range inbound.Kinds() {
		at := "inbound preset " + string(k.Preset)
		d.add(at, k.Title, k.Summary, k.Docs)
		d.fields(at, k.Fields)
	}
}

func (d described) types() {
	for _, t := range connector.Types() {
		at := "connection " + string(t.Type)
		d.add(at, t.Title, t.Summary, t.Docs, t.NoDestinations, t.Form.Name, t.Form.Where, t.Form.WhereHelp, t.Form.URL, t.Form.URLHelp)
		for group, words := range t.Form.Groups {
			d.add(at, group, words)
		}
		d.fields(at, t.Fields)
		for _, s := range t.Samples {
			d.add(at, s.Title)
		}
		d.fields(at, t.DestinationFields(model.Connection{}))
		for _, f := range t.Fields {
			for _, o := range f.Options { // the settings of a destination may depend on what the connection chose
				d.fields(at, t.DestinationFields(model.Connection{Settings: model.Config{f.Name: o.Value}}))
			}
		}
	}
}

func (d described) others() {
	for _, t := range model.AlertTypes() {
		d.add("alert "+string(t.Kind), t.Title, t.Lead)
	}
	for _, r := range model.BuiltinRoles() {
		d.add("role "+r.Name, r.Description)
	}
	for _, r := range model.AllRights() {
		d.add("right "+string(r), r.Why())
	}
	for _, t := range jobs.ReceiverTricks() {
		d.add("receiver "+t.Path, t.Title, t.Text)
	}
	for _, h := range script.Helpers() {
		d.add("helper "+h.Name, h.Doc)
	}
	for _, o := range filter.Ops() {
		d.add("operator "+o.Name, o.Words)
	}
}

// TestDescriptionsAreInEveryLanguage: forms and cards that are laid out by data say nothing that a language lacks. What is
// missing is not gathered: views/texts/gather knows the slots of descriptions by type (told, places, makers).
func TestDescriptionsAreInEveryLanguage(t *testing.T) {
	t.Parallel()
	d := described{}
	d.kinds()
	d.types()
	d.others()
	if len(d) < 300 {
		t.Fatalf("%d texts are described, want those of all forms", len(d))
	}
	languages, err := filepath.Glob("../views/texts/*.po")
	if err != nil || len(languages) == 0 {
		t.Fatalf("no languages: %v", err)
	}
	for _, name := range languages {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]bool{}
		for _, e := range texts.Parse(string(file)) {
			said[e.ID] = e.Text(0) != ""
		}
		for text, where := range d {
			if !said[text] {
				t.Errorf("%s: %s: %q is not there", filepath.Base(name), where, text)
			}
		}
	}
}
