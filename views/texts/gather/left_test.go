package main

import "testing"

// TestEveryTextOfPagesIsLookedUp finds texts in pages that would be English in every language. Look such a text up
// with say(ctx, "…"), ui.Sentence or texts.ID; what is no text for people belongs into silentText.
func TestEveryTextOfPagesIsLookedUp(t *testing.T) {
	found, err := left(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range found {
		t.Error(l)
	}
}
