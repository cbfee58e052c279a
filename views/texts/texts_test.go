package texts_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/views/texts"
)

func TestTextsAreInTheReadersLanguage(t *testing.T) {
	english := context.Background()
	german := texts.With(english, texts.Of("de-AT"))
	for _, c := range []struct{ got, want string }{
		{texts.T(english, "Sign in"), "Sign in"},
		{texts.T(german, "Sign in"), "Anmelden"},
		{texts.T(german, "No language has this."), "No language has this."},
		{texts.T(german, "Line {line}, column {column}", "line", "3", "column", "{line}"), "Zeile 3, Spalte {line}"},
		{texts.N(english, 1, "{n} result", "{n} results", "n", "1"), "1 result"},
		{texts.N(english, 0, "{n} result", "{n} results", "n", "0"), "0 results"},
		{texts.N(german, 1, "{n} result", "{n} results", "n", "1"), "1 Ergebnis"},
		{texts.N(german, 1200, "{n} result", "{n} results", "n", "1.200"), "1.200 Ergebnisse"},
		{texts.N(german, 2, "{n} unheard", "{n} unheards", "n", "2"), "2 unheards"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if texts.In(german).Browser()["Copied"] != "Kopiert" || texts.In(german).Browser()["Sign out"] != "" || texts.In(english).Browser() != nil {
		t.Error("scripts are not given their texts, or others")
	}
}

func TestLanguageIsTheFirstThatThereIs(t *testing.T) {
	for header, want := range map[string]string{"": "en", "de": "de", "de-CH,de;q=0.9,en;q=0.8": "de", "fr-FR,en-GB;q=0.8,de;q=0.7": "en", "ja, de;q=0.5": "de", "*": "en"} {
		if got := texts.Accepted(header).Tag; got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	if texts.Of("xx") != nil || texts.Of("") != nil {
		t.Error("a language that there is not was found")
	}
}

func TestPOIsReadAsWritten(t *testing.T) {
	want := []texts.Entry{
		{Texts: []string{"Language: de\nLanguage-Name: Deutsch\n"}},
		{ID: "Say \"a\\b\"", Texts: []string{"Sagen:\n„ü“\t"}, From: []string{"views/a.templ", "static/src/js/a.js"}},
		{ID: "{n} x", Many: "{n} xs", Texts: []string{"eins", "viele"}},
	}
	if diff := cmp.Diff(want, texts.Parse(texts.Write(want))); diff != "" {
		t.Error(diff)
	}
}
