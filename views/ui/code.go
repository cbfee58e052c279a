package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// CodeProps describe a block of text that machines wrote.
type CodeProps struct {
	Label string
	Note  string // at the right of the bar: a size
	Lang  string // json, headers, http (a start line, headers, a body), curl, text
	Text  string
	Copy  bool
}

// shown is the text for eyes: JSON on one line is indented, with every digit and key as it stands. What is copied is the text itself.
func (p CodeProps) shown() string {
	if p.Lang != "json" || len(p.Text) > plainAbove || strings.Contains(strings.TrimSpace(p.Text), "\n") {
		return p.Text
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(strings.TrimSpace(p.Text)), "", "  "); err != nil {
		return p.Text // cut off, or no JSON
	}
	return out.String()
}

// EditorProps describe a code editor. ErrorLine counts from 1; 0 = none.
type EditorProps struct {
	Lang      string // template (default), json, js, text
	ErrorLine int
	Rows      int // 0 = 16
	HideLabel bool
	KeysTold  bool // what stands around it says how the keyboard leaves it
}

// EditorErrorProps place an error in the editor whose text area has the id For.
type EditorErrorProps struct {
	For          string
	Line, Column int // from 1; 0 = unknown
	Message      string
}

func (e EditorProps) attrs() templ.Attributes {
	if e.ErrorLine <= 0 {
		return nil
	}
	return templ.Attributes{"data-error-line": itoa(e.ErrorLine)}
}

func (e EditorProps) lines() string {
	if e.Rows == 0 {
		return "16"
	}
	return itoa(e.Rows)
}

func (p EditorErrorProps) attrs() templ.Attributes {
	if p.For == "" {
		return nil
	}
	return templ.Attributes{"data-editor-for": p.For, "data-line": itoa(p.Line)}
}

func (p EditorErrorProps) place(ctx context.Context) string {
	if p.Column > 0 {
		return say(ctx, "Line {line}, column {column}", "line", itoa(p.Line), "column", itoa(p.Column))
	}
	return say(ctx, "Line {line}", "line", itoa(p.Line))
}

// plainAbove is the size from which text is shown without colours: spans cost
// the browser more than they tell.
const plainAbove = 128 << 10

// highlight is text as markup, every piece escaped, coloured by class.
func highlight(lang, text string) string {
	if len(text) > plainAbove {
		return html.EscapeString(text)
	}
	switch lang {
	case "json":
		return jsonMarkup(text)
	case "headers":
		return headerMarkup(text)
	case "http":
		return httpMarkup(text)
	case "curl":
		return curlMarkup(text)
	}
	return html.EscapeString(text)
}

func colour(class, text string) string {
	return `<span class="t-` + class + `">` + html.EscapeString(text) + `</span>`
}

// jsonMarkup colours JSON; what is not JSON passes through as it is.
func jsonMarkup(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		n := jsonToken(s[i:])
		tok := s[i : i+n]
		switch {
		case tok[0] == '"' && strings.HasPrefix(strings.TrimLeft(s[i+n:], " \t\r\n"), ":"):
			b.WriteString(colour("key", tok))
		case tok[0] == '"':
			b.WriteString(colour("str", tok))
		case tok == "true" || tok == "false" || tok == "null":
			b.WriteString(colour("word", tok))
		case isNumber(tok):
			b.WriteString(colour("num", tok))
		default:
			b.WriteString(html.EscapeString(tok))
		}
		i += n
	}
	return b.String()
}

// jsonToken is the length of the token that s begins with: a string, a run of
// letters and digits, or one byte.
func jsonToken(s string) int {
	if s[0] == '"' {
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '"', '\n':
				return i + 1
			}
		}
		return len(s)
	}
	n := 0
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || strings.IndexByte("+-._", s[n]) >= 0) {
		n++
	}
	for n == 0 || n < len(s) && s[0] >= 0x80 && s[n] >= 0x80 {
		n++
	}
	return n
}

func isNumber(tok string) bool {
	_, err := strconv.ParseFloat(tok, 64)
	return err == nil && (tok[0] == '-' || tok[0] >= '0' && tok[0] <= '9')
}

func headerMarkup(s string) string {
	lines := strings.SplitAfter(s, "\n")
	for i, line := range lines {
		if name, value, ok := strings.Cut(line, ":"); ok {
			lines[i] = colour("key", name) + ":" + html.EscapeString(value)
		} else {
			lines[i] = html.EscapeString(line)
		}
	}
	return strings.Join(lines, "")
}

func httpMarkup(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	head, body, hasBody := strings.Cut(s, "\n\n")
	start, headers, _ := strings.Cut(head, "\n")
	out := colour("start", start) + "\n" + headerMarkup(headers)
	if hasBody {
		out += "\n\n" + jsonMarkup(body)
	}
	return out
}

// DiffLine is one line of a comparison; Kind is ' ' (both), '-' (old), '+' (new).
type DiffLine struct {
	Kind byte
	Text string
}

// diffMost bounds the comparison: beyond it the texts are shown as wholly changed.
const diffMost = 2000

// DiffLines compares two texts line by line (longest common subsequence).
func DiffLines(before, after string) []DiffLine {
	a, b := splitLines(before), splitLines(after)
	if len(a) > diffMost || len(b) > diffMost {
		return append(mark(a, '-'), mark(b, '+')...)
	}
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []DiffLine
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, DiffLine{' ', a[i]})
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			out = append(out, DiffLine{'-', a[i]})
			i++
		default:
			out = append(out, DiffLine{'+', b[j]})
			j++
		}
	}
	return append(append(out, mark(a[i:], '-')...), mark(b[j:], '+')...)
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

func mark(lines []string, kind byte) []DiffLine {
	out := make([]DiffLine, 0, len(lines))
	for _, l := range lines {
		out = append(out, DiffLine{kind, l})
	}
	return out
}

func diffMarkup(lines []DiffLine) string {
	var b strings.Builder
	for _, l := range lines {
		tag, class := "span", "same"
		switch l.Kind {
		case '-':
			tag, class = "del", "old"
		case '+':
			tag, class = "ins", "new"
		}
		fmt.Fprintf(&b, `<%s class="diff-line diff-%s">%c %s</%s>`, tag, class, l.Kind, html.EscapeString(l.Text), tag)
	}
	return b.String()
}
