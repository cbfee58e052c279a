package script

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
)

// part is a compiled Part. prog is nil for a plain one. It evaluates to a function of (it, __wb), where __wb(i) writes
// node i, __wb(i, value) writes the value of the tag at node i, and returning __wb itself means that no `return` was met.
type part struct {
	Part
	prog    *goja.Program
	nodes   []node
	helpers []Helper // those that it names
	facts   facts
	table   table
}

// table maps offsets of the generated JavaScript back to the template.
type table struct {
	segments []segment
	lines    []int // offsets at which generated lines begin, as goja counts them
}

// segment: length bytes at gen in the generated code are those at src in the template. Length 0 is code of ours that
// stands for the tag at src.
type segment struct{ gen, src, length int }

// parsePart scans and parses one part; the tree is nil for a plain one. It takes time and stack in proportion to the
// source, which is what lets it run in the server's process.
func parsePart(p Part) (*part, *ast.Program, *Problem) {
	c := &part{Part: p, facts: facts{names: map[string]bool{}}}
	if Plain(p.Source) {
		return c, nil, nil
	}
	if !utf8.ValidString(p.Source) {
		return nil, nil, &Problem{Part: p.Name, Message: "the template is not valid UTF-8"}
	}
	nodes, err := scan(p.Source, p.Place, &c.facts)
	if err != nil {
		return nil, nil, c.problem(err.at, err.text, err.bound)
	}
	c.nodes = nodes
	g := &generator{src: p.Source}
	g.generate(nodes)
	c.table = table{segments: g.segments, lines: lineStarts(g.code.String())}
	var tree *ast.Program
	problem := c.guard(func() (err error) {
		// goja must not read source maps: a sourceMappingURL comment could name any file.
		tree, err = parser.ParseFile(nil, c.Name, g.code.String(), 0, parser.WithDisableSourceMaps)
		return err
	})
	return c, tree, problem
}

// compilePart does what parsePart does and compiles. It runs in workers only: goja folds constants in a time that
// grows exponentially with their number.
func compilePart(p Part) (*part, *Problem) {
	c, tree, problem := parsePart(p)
	if problem == nil && tree != nil {
		c.helpers = helpersIn(c.facts.names)
		problem = c.guard(func() (err error) {
			c.prog, err = goja.CompileAST(tree, false)
			return err
		})
	}
	return c, problem
}

// guard turns errors and panics of goja's parser and compiler into a problem.
func (c *part) guard(f func() error) (problem *Problem) {
	defer func() {
		if x := recover(); x != nil {
			problem = &Problem{Part: c.Name, Message: "this JavaScript cannot be compiled"}
		}
	}()
	err := f()
	var list parser.ErrorList
	var syntax *goja.CompilerSyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &list) && len(list) > 0:
		return c.syntax(c.table.offset(list[0].Position.Line, list[0].Position.Column), list[0].Message)
	case errors.As(err, &syntax):
		return c.syntax(syntax.Offset, syntax.Message)
	}
	return &Problem{Part: c.Name, Message: err.Error()}
}

// syntax is the problem of a syntax error at a generated offset.
func (c *part) syntax(gen int, message string) *Problem {
	at, own := c.table.source(gen)
	if own && (strings.Contains(message, "Unexpected token") || strings.Contains(message, "Unexpected end")) {
		message = "the code of this tag ends too early"
	}
	return c.problem(at, strings.TrimPrefix(message, "SyntaxError: "), "")
}

// problem is a problem at an offset of the template.
func (c *part) problem(at int, message, bound string) *Problem {
	line, column := position(c.Source, at)
	return &Problem{Part: c.Name, Line: line, Column: column, Message: message, Bound: bound}
}

// position counts lines and characters from 1.
func position(src string, at int) (line, column int) {
	at = max(0, min(at, len(src)))
	before := src[:at]
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

func lineStarts(code string) []int {
	starts := []int{0}
	for i, r := range code {
		switch {
		case r == '\r' && strings.HasPrefix(code[i:], "\r\n"):
		case r == '\r' || r == '\n' || r == '\u2028' || r == '\u2029':
			starts = append(starts, i+utf8.RuneLen(r))
		}
	}
	return starts
}

func (t *table) offset(line, column int) int {
	if line < 1 || line > len(t.lines) {
		return 0
	}
	return t.lines[line-1] + max(0, column-1)
}

// source maps a generated offset to the template. own reports that it lies in code that we wrote around a tag.
func (t *table) source(gen int) (at int, own bool) {
	i := sort.Search(len(t.segments), func(i int) bool { return t.segments[i].gen > gen }) - 1
	if i < 0 {
		return 0, true
	}
	s := t.segments[i]
	if gen < s.gen+s.length {
		return s.src + gen - s.gen, false
	}
	return s.src + s.length, true
}

// generator writes the JavaScript of a part, one statement for each node.
type generator struct {
	src      string
	code     strings.Builder
	segments []segment
}

// own writes code of ours that stands for the template's offset src.
func (g *generator) own(src int, code string) {
	g.segments = append(g.segments, segment{gen: g.code.Len(), src: src})
	g.code.WriteString(code)
}

// user copies the code of a tag. The line break ends a // comment.
func (g *generator) user(n node) {
	g.segments = append(g.segments, segment{gen: g.code.Len(), src: n.codeStart, length: n.codeEnd - n.codeStart})
	g.code.WriteString(g.src[n.codeStart:n.codeEnd])
	g.code.WriteByte('\n')
}

func (g *generator) wrap(n node, before, after string) {
	g.own(n.start, before)
	g.user(n)
	g.code.WriteString(after)
}

func (g *generator) generate(nodes []node) {
	g.own(0, "(function(it,__wb){")
	for i, n := range nodes {
		index := strconv.Itoa(i)
		switch n.kind {
		case nodeText:
			g.own(n.start, "__wb("+index+");")
		case nodeExpr, nodeRaw:
			g.wrap(n, "__wb("+index+",(", "));")
		case nodeCode:
			g.wrap(n, "", ";")
		case nodeEach:
			g.each(n, index)
		case nodeIf:
			g.wrap(n, "if(", "){")
		case nodeElif:
			g.wrap(n, "}else if(", "){")
		case nodeElse:
			g.own(n.start, "}else{")
		case nodeEndEach, nodeEndIf:
			g.own(n.start, "}")
			if n.kind == nodeEndEach {
				g.code.WriteByte('}')
			}
		}
	}
	g.own(len(g.src), "return __wb;})")
}

// each is a plain loop over what __wb made of the list: [values, keys or null]. A loop, and no callback, so that
// `return`, `break` and `continue` mean what they say.
func (g *generator) each(n node, index string) {
	k := strconv.Itoa(n.number)
	g.wrap(n, "{const __wbl"+k+"=__wb("+index+",(", "));")
	loop := fmt.Sprintf("for(let __wbi%[1]s=0;__wbi%[1]s<__wbl%[1]s[0].length;__wbi%[1]s++){let %[2]s=__wbl%[1]s[0][__wbi%[1]s]", k, n.item)
	if n.index != "" {
		loop += fmt.Sprintf(",%[2]s=__wbl%[1]s[1]?__wbl%[1]s[1][__wbi%[1]s]:__wbi%[1]s", k, n.index)
	}
	g.own(n.start, loop+";")
}
