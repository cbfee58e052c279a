package texts

import (
	"slices"
	"strconv"
	"strings"
)

// Entry is one text of a PO file (GNU gettext). An empty ID is the file's head.
type Entry struct {
	ID    string
	Many  string   // the id for several, "" where nothing is counted
	Texts []string // in the language: one, or one a plural form; empty = not yet
	From  []string // files that use it, sorted

	Format bool // a format of package fmt, which has its values by their place: %[2]s
}

// Text is the i-th form, "" where there is none.
func (e Entry) Text(i int) string {
	if i >= len(e.Texts) {
		return ""
	}
	return e.Texts[i]
}

// Browser reports whether scripts use it.
func (e Entry) Browser() bool {
	return slices.ContainsFunc(e.From, func(f string) bool { return strings.HasSuffix(f, ".js") })
}

// formatFlag is how gettext marks them.
const formatFlag = "go-format"

// Parse reads a PO file. Lines that it does not know are passed over.
func Parse(file string) []Entry {
	var out []Entry
	var e Entry
	var into *string
	begun := false
	end := func() {
		if begun {
			out = append(out, e)
		}
		e, into, begun = Entry{}, nil, false
	}
	for line := range strings.Lines(file) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "":
			end()
		case word == "#,":
			e.Format = strings.Contains(rest, formatFlag)
		case word == "#:":
			e.From = append(e.From, strings.Fields(rest)...)
		case word == "msgid":
			begun, into = true, &e.ID
		case word == "msgid_plural":
			into = &e.Many
		case strings.HasPrefix(word, "msgstr"):
			e.Texts = append(e.Texts, "")
			into = &e.Texts[len(e.Texts)-1]
		case !strings.HasPrefix(line, `"`):
			continue
		default:
			rest = line
		}
		if text, err := strconv.Unquote(rest); err == nil && into != nil && !strings.HasPrefix(word, "#") {
			*into += text
		}
	}
	end()
	return out
}

// Write is the PO file of these entries; the first should be the head.
func Write(entries []Entry) string {
	var b strings.Builder
	for i, e := range entries {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, f := range e.From {
			b.WriteString("#: " + f + "\n")
		}
		if e.Format {
			b.WriteString("#, " + formatFlag + "\n")
		}
		field(&b, "msgid", e.ID)
		if e.ID == "" {
			head(&b, e.Text(0))
			continue
		}
		if e.Many == "" {
			field(&b, "msgstr", e.Text(0))
			continue
		}
		field(&b, "msgid_plural", e.Many)
		field(&b, "msgstr[0]", e.Text(0))
		field(&b, "msgstr[1]", e.Text(1))
	}
	return b.String()
}

// field writes one string on one line, whatever it holds: so files of languages merge line by line.
func field(b *strings.Builder, name, text string) { b.WriteString(name + " " + quote(text) + "\n") }

// head writes what stands before all texts, a quoted line each.
func head(b *strings.Builder, text string) {
	field(b, "msgstr", "")
	for line := range strings.Lines(text) {
		b.WriteString(quote(line) + "\n")
	}
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
