package views

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	audited = regexp.MustCompile(`\.audit\("([a-z_]+)", *([^,]+),`)
	oneWord = regexp.MustCompile(`^"([a-z_]+)"$`)
)

// chosen are the words of those audit rows whose word the code chooses, by the kind of thing.
var chosen = map[string]string{
	"action": "updated enabled disabled", "alert_rule": "updated enabled disabled", "audience_run": "stopped failed", "connection": "updated enabled disabled",
	"credential": "rotation_dropped former_forgotten", "delivery": "retried cancelled", "destination": "updated enabled disabled signing_ended signing_rotated",
	"inbound_endpoint": "updated enabled disabled sample_awaited sample_ended rotated secret_rotated revoked", "run": "started paused resumed cancelled",
	"task": "completed approved rejected", "user": "updated enabled disabled second_factor_added second_factor_removed", "workflow": "updated enabled disabled",
}

// Whatever the store writes into the audit log has its words in the list that languages know.
func TestEveryDeedHasItsWords(t *testing.T) {
	files, err := filepath.Glob("../db/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range audited.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(chosen[m[1]])
			if q := oneWord.FindStringSubmatch(m[2]); q != nil {
				words = q[1:]
			}
			if len(words) == 0 {
				t.Errorf("%s: which words has an audit row of %s?", name, m[1])
			}
			for _, w := range words {
				written = append(written, m[1]+"."+w)
			}
		}
	}
	if len(written) < 80 {
		t.Errorf("only %d audit rows were found", len(written))
	}
	for _, action := range written {
		if !slices.ContainsFunc(deeds, func(d deed) bool { return d.Action == action }) {
			t.Errorf("%s is not among the deeds", action)
		}
	}
}
