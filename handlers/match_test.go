package handlers

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drawn is a label with what fits in brackets.
func drawn(t *testing.T, typed, label, also string) (int, string) {
	t.Helper()
	score, pieces := newQuery(typed).fit(label, also)
	out := ""
	for _, p := range pieces {
		if p.Hit {
			out += "[" + p.Text + "]"
		} else {
			out += p.Text
		}
	}
	return score, out
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		typed, label, also, want string
		score                    int
	}{
		{"", "Anything", "", "Anything", 1},
		{"or", "Order intake", "", "[Or]der intake", fitsStart},
		{"or", "Northwind", "", "N[or]thwind", fitsInside},
		{"or", "A workflow or two", "", "A workflow [or] two", fitsWord},
		{"ORDER INTAKE", "Order intake", "", "[Order] [intake]", fitsStart + fitsWord},
		{"intake order", "Order intake", "", "[Order] [intake]", fitsStart + fitsWord},
		{"ä", "Ärger", "", "[Ä]rger", fitsStart},
		{"users", "Users", "", "[Users]", fitsWhole},
		{"abc", "aabc", "", "a[abc]", fitsInside},
		{"con_1", "ERP", "https://x con_1", "ERP", fitsElse},
		{"or", "Colours", "password", "", 0},
		{"word", "Credential", "password", "Credential", fitsElse},
		{"erp nothing", "ERP", "", "", 0},
		{"<b>", "a <b> c", "", "a [<b>] c", fitsWord},
	} {
		score, got := drawn(t, c.typed, c.label, c.also)
		if diff := cmp.Diff(c.want, got); diff != "" || score != c.score {
			t.Errorf("%q in %q: score %d, want %d (-want +got)\n%s", c.typed, c.label, score, c.score, diff)
		}
	}
}

// FuzzFit: the pieces are the label again, whatever is typed.
func FuzzFit(f *testing.F) {
	f.Add("or der", "Order <b> İstanbul", "also")
	f.Add("\xff", "a\xffb", "")
	f.Fuzz(func(t *testing.T, typed, label, also string) {
		score, pieces := newQuery(typed).fit(label, also)
		if score == 0 {
			return
		}
		all := ""
		for _, p := range pieces {
			all += p.Text
		}
		if all != label && all != string([]rune(label)) {
			t.Errorf("%q became %q", label, all)
		}
	})
}
