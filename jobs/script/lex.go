package script

import (
	"strings"
)

// Bounds on the shape of JavaScript, checked before goja's recursive parser and compiler see it.
const (
	maxBrackets    = 100  // open brackets, template literals included
	maxWeight      = 2000 // open brackets plus the tokens of the statements and expressions that are open around a token
	maxRegexp      = 1000 // bytes of a regular expression literal
	maxRegexpDepth = 30   // its open groups
	maxArrowDepth  = 4    // arrow functions within the parameters of one: goja parses those anew at each level
	reservedPrefix = "__wb"
)

// scanError is a problem at a byte offset of the template.
type scanError struct {
	at    int
	text  string
	bound string
}

// facts is what the compiler wants to know about the code of a template.
type facts struct {
	names      map[string]bool // identifiers that are not property names
	generators bool            // function* or async may occur
	parse      bool            // a property named parse may be used
}

// lexer reads JavaScript just well enough to know where a tag ends. It decides between a regular expression and a
// division by the token before; goja parses the code later and judges it.
type lexer struct {
	src    string
	pos    int
	stack  []bracket
	last   token
	chain  int // tokens of the innermost open statement or expression
	sum    int // chains and brackets around it
	arrows int // depth of arrow functions in the parentheses that closed last
	facts  *facts
}

type bracket struct {
	open    byte // ( [ { or $ for the ${ of a template literal
	at      int
	chain   int
	arrows  int  // depth of arrow functions inside
	control bool // ( after if, while, for, with
	block   bool // { that holds statements
}

type tokenKind byte

const (
	start tokenKind = iota
	operand
	operator
	keyword
	blockEnd
	controlEnd // ) of if, while, for, with
	arrow
)

type token struct {
	kind    tokenKind
	text    string
	newline bool // a line break stands between this token and the next
}

const keywords = " return typeof instanceof in of new delete void throw case do else await yield async if while for with try finally switch catch default extends const let var break continue function class import export "
const statementKeywords = " else do try finally "
const continuing = " in instanceof of else extends "

func has(list, word string) bool { return strings.Contains(list, " "+word+" ") }

// scanCode reads from pos to the end of the tag and returns the offset of its `}}`. statements says whether a `{` at
// the start opens a block or an object.
func scanCode(src string, pos int, statements bool, f *facts) (int, *scanError) {
	l := &lexer{src: src, pos: pos, facts: f}
	l.last.kind = operator
	if statements {
		l.last.kind = start
	}
	begin := pos
	comment := -1
	for {
		if err := l.space(&comment); err != nil {
			return 0, err
		}
		if l.pos >= len(src) {
			if n := len(l.stack); n > 0 {
				return 0, &scanError{at: l.stack[n-1].at, text: "this " + l.stack[n-1].name() + " is not closed"}
			}
			if comment >= 0 {
				return 0, &scanError{at: comment, text: "this // comment runs to the end of its line and hides the end of the tag; put }} on the next line or use /* */"}
			}
			return 0, &scanError{at: begin, text: "this tag has no }}"}
		}
		if len(l.stack) == 0 && src[l.pos] == '}' {
			if strings.HasPrefix(src[l.pos:], "}}") {
				return l.pos, nil
			}
			text := "unexpected }"
			if src[l.pos-1] == '}' {
				text += "; the } before it closed a bracket, so the tag goes on"
			}
			return 0, &scanError{at: l.pos, text: text}
		}
		if err := l.token(); err != nil {
			return 0, err
		}
	}
}

// scanParens reads a parenthesised expression that begins at pos and returns the offset of its closing parenthesis.
func scanParens(src string, pos int, f *facts) (int, *scanError) {
	l := &lexer{src: src, pos: pos, facts: f}
	l.last.kind = operator
	comment := -1
	for {
		if err := l.space(&comment); err != nil {
			return 0, err
		}
		if l.pos >= len(src) {
			return 0, &scanError{at: pos, text: "this ( is not closed"}
		}
		if err := l.token(); err != nil {
			return 0, err
		}
		if len(l.stack) == 0 {
			return l.pos - 1, nil
		}
	}
}

func (b bracket) name() string {
	if b.open == '$' {
		return "${"
	}
	return string(b.open)
}

func (l *lexer) fail(at int, text string) *scanError { return &scanError{at: at, text: text} }

// space skips white space and comments. comment is set to a // comment that is the last thing seen.
func (l *lexer) space(comment *int) *scanError {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch c := rest[0]; {
		case c == '\n' || c == '\r':
			l.last.newline = true
			l.pos++
		case c == ' ' || c == '\t' || c == '\v' || c == '\f':
			l.pos++
		case strings.HasPrefix(rest, "\u2028") || strings.HasPrefix(rest, "\u2029"):
			l.last.newline = true
			l.pos += 3
		case strings.HasPrefix(rest, "\ufeff"):
			l.pos += 3
		case strings.HasPrefix(rest, "\u00a0"):
			l.pos += 2
		case strings.HasPrefix(rest, "//"):
			n := lineEnd(rest)
			if strings.Contains(rest[:n], "}}") {
				*comment = l.pos
			}
			l.pos += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return l.fail(l.pos, "this /* comment is not closed")
			}
			if strings.ContainsAny(rest[:n+2], "\r\n\u2028\u2029") {
				l.last.newline = true
			}
			l.pos += n + 4
		default:
			return nil
		}
	}
	return nil
}

// lineEnd is the length of the line that s begins with, by JavaScript's line terminators.
func lineEnd(s string) int {
	if n := strings.IndexAny(s, "\r\n\u2028\u2029"); n >= 0 {
		return n
	}
	return len(s)
}

func (l *lexer) token() *scanError {
	c := l.src[l.pos]
	switch {
	case c == '"' || c == '\'':
		return l.string(c)
	case c == '`':
		if err := l.count(l.pos); err != nil {
			return err
		}
		return l.template(l.pos + 1)
	case c >= '0' && c <= '9' || c == '.' && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1]):
		return l.number()
	case isWord(c):
		return l.word()
	case c == '/' && l.regexpAllowed():
		return l.regexp()
	case c == '(' || c == '[' || c == '{':
		return l.open(c)
	case c == ')' || c == ']' || c == '}':
		return l.close(c)
	}
	return l.punctuation(c)
}

func (l *lexer) regexpAllowed() bool { return l.last.kind != operand }

// count adds one token to the open statement.
func (l *lexer) count(at int) *scanError {
	l.chain++
	l.sum++
	if l.sum > maxWeight {
		return &scanError{at: at, text: "this expression is nested too deeply or too long; split it into statements", bound: BoundDepth}
	}
	return nil
}

// settle forgets the tokens of a statement or list item that has ended.
func (l *lexer) settle() {
	l.sum -= l.chain
	l.chain = 0
}

func (l *lexer) put(kind tokenKind, text string) { l.last = token{kind: kind, text: text} }

func (l *lexer) open(c byte) *scanError {
	if err := l.count(l.pos); err != nil {
		return err
	}
	b := bracket{open: c, at: l.pos}
	switch c {
	case '(':
		b.control = l.last.kind == keyword && has(" if while for with ", l.last.text)
	case '{':
		b.block = l.opensBlock()
	}
	l.pos++
	return l.push(b)
}

// opensBlock decides whether a { begins statements rather than an object literal.
func (l *lexer) opensBlock() bool {
	switch l.last.kind {
	case start, operand, blockEnd, controlEnd, arrow:
		return true
	case keyword:
		return has(statementKeywords, l.last.text)
	}
	inBlock := len(l.stack) == 0 || l.stack[len(l.stack)-1].open == '{' && l.stack[len(l.stack)-1].block
	return l.last.text == ";" || l.last.text == ":" && inBlock
}

func (l *lexer) push(b bracket) *scanError {
	if len(l.stack) >= maxBrackets {
		return &scanError{at: b.at, text: "brackets are nested too deeply", bound: BoundDepth}
	}
	b.chain = l.chain
	l.chain = 0
	l.stack = append(l.stack, b)
	l.put(operator, "")
	if b.block {
		l.put(start, "")
	}
	return nil
}

func (l *lexer) close(c byte) *scanError {
	if len(l.stack) == 0 {
		return l.fail(l.pos, "unexpected "+string(c))
	}
	b := l.stack[len(l.stack)-1]
	if want := map[byte]byte{'(': ')', '[': ']', '{': '}', '$': '}'}[b.open]; want != c {
		return l.fail(l.pos, "unexpected "+string(c)+": the "+b.name()+" before it is not closed")
	}
	l.settle()
	l.chain = b.chain
	l.stack = l.stack[:len(l.stack)-1]
	l.inner(b.arrows)
	l.arrows = b.arrows
	l.pos++
	switch {
	case b.open == '$':
		return l.template(l.pos)
	case b.control:
		l.put(controlEnd, "")
	case b.block:
		l.put(blockEnd, "")
	default:
		l.put(operand, "")
	}
	return nil
}

// inner tells the open bracket of arrow functions inside it.
func (l *lexer) inner(arrows int) {
	if n := len(l.stack); n > 0 {
		l.stack[n-1].arrows = max(l.stack[n-1].arrows, arrows)
	}
}

func (l *lexer) punctuation(c byte) *scanError {
	at := l.pos
	rest := l.src[at:]
	switch {
	case strings.HasPrefix(rest, "++"), strings.HasPrefix(rest, "--"):
		l.pos += 2
		if l.last.kind != operand || l.last.newline {
			l.put(operator, "")
		}
	case strings.HasPrefix(rest, "=>"):
		if src := strings.TrimRight(l.src[:at], " \t\r\n"); strings.HasSuffix(src, ")") {
			if l.inner(l.arrows + 1); l.arrows >= maxArrowDepth {
				return &scanError{at: at, text: "arrow functions are nested too deeply in the parameters of each other", bound: BoundDepth}
			}
		}
		l.pos += 2
		l.put(arrow, "")
	case strings.HasPrefix(rest, "?.") && !(len(rest) > 2 && isDigit(rest[2])):
		l.pos += 2
		l.put(operator, ".")
	case strings.HasPrefix(rest, "..."):
		l.pos += 3
		l.put(operator, "")
	case c == ',' || c == ';':
		l.pos++
		l.settle()
		l.put(operator, string(c))
		return nil
	case c == '.' || c == ':':
		l.pos++
		l.put(operator, string(c))
	case strings.IndexByte("+-*/%=<>!&|^~?@#", c) >= 0:
		if c == '*' {
			l.facts.generators = true
		}
		l.pos++
		l.put(operator, "")
	default:
		return l.fail(at, "unexpected character")
	}
	return l.count(at)
}
