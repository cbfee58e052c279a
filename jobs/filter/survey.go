package filter

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"waybill/db/fault"
)

// closures and simple are the functions that an expression may use: those whose cost is bounded by their arguments.
func closures() []string {
	return []string{"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count", "sum"}
}

func simple() []string {
	return []string{"len", "abs", "ceil", "floor", "round", "int", "float", "trim", "trimPrefix", "trimSuffix", "upper", "lower",
		"hasPrefix", "hasSuffix", "indexOf", "lastIndexOf", "max", "min", "first", "last"}
}

// survey walks an expression as it was typed: it refuses what is not allowed and notes what is looked at.
type survey struct {
	source string
	run    bool // run and steps are seen too
	paths  []path
	data   bool
}

func (s *survey) problem(n ast.Node, format string, args ...any) *Problem {
	f := (&file.Error{Location: n.Location()}).Bind(file.NewSource(s.source))
	return problem(f.Line, f.Column+1, fault.Say(format, args...))
}

// unknown complains of a name.
func (s *survey) unknown(n ast.Node, format, name string) *Problem {
	p := s.problem(n, format, name)
	p.Unknown = name
	return p
}

// scope is what surrounds a node: how many closures, and the names that let has given.
type scope struct {
	closures int
	names    []string
}

func (s *survey) walk(n ast.Node, in scope) *Problem {
	if keys, ok := pathOf(n); ok && (keys[0] == "event" || s.run) {
		return s.note(n, keys)
	}
	if p := s.refuse(n, in); p != nil {
		return p
	}
	switch n := n.(type) {
	case *ast.PredicateNode:
		in.closures++
	case *ast.VariableDeclaratorNode:
		if p := s.walk(n.Value, in); p != nil {
			return p
		}
		in.names = append(slices.Clip(in.names), n.Name)
		return s.walk(n.Expr, in)
	}
	for _, c := range children(n) {
		if p := s.walk(c, in); p != nil {
			return p
		}
	}
	return nil
}

// note keeps a path.
func (s *survey) note(n ast.Node, keys path) *Problem {
	if len(keys) > 1 && keys[0] == "event" {
		field, _ := keys[1].(string)
		if !slices.Contains([]string{"id", "name", "subject", "time", "data"}, field) {
			return s.problem(n, "An event has id, name, subject, time and data, nothing else; members of its data are written as event.data.total.")
		}
		if len(keys) > 2 && field != "data" {
			return s.problem(n, "%s is text and has no members.", keys[:2])
		}
	}
	s.data = s.data || keys[0] == "event" && (len(keys) < 2 || keys[1] == "data")
	if !slices.ContainsFunc(s.paths, func(p path) bool { return slices.Equal(p, keys) }) {
		s.paths = append(s.paths, keys)
	}
	return nil
}

func (s *survey) refuse(n ast.Node, in scope) *Problem {
	switch n := n.(type) {
	case *ast.PredicateNode:
		if in.closures >= MaxNested {
			return s.problem(n, "Closures (%s …) may stand inside of each other at most twice.", strings.Join(closures()[:3], ", "))
		}
	case *ast.CallNode:
		return s.problem(n, "There is no such function. These exist: %s.", strings.Join(slices.Concat(simple(), closures()), ", "))
	case *ast.BuiltinNode:
		if !slices.Contains(closures(), n.Name) && !slices.Contains(simple(), n.Name) {
			return s.problem(n, "The function %s does not exist here. These exist: %s.", n.Name, strings.Join(slices.Concat(simple(), closures()), ", "))
		}
	case *ast.IdentifierNode:
		if n.Value != "null" && !slices.Contains(in.names, n.Value) {
			if s.run {
				return s.unknown(n, "There is no %s here; the expression sees event (id, name, subject, time, data), run (id, number, subject, data, initiator) and steps.", n.Value)
			}
			return s.unknown(n, "There is no %s here; the expression sees event (id, name, subject, time, data).", n.Value)
		}
	case *ast.PointerNode:
		if in.closures == 0 || (n.Name != "" && n.Name != "index") {
			return s.problem(n, "#%s has no meaning here.", n.Name)
		}
	case *ast.VariableDeclaratorNode:
		if n.Name == "event" || n.Name == "null" || s.run && (n.Name == "run" || n.Name == "steps") {
			return s.problem(n, "The name %s is taken.", n.Name)
		}
	case *ast.BinaryNode:
		return s.refuseOperator(n)
	}
	return nil
}

func (s *survey) refuseOperator(n *ast.BinaryNode) *Problem {
	switch n.Operator {
	case "..":
		return s.problem(n, "Ranges (..) are not available; compare with >= and <= instead.")
	case "matches":
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			return s.problem(n.Right, "The pattern of matches must be written out as text.")
		}
		if _, words := compilePattern(pattern.Value); words != nil {
			return s.problem(n.Right, "%s", words)
		}
	}
	return nil
}

// patternSize is the number of instructions of a regular expression, or -1 when it is not valid.
func patternSize(pattern string) int {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return -1
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return -1
	}
	return len(prog.Inst)
}

// path is a chain of members with fixed names or places: event, "data", "items", 0. It begins with event, run or steps.
type path []any

func pathOf(n ast.Node) (path, bool) {
	switch n := n.(type) {
	case *ast.ChainNode:
		return pathOf(n.Node)
	case *ast.IdentifierNode:
		return path{n.Value}, n.Value == "event" || n.Value == "run" || n.Value == "steps"
	case *ast.MemberNode:
		p, ok := pathOf(n.Node)
		if !ok {
			return nil, false
		}
		switch key := n.Property.(type) {
		case *ast.StringNode:
			return append(p, key.Value), true
		case *ast.IntegerNode:
			return append(p, key.Value), true
		}
	}
	return nil, false
}

func children(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		return []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		return []ast.Node{n.Node}
	case *ast.MemberNode:
		return []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		return slices.DeleteFunc([]ast.Node{n.Node, n.From, n.To}, func(n ast.Node) bool { return n == nil })
	case *ast.CallNode:
		return append([]ast.Node{n.Callee}, n.Arguments...)
	case *ast.BuiltinNode:
		return n.Arguments
	case *ast.PredicateNode:
		return []ast.Node{n.Node}
	case *ast.SequenceNode:
		return n.Nodes
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.ArrayNode:
		return n.Nodes
	case *ast.MapNode:
		return n.Pairs
	case *ast.PairNode:
		return []ast.Node{n.Key, n.Value}
	}
	return nil
}
