package script

import (
	"regexp"
	"strings"
)

const (
	maxBlocks = 50  // open @each and @if
	maxElif   = 100 // of one @if
)

type nodeKind byte

const (
	nodeText nodeKind = iota
	nodeExpr
	nodeRaw
	nodeCode
	nodeEach
	nodeIf
	nodeElif
	nodeElse
	nodeEndEach
	nodeEndIf
)

// node is a piece of a template: literal text [start:end], or a tag that stands there with its code [codeStart:codeEnd].
type node struct {
	kind               nodeKind
	start, end         int
	codeStart, codeEnd int
	inString           bool   // JSONBody: the tag stands inside a string literal of the template
	item, index        string // @each
	number             int    // @each: makes the names of its variables unique
}

type block struct {
	node       int
	elifs      int
	hasElse    bool
	before     bool // in a JSON string before the block
	after      bool // and at the end of its first branch
	branchDone bool
}

type scanner struct {
	src      string
	json     bool
	inString bool
	escaped  bool
	nodes    []node
	blocks   []block
	eaches   int
	facts    *facts
}

var (
	eachNames = regexp.MustCompile(`^\s*=>\s*(?:\(\s*)?([A-Za-z_$][\w$]*)(?:\s*,\s*([A-Za-z_$][\w$]*))?(?:\s*\))?\s*$`)
	tagName   = regexp.MustCompile(`^[a-z]*`)
)

// scan cuts a template into text and tags, and checks that blocks are closed and tags are whole.
func scan(src string, place Place, f *facts) ([]node, *scanError) {
	s := &scanner{src: src, json: place == JSONBody, facts: f}
	pos := 0
	for {
		n := strings.Index(src[pos:], "{{")
		if n < 0 {
			break
		}
		s.text(pos, pos+n)
		next, err := s.tag(pos + n)
		if err != nil {
			return nil, err
		}
		pos = next
	}
	s.text(pos, len(src))
	if n := len(s.blocks); n > 0 {
		open := s.nodes[s.blocks[n-1].node]
		name := map[nodeKind]string{nodeEach: "each", nodeIf: "if"}[open.kind]
		return nil, &scanError{at: open.start, text: "this @" + name + " has no {{/" + name + "}}"}
	}
	return s.nodes, nil
}

func (s *scanner) text(from, to int) {
	if from == to {
		return
	}
	s.nodes = append(s.nodes, node{kind: nodeText, start: from, end: to})
	if !s.json {
		return
	}
	for _, c := range []byte(s.src[from:to]) {
		switch {
		case s.escaped:
			s.escaped = false
		case s.inString && c == '\\':
			s.escaped = true
		case c == '"':
			s.inString = !s.inString
		}
	}
}

// tag reads the tag at the offset at and returns the offset after it.
func (s *scanner) tag(at int) (int, *scanError) {
	s.escaped = false
	pos := at + 2
	if pos >= len(s.src) {
		return 0, &scanError{at: at, text: "this tag has no }}"}
	}
	switch s.src[pos] {
	case '!':
		return s.code(nodeCode, at, pos+1)
	case '=':
		return s.code(nodeRaw, at, pos+1)
	case '@', '#', '/':
		return s.blockTag(at, pos)
	}
	return s.code(nodeExpr, at, pos)
}

func (s *scanner) code(kind nodeKind, at, from int) (int, *scanError) {
	end, err := scanCode(s.src, from, kind == nodeCode, s.facts)
	if err != nil {
		if err.at == from {
			err.at = at
		}
		return 0, err
	}
	if strings.TrimSpace(s.src[from:end]) == "" {
		return 0, &scanError{at: at, text: "this tag is empty"}
	}
	s.nodes = append(s.nodes, node{kind: kind, start: at, end: end + 2, codeStart: from, codeEnd: end, inString: s.inString})
	if kind == nodeCode {
		return s.skipNewline(end + 2), nil
	}
	return end + 2, nil
}

// skipNewline drops the line break directly after a tag that writes nothing.
func (s *scanner) skipNewline(pos int) int {
	if strings.HasPrefix(s.src[pos:], "\r\n") {
		return pos + 2
	}
	if strings.HasPrefix(s.src[pos:], "\n") {
		return pos + 1
	}
	return pos
}

func (s *scanner) blockTag(at, pos int) (int, *scanError) {
	word := s.src[pos:pos+1] + tagName.FindString(s.src[pos+1:])
	after := pos + len(word)
	n := node{start: at}
	var err *scanError
	switch word {
	case "@each", "@if", "#elif":
		if after, err = s.head(&n, word, after); err != nil {
			return 0, err
		}
	case "#else", "/each", "/if":
	default:
		return 0, &scanError{at: at, text: "unknown tag {{" + word + "; known are {{@each(…) => v, i}}, {{@if(…)}}, {{#elif(…)}}, {{#else}}, {{/each}}, {{/if}}"}
	}
	end := strings.Index(s.src[after:], "}}")
	if end < 0 {
		return 0, &scanError{at: at, text: "this tag has no }}"}
	}
	if n.kind != nodeEach && strings.TrimSpace(s.src[after:after+end]) != "" {
		return 0, &scanError{at: after, text: "}} expected after " + word}
	}
	if n.kind == nodeEach {
		if err := s.eachVariables(&n, after, after+end); err != nil {
			return 0, err
		}
	}
	n.end = after + end + 2
	if err := s.structure(&n, word); err != nil {
		return 0, err
	}
	s.nodes = append(s.nodes, n)
	return s.skipNewline(n.end), nil
}

// head reads the parenthesised expression of a block tag.
func (s *scanner) head(n *node, word string, pos int) (int, *scanError) {
	n.kind = map[string]nodeKind{"@each": nodeEach, "@if": nodeIf, "#elif": nodeElif}[word]
	for pos < len(s.src) && strings.IndexByte(" \t\r\n", s.src[pos]) >= 0 {
		pos++
	}
	if pos >= len(s.src) || s.src[pos] != '(' {
		return 0, &scanError{at: n.start, text: "( expected after " + word}
	}
	end, err := scanParens(s.src, pos, s.facts)
	if err != nil {
		return 0, err
	}
	n.codeStart, n.codeEnd = pos+1, end
	if strings.TrimSpace(s.src[pos+1:end]) == "" {
		return 0, &scanError{at: pos, text: word + " needs an expression"}
	}
	return end + 1, nil
}

func (s *scanner) eachVariables(n *node, from, to int) *scanError {
	m := eachNames.FindStringSubmatch(s.src[from:to])
	if m == nil {
		return &scanError{at: from, text: "=> and one or two names expected, as in {{@each(list) => v, i}}"}
	}
	for _, name := range m[1:] {
		if strings.HasPrefix(name, reservedPrefix) {
			return &scanError{at: from, text: "names that begin with " + reservedPrefix + " are reserved"}
		}
	}
	s.eaches++
	n.item, n.index, n.number = m[1], m[2], s.eaches
	return nil
}

// structure matches the tags of blocks, and follows whether a JSON string is open through their branches: every way
// through a block has to leave it the same, or the tags behind it would stand in two places at once.
func (s *scanner) structure(n *node, word string) *scanError {
	switch word {
	case "@each", "@if":
		if len(s.blocks) >= maxBlocks {
			return &scanError{at: n.start, text: "blocks are nested too deeply", bound: BoundDepth}
		}
		s.blocks = append(s.blocks, block{node: len(s.nodes), before: s.inString})
		return nil
	case "#else":
		n.kind = nodeElse
	case "/each":
		n.kind = nodeEndEach
	case "/if":
		n.kind = nodeEndIf
	}
	if len(s.blocks) == 0 {
		return &scanError{at: n.start, text: "{{" + word + " without the tag that opens it"}
	}
	b := &s.blocks[len(s.blocks)-1]
	opened := s.nodes[b.node].kind
	if (opened == nodeEach) != (n.kind == nodeEndEach) {
		return &scanError{at: n.start, text: "{{" + word + " stands inside another block that is not closed"}
	}
	return s.branch(n, b)
}

func (s *scanner) branch(n *node, b *block) *scanError {
	if b.branchDone && b.after != s.inString {
		return &scanError{at: n.start, text: "the branches of this block differ in whether a JSON string is open at their end"}
	}
	b.after, b.branchDone = s.inString, true
	switch n.kind {
	case nodeElif, nodeElse:
		if b.hasElse {
			return &scanError{at: n.start, text: "{{#else}} has to be the last branch"}
		}
		b.hasElse = n.kind == nodeElse
		if b.elifs++; b.elifs > maxElif {
			return &scanError{at: n.start, text: "this @if has too many branches", bound: BoundDepth}
		}
		s.inString = b.before
		return nil
	}
	if !b.hasElse && b.after != b.before {
		return &scanError{at: n.start, text: "this block opens or closes a JSON string and may be left out"}
	}
	s.blocks = s.blocks[:len(s.blocks)-1]
	return nil
}
