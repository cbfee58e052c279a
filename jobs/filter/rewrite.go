package filter

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// Names that no expression can spell, so that they cannot be called or read from one.
const (
	meterName  = "·meter"
	fnMember   = "·member"
	fnEqual    = "·equal"
	fnLess     = "·less"
	fnMost     = "·most"
	fnIn       = "·in"
	fnMatches  = "·matches"
	fnTruth    = "·truth"
	fnTick     = "·tick"
	fnList     = "·list"
	fnGiven    = "·given"
	fnText     = "·text"
	fnContains = "·contains"
)

// rewriter puts calls of functions.go in place of the operators whose own rules differ from ours or whose cost is not
// bounded. What the library can check by itself, operators on values of known types, stays as it is.
//
// The operands of a chained comparison are visited twice; wrapping twice does no harm.
type rewriter struct{}

// Visit is called with the children before their parents.
func (r rewriter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == "null" {
			ast.Patch(node, &ast.NilNode{})
		}
	case *ast.MemberNode:
		if !isEventField(n) {
			r.put(node, fnMember, n.Node, n.Property)
		}
	case *ast.BinaryNode:
		r.binary(node, n)
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			r.truth(&n.Node)
		}
	case *ast.ConditionalNode:
		r.truth(&n.Cond)
	case *ast.SliceNode:
		r.wrap(&n.Node, fnGiven)
	case *ast.BuiltinNode:
		r.builtin(n)
	}
}

func (r rewriter) put(node *ast.Node, fn string, args ...ast.Node) {
	args = append([]ast.Node{&ast.IdentifierNode{Value: meterName}}, args...)
	ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: fn}, Arguments: args})
}

func (r rewriter) wrap(node *ast.Node, fn string) { r.put(node, fn, *node) }

// truth makes sure that what stands where true or false is needed is one of them.
func (r rewriter) truth(node *ast.Node) { r.wrap(node, fnTruth) }

func (r rewriter) binary(node *ast.Node, n *ast.BinaryNode) {
	known := isKnown(n.Left) && isKnown(n.Right)
	not := func() { *node = &ast.UnaryNode{Operator: "not", Node: *node} }
	switch n.Operator {
	case "&&", "and", "||", "or":
		r.truth(&n.Left)
		r.truth(&n.Right)
	case "==":
		if !known {
			r.put(node, fnEqual, n.Left, n.Right)
		}
	case "!=":
		if !known {
			r.put(node, fnEqual, n.Left, n.Right)
			not()
		}
	case "<", ">", "<=", ">=":
		if !known {
			r.order(node, n)
		}
	case "in":
		r.put(node, fnIn, n.Left, constant(n.Right))
	case "matches":
		if text, ok := n.Right.(*ast.StringNode); ok {
			re, _ := compilePattern(text.Value) // checked by the survey
			r.put(node, fnMatches, n.Left, &ast.ConstantNode{Value: &pattern{re: re, size: patternSize(text.Value)}})
		}
	case "contains", "startsWith", "endsWith":
		r.put(node, fnContains, &ast.StringNode{Value: n.Operator}, n.Left, n.Right)
	case "+":
		if !known {
			r.wrap(&n.Left, fnText)
			r.wrap(&n.Right, fnText)
		}
	}
}

func (r rewriter) order(node *ast.Node, n *ast.BinaryNode) {
	a, b := n.Left, n.Right
	if n.Operator[0] == '>' {
		a, b = b, a
	}
	fn := fnLess
	if len(n.Operator) == 2 {
		fn = fnMost
	}
	r.put(node, fn, a, b)
}

func (r rewriter) builtin(n *ast.BuiltinNode) {
	if !slices.Contains(closures(), n.Name) {
		for i := range n.Arguments {
			r.wrap(&n.Arguments[i], fnGiven)
		}
		return
	}
	r.wrap(&n.Arguments[0], fnList)
	if len(n.Arguments) < 2 {
		return
	}
	body, ok := n.Arguments[1].(*ast.PredicateNode)
	if !ok {
		return
	}
	if n.Name == "map" || n.Name == "sum" {
		r.wrap(&body.Node, fnTick)
	} else {
		r.truth(&body.Node)
	}
}

// isEventField holds for event.name and the like, whose types are known.
func isEventField(n *ast.MemberNode) bool {
	id, ok := n.Node.(*ast.IdentifierNode)
	_, fixed := n.Property.(*ast.StringNode)
	return ok && fixed && id.Value == "event"
}

// isKnown holds for literals and for the fields of an event that are always text.
func isKnown(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BoolNode:
		return true
	case *ast.UnaryNode:
		return (n.Operator == "-" || n.Operator == "+") && isKnown(n.Node)
	case *ast.MemberNode:
		if key, ok := n.Property.(*ast.StringNode); ok {
			return isEventField(n) && key.Value != "data"
		}
	}
	return false
}

// constant makes a list of literals once instead of at every evaluation.
func constant(n ast.Node) ast.Node {
	list, ok := n.(*ast.ArrayNode)
	if !ok {
		return n
	}
	values := make([]any, 0, len(list.Nodes))
	for _, e := range list.Nodes {
		switch e := e.(type) {
		case *ast.IntegerNode:
			values = append(values, e.Value)
		case *ast.FloatNode:
			values = append(values, e.Value)
		case *ast.StringNode:
			values = append(values, e.Value)
		case *ast.BoolNode:
			values = append(values, e.Value)
		default:
			return n
		}
	}
	out := &ast.ConstantNode{Value: values}
	out.SetLocation(n.Location())
	return out
}
