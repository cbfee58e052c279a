package ui

import (
	"regexp"

	"github.com/a-h/templ"
)

// noteRole makes bad news an alert: what comes in answer to something done. What is so anyway is Standing.
func noteRole(tone Tone) templ.Attributes {
	if tone != Bad {
		return nil
	}
	return templ.Attributes{"role": "alert"}
}

// escapePattern makes a word safe inside the pattern attribute, which browsers
// compile with the v flag; Go's quoting escapes only what that flag permits.
func escapePattern(word string) string { return regexp.QuoteMeta(word) }
