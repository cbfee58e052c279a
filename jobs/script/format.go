package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Format lays a template out for people: JSON around tags by its structure, code by its brackets. What it renders stays the same:
// only white space changes that stands neither in a string nor in text. A template that cannot be read stays as it is;
// the error says where.
func Format(source string, place Place) (string, error) {
	nodes, bad := scan(source, place, &facts{names: map[string]bool{}})
	if bad != nil {
		line, column := position(source, bad.at)
		return source, &Problem{Line: line, Column: column, Message: bad.text}
	}
	if place == JSONBody {
		if out, ok := formatJSON(source, nodes); ok {
			return out, nil
		}
	}
	var b strings.Builder
	for _, n := range nodes {
		piece := source[n.start:n.end]
		if n.kind == nodeCode {
			piece = indentCode(piece)
		}
		b.WriteString(piece)
	}
	return b.String(), nil
}

// formatJSON lays out a template that is JSON once its tags are taken for values or for parts of strings. With blocks it is not.
func formatJSON(source string, nodes []node) (string, bool) {
	var text strings.Builder
	tags := map[string]string{}
	for i, n := range nodes {
		piece := source[n.start:n.end]
		switch n.kind {
		case nodeText:
			text.WriteString(piece)
			continue
		case nodeExpr, nodeRaw:
		default:
			return "", false
		}
		// A name that the template does not hold, as a string of its own or as a part of the one around it.
		name := fmt.Sprintf("tag-%d-%d", len(source), i)
		if strings.Contains(source, name) {
			return "", false
		}
		if !n.inString {
			name = `"` + name + `"`
		}
		tags[name] = piece
		text.WriteString(name)
	}
	var laid bytes.Buffer
	if json.Indent(&laid, []byte(strings.TrimSpace(text.String())), "", "  ") != nil {
		return "", false
	}
	out := laid.String()
	for name, piece := range tags {
		out = strings.Replace(out, name, piece, 1)
	}
	return out, true
}

// indentCode indents the lines of a code tag by the brackets that are open before them. Lines that begin inside a string, a
// comment or a template literal stay as they are.
func indentCode(tag string) string {
	if !strings.Contains(tag, "\n") {
		return tag
	}
	depths, ok := bracketDepths(tag)
	if !ok {
		return tag
	}
	lines := strings.Split(tag, "\n")
	for i := 1; i < len(lines); i++ {
		if depths[i] < 0 {
			continue
		}
		trimmed := strings.TrimSpace(lines[i])
		depth := depths[i] - leadingClosers(trimmed)
		if trimmed == "" {
			depth = 0
		}
		lines[i] = strings.Repeat("  ", max(0, depth)) + trimmed
	}
	return strings.Join(lines, "\n")
}

// leadingClosers counts the brackets that a line closes before anything else.
func leadingClosers(line string) (n int) {
	for n < len(line) && strings.IndexByte(")]}", line[n]) >= 0 {
		n++
	}
	if strings.HasSuffix(line[:n], "}}") && n == len(line) { // they end the tag
		n -= 2
	}
	return n
}

// bracketDepths is how many brackets of the code are open where each line begins, -1 inside a literal or a comment.
func bracketDepths(tag string) ([]int, bool) {
	depths := make([]int, strings.Count(tag, "\n")+1)
	l := &lexer{src: tag, pos: len("{{!"), last: token{kind: start}, facts: &facts{names: map[string]bool{}}}
	line, comment := 0, -1
	mark := func(from, to, value int) {
		for ; from < to; from++ {
			if tag[from] == '\n' {
				line++
				depths[line] = value
			}
		}
	}
	for l.pos < len(tag) {
		from := l.pos
		if l.space(&comment) != nil {
			return nil, false
		}
		for from < l.pos { // block comments keep their lines as they are
			open := strings.Index(tag[from:l.pos], "/*")
			if open < 0 || strings.Contains(tag[from:from+open], "//") {
				break
			}
			end := from + open + strings.Index(tag[from+open:l.pos], "*/") + 2
			mark(from, from+open, len(l.stack))
			mark(from+open, end, -1)
			from = end
		}
		mark(from, l.pos, len(l.stack))
		if l.pos >= len(tag) || len(l.stack) == 0 && strings.HasPrefix(tag[l.pos:], "}}") {
			break
		}
		if from = l.pos; l.token() != nil {
			return nil, false
		}
		mark(from, l.pos, -1)
	}
	return depths, true
}
