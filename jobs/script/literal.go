package script

import (
	"strings"
	"unicode/utf8"
)

// The tokens of the lexer that are more than one character long.

func (l *lexer) string(quote byte) *scanError {
	at := l.pos
	if err := l.count(at); err != nil {
		return err
	}
	for i := at + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
			if i+1 < len(l.src) && l.src[i] == '\r' && l.src[i+1] == '\n' {
				i++
			}
		case '\n', '\r':
			return l.fail(at, "this string is not closed on its line")
		case quote:
			l.pos = i + 1
			l.put(operand, "")
			return nil
		}
	}
	return l.fail(at, "this string is not closed")
}

// template reads the characters of a template literal from i to its end or to the next ${.
func (l *lexer) template(i int) *scanError {
	for at := i - 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case '`':
			l.pos = i + 1
			l.put(operand, "")
			return nil
		case '$':
			if i+1 < len(l.src) && l.src[i+1] == '{' {
				l.pos = i + 2
				return l.push(bracket{open: '$', at: i})
			}
		}
		if i >= len(l.src) {
			return l.fail(at, "this template literal is not closed")
		}
	}
	return l.fail(l.pos, "this template literal is not closed")
}

func (l *lexer) number() *scanError {
	if err := l.count(l.pos); err != nil {
		return err
	}
	i := l.pos
	for i < len(l.src) && (isWord(l.src[i]) && l.src[i] != '\\' || isDigit(l.src[i]) || l.src[i] == '.') {
		exponent := (l.src[i] == 'e' || l.src[i] == 'E') && !strings.HasPrefix(l.src[l.pos:], "0x")
		i++
		if exponent && i+1 < len(l.src) && (l.src[i] == '+' || l.src[i] == '-') && isDigit(l.src[i+1]) {
			i++
		}
	}
	l.pos = i
	l.put(operand, "")
	return nil
}

func (l *lexer) word() *scanError {
	at := l.pos
	for l.pos < len(l.src) && (isWord(l.src[l.pos]) || isDigit(l.src[l.pos])) {
		rest := l.src[l.pos:]
		if strings.HasPrefix(rest, "\u2028") || strings.HasPrefix(rest, "\u2029") || strings.HasPrefix(rest, "\u00a0") || strings.HasPrefix(rest, "\ufeff") {
			break
		}
		if strings.HasPrefix(rest, `\u{`) {
			n := strings.IndexByte(rest, '}')
			if n < 0 {
				return l.fail(l.pos, "this escape is not closed")
			}
			l.pos += n
		}
		l.pos++
	}
	word := l.src[at:l.pos]
	if strings.HasPrefix(word, reservedPrefix) {
		return l.fail(at, "names that begin with "+reservedPrefix+" are reserved")
	}
	if word == "parse" {
		l.facts.parse = true
	}
	if l.last.text == "." {
		l.put(operand, "")
		return l.count(at)
	}
	ended := l.last.kind == blockEnd || l.last.kind == operand && l.last.newline
	if ended && !has(continuing, word) {
		l.settle()
	}
	if err := l.count(at); err != nil {
		return err
	}
	if has(keywords, word) {
		if word == "async" {
			l.facts.generators = true
		}
		l.put(keyword, word)
		return nil
	}
	l.facts.names[word] = true
	l.put(operand, "")
	return nil
}

func (l *lexer) regexp() *scanError {
	at := l.pos
	if err := l.count(at); err != nil {
		return err
	}
	class, depth := false, 0
	for i := at + 1; i < len(l.src); i++ {
		if i-at > maxRegexp {
			return &scanError{at: at, text: "this regular expression is too long", bound: BoundDepth}
		}
		switch c := l.src[i]; {
		case c == '\n' || c == '\r':
			return l.fail(at, "this regular expression is not closed on its line")
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			if depth++; depth > maxRegexpDepth {
				return &scanError{at: i, text: "this regular expression is nested too deeply", bound: BoundDepth}
			}
		case c == ')':
			depth--
		case c == '/':
			for i++; i < len(l.src) && isWord(l.src[i]) && l.src[i] < utf8.RuneSelf && l.src[i] != '\\'; i++ {
			}
			l.pos = i
			l.put(operand, "")
			return nil
		}
	}
	return l.fail(at, "this regular expression is not closed")
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '\\' || c >= utf8.RuneSelf
}
