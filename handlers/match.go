package handlers

import (
	"slices"
	"strings"
	"unicode"

	"waybill/views"
)

// query is what somebody typed to find something: words that must all occur, in any order and any case.
type query struct {
	text  string
	words [][]rune
}

// longest bounds a query, in runes: what is longer than any name finds nothing anyway.
const longest = 120

func newQuery(text string) query {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > longest {
		text = string(r[:longest])
	}
	q := query{text: text}
	for _, w := range strings.Fields(text) {
		q.words = append(q.words, lower([]rune(w)))
	}
	return q
}

// widest is the word to ask the store for: the longest one lets the least through.
func (q query) widest() string {
	most := ""
	for _, w := range strings.Fields(q.text) {
		if len(w) > len(most) {
			most = w
		}
	}
	return most
}

// lower keeps the number of runes, so that a place in it is a place in the text.
func lower(text []rune) []rune {
	out := make([]rune, len(text))
	for i, r := range text {
		out[i] = unicode.ToLower(r)
	}
	return out
}

// How well one word fits, best first.
const (
	fitsWhole  = 100 // the whole label
	fitsStart  = 60
	fitsWord   = 40 // the start of a word inside
	fitsInside = 20
	fitsElse   = 5 // in what is not shown
)

// fit tells how well a label fits, 0 = not at all, and cuts it where the words stand in it. Also is what the thing is
// found by besides: an address, an id.
func (q query) fit(label, also string) (score int, pieces []views.Piece) {
	text := []rune(label)
	if len(q.words) == 0 {
		return 1, []views.Piece{{Text: label}}
	}
	low, rest := lower(text), lower([]rune(also))
	marked := make([]bool, len(text))
	for _, w := range q.words {
		at, worth := place(low, w)
		switch {
		case worth > 0:
			for i := range w {
				marked[at+i] = true
			}
		case hidden(rest, w):
			worth = fitsElse
		default:
			return 0, nil
		}
		score += worth
	}
	return score, cut(text, marked)
}

// hidden reports whether a word stands in what is not shown: at the start of a word, or anywhere when it is long enough
// to be meant.
func hidden(text, word []rune) bool {
	_, worth := place(text, word)
	return worth >= fitsWord || worth > 0 && len(word) > 3
}

// place finds the best place of a word.
func place(text, word []rune) (at, worth int) {
	for i := 0; i+len(word) <= len(text); i++ {
		if !slices.Equal(text[i:i+len(word)], word) {
			continue
		}
		here := fitsInside
		switch {
		case len(word) == len(text):
			here = fitsWhole
		case i == 0:
			here = fitsStart
		case !unicode.IsLetter(text[i-1]) && !unicode.IsDigit(text[i-1]):
			here = fitsWord
		}
		if here > worth {
			at, worth = i, here
		}
	}
	return at, worth
}

func cut(text []rune, marked []bool) []views.Piece {
	var out []views.Piece
	for i, r := range text {
		if n := len(out); n == 0 || out[n-1].Hit != marked[i] {
			out = append(out, views.Piece{Hit: marked[i]})
		}
		out[len(out)-1].Text += string(r)
	}
	return out
}
