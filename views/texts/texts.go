// Package texts holds what the pages say, in each language that there is.
//
// A text's id is its English sentence, as with gettext: pages read as English, and a text that a language lacks is shown
// in English. All ids stand in catalogue.pot, which `go generate ./views/texts` gathers from the sources; one file NAME.po
// a language holds what they are in it (any editor of PO files can be used), and a new file makes a new language.
//
// Which texts are looked up: the components of views/ui look up the slots that hold words of the product (labels, hints,
// leads, table heads, empty states). Slots that hold what people entered (titles of things, cells) are shown as they
// are; a page that writes words there, or in its own markup, looks them up itself: say(ctx, "Users"). Values go in by name:
// say(ctx, "Delete {name}?", "name", x.Name); counts by N.
//
// It knows nothing of templates, requests or the store; views/ui and views above it are its users.
package texts

import (
	"context"
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:generate go run ./gather

//go:embed *.po
var files embed.FS

// Language is one that the pages can be read in.
type Language struct {
	Tag  string // BCP 47: "de"
	Name string // in itself: "Deutsch"

	one     map[string]string
	many    map[string][]string
	browser map[string]string // those that scripts use
}

// English is the language that texts are written in.
func English() *Language { return &Language{Tag: "en", Name: "English"} }

var known = sync.OnceValue(func() []*Language {
	out := []*Language{English()}
	names, err := fs.Glob(files, "*.po")
	if err != nil {
		return out // only a bad pattern fails
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			continue // embedded, always there
		}
		out = append(out, newLanguage(strings.TrimSuffix(name, path.Ext(name)), Parse(string(text))))
	}
	return out
})

// Languages are those that can be chosen, English first.
func Languages() []*Language { return slices.Clone(known()) }

func newLanguage(tag string, entries []Entry) *Language {
	l := &Language{Tag: tag, Name: tag, one: map[string]string{}, many: map[string][]string{}, browser: map[string]string{}}
	for _, e := range entries {
		switch {
		case e.ID == "":
			l.Name = header(e.Text(0), "Language-Name", tag)
		case e.Text(0) == "":
		case e.Many != "":
			l.many[e.ID] = e.Texts
		default:
			l.one[e.ID] = e.Text(0)
			if e.Browser() {
				l.browser[e.ID] = e.Text(0)
			}
		}
	}
	return l
}

// header is the value of a line "Name: value" of a PO file's head.
func header(head, name, otherwise string) string {
	for line := range strings.Lines(head) {
		if key, value, ok := strings.Cut(line, ":"); ok && key == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

// Of is the language with this tag, whatever its region ("de-AT" is German here); nil when there is none.
func Of(tag string) *Language {
	own, _, _ := strings.Cut(tag, "-")
	for _, l := range known() {
		if strings.EqualFold(l.Tag, own) {
			return l
		}
	}
	return nil
}

// Accepted is the first language of an Accept-Language header that there is here; English when there is none. Weights
// are not read: browsers send the list in order.
func Accepted(list string) *Language {
	for part := range strings.SplitSeq(list, ",") {
		tag, _, _ := strings.Cut(part, ";")
		if l := Of(strings.TrimSpace(tag)); l != nil {
			return l
		}
	}
	return known()[0]
}

// Browser are the texts that scripts look up, nil in English.
func (l *Language) Browser() map[string]string { return l.browser }

type key struct{}

// With gives a page its reader's language.
func With(ctx context.Context, l *Language) context.Context { return context.WithValue(ctx, key{}, l) }

// In is the language of the page that is being written, English unless said otherwise.
func In(ctx context.Context) *Language {
	if l, ok := ctx.Value(key{}).(*Language); ok && l != nil {
		return l
	}
	return known()[0]
}

// T is the text with this id in the reader's language. Values follow in pairs, a name and what stands in its place:
// T(ctx, "Delete {name}?", "name", x.Name).
func T(ctx context.Context, id string, pairs ...string) string {
	text := id
	if t, ok := In(ctx).one[id]; ok {
		text = t
	}
	return fill(text, pairs)
}

// N is one of two ids by a count, in the form that the reader's language has for it: N(ctx, 3, "{n} user", "{n} users", "n", "3").
func N(ctx context.Context, n int64, one, many string, pairs ...string) string {
	form := 1
	if n == 1 {
		form = 0
	}
	text := []string{one, many}[form]
	if forms := In(ctx).many[one]; form < len(forms) && forms[form] != "" {
		text = forms[form]
	}
	return fill(text, pairs)
}

// ID marks a text that is looked up where it is shown, not where it is written.
func ID(text string) string { return text }

func fill(text string, pairs []string) string {
	if len(pairs) < 2 {
		return text
	}
	swap := make([]string, 0, len(pairs))
	for i := 0; i+1 < len(pairs); i += 2 {
		swap = append(swap, "{"+pairs[i]+"}", pairs[i+1])
	}
	return strings.NewReplacer(swap...).Replace(text)
}
