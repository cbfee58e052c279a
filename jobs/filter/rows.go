package filter

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
)

// Row is one condition as a form shows it: a field of the event, an operator of Ops, a value as it is typed. A value is a number,
// true, false or null when it looks like one, else text; text that looks like one of these stands in quotes. Of "in" it is a list with commas.
type Row struct{ Field, Op, Value string }

// Rows are conditions that hold all ("and"), or of which one holds ("or").
type Rows struct {
	Join string // "and", "or"
	List []Row
}

// Op is an operator of a row.
type Op struct {
	Name, Words string
	NoValue     bool
}

// Ops lists the operators of rows in the order in which forms offer them.
func Ops() []Op {
	return []Op{{"eq", "is", false}, {"ne", "is not", false}, {"gt", "is more than", false}, {"ge", "is at least", false}, {"lt", "is less than", false}, {"le", "is at most", false},
		{"contains", "contains", false}, {"not_contains", "does not contain", false}, {"starts", "begins with", false}, {"ends", "ends with", false},
		{"in", "is one of", false}, {"not_in", "is none of", false}, {"set", "is there", true}, {"unset", "is missing", true}}
}

var symbols = map[string]string{"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "contains": "contains", "starts": "startsWith", "ends": "endsWith", "in": "in"}

// opOf is the operator of a symbol, "" when rows have none.
func opOf(symbol string) string {
	for name, s := range symbols {
		if s == symbol {
			return name
		}
	}
	return ""
}

var (
	fieldForm  = regexp.MustCompile(`^event(\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\]|\["(?:[^"\\]|\\.)*"\])+$`)
	numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,15})?$`)
)

// Field completes what was typed for a field: "total" and "data.total" are event.data.total. "" when it is none.
func Field(typed string) string {
	typed = strings.TrimSpace(typed)
	head, _, _ := strings.Cut(typed, ".")
	head, _, _ = strings.Cut(head, "[")
	switch {
	case typed == "":
		return ""
	case head == "event":
	case head == "data" || typed == "name" || typed == "subject" || typed == "id" || typed == "time":
		typed = "event." + typed
	default:
		typed = "event.data." + typed
	}
	if !fieldForm.MatchString(typed) {
		return ""
	}
	return typed
}

// Expression writes the rows as an expression; bad is the index of the first row that is none, -1 when all are good.
func (r Rows) Expression() (text string, bad int) {
	var parts []string
	for i, row := range r.List {
		part := row.expression()
		if part == "" {
			return "", i
		}
		parts = append(parts, part)
	}
	join := " && "
	if r.Join == "or" {
		join = " || "
	}
	return strings.Join(parts, join), -1
}

func (r Row) expression() string {
	field := Field(r.Field)
	if field == "" {
		return ""
	}
	switch r.Op {
	case "set":
		return field + " != null"
	case "unset":
		return field + " == null"
	case "contains", "starts", "ends":
		return field + " " + symbols[r.Op] + " " + strconv.Quote(textOf(r.Value))
	case "not_contains":
		return "not (" + field + " contains " + strconv.Quote(textOf(r.Value)) + ")"
	case "in":
		return field + " in " + literals(r.Value)
	case "not_in":
		return "not (" + field + " in " + literals(r.Value) + ")"
	}
	if symbols[r.Op] == "" {
		return ""
	}
	return field + " " + symbols[r.Op] + " " + literal(r.Value)
}

// literals are a list of values with commas between them as an expression has it.
func literals(typed string) string {
	var out []string
	for _, v := range splitList(typed) {
		out = append(out, literal(v))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// splitList cuts at commas that stand outside quotes.
func splitList(typed string) []string {
	var out []string
	start, quoted := 0, false
	for i := 0; i < len(typed); i++ {
		switch {
		case quoted && typed[i] == '\\':
			i++
		case typed[i] == '"':
			quoted = !quoted
		case typed[i] == ',' && !quoted:
			out = append(out, typed[start:i])
			start = i + 1
		}
	}
	out = append(out, typed[min(start, len(typed)):])
	var kept []string
	for _, v := range out {
		if strings.TrimSpace(v) != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

// plain reports whether a typed value is not text.
func plain(v string) bool {
	return numberForm.MatchString(v) || v == "true" || v == "false" || v == "null"
}

func literal(typed string) string {
	v := strings.TrimSpace(typed)
	if plain(v) {
		return v
	}
	return strconv.Quote(textOf(v))
}

// textOf is the text that a typed value stands for: without its quotes when it has them.
func textOf(typed string) string {
	v := strings.TrimSpace(typed)
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		if text, err := strconv.Unquote(v); err == nil {
			return text
		}
	}
	return v
}

// typedText is how a text is typed so that it stays one.
func typedText(text string, inList bool) string {
	if text == "" || plain(text) || text != strings.TrimSpace(text) || text[0] == '"' || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) || inList && strings.ContainsAny(text, `,"`) {
		return strconv.Quote(text)
	}
	return text
}

// RowsOf reads an expression as rows; false when it is more than rows can say. What it gives always means the same.
func RowsOf(source string) (out Rows, ok bool) {
	defer func() {
		if recover() != nil {
			out, ok = Rows{}, false
		}
	}()
	if strings.TrimSpace(source) == "" || len(source) > MaxSource {
		return Rows{Join: "and"}, false
	}
	config := conf.CreateNew()
	config.MaxNodes = MaxNodes
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return Rows{}, false
	}
	out.Join = "and"
	if b, is := tree.Node.(*ast.BinaryNode); is && joinOf(b.Operator) != "" {
		out.Join = joinOf(b.Operator)
	}
	if !out.collect(tree.Node) {
		return Rows{}, false
	}
	return out, true
}

func joinOf(operator string) string {
	switch operator {
	case "&&", "and":
		return "and"
	case "||", "or":
		return "or"
	}
	return ""
}

func (r *Rows) collect(n ast.Node) bool {
	if b, is := n.(*ast.BinaryNode); is && joinOf(b.Operator) != "" {
		return joinOf(b.Operator) == r.Join && r.collect(b.Left) && r.collect(b.Right)
	}
	row, ok := rowOf(n)
	r.List = append(r.List, row)
	return ok
}

func rowOf(n ast.Node) (Row, bool) {
	if u, is := n.(*ast.UnaryNode); is && (u.Operator == "not" || u.Operator == "!") {
		row, ok := rowOf(u.Node)
		if row.Op != "in" && row.Op != "contains" {
			return Row{}, false
		}
		row.Op = "not_" + row.Op
		return row, ok
	}
	b, is := n.(*ast.BinaryNode)
	if !is {
		return Row{}, false
	}
	field, ok := fieldOf(b.Left)
	op := opOf(b.Operator)
	if !ok || op == "" || !fieldForm.MatchString(field) {
		return Row{}, false
	}
	if _, null := valueOf(b.Right); null && (op == "eq" || op == "ne") {
		return Row{Field: field, Op: map[string]string{"eq": "unset", "ne": "set"}[op]}, true
	}
	if op == "in" {
		value, ok := listOf(b.Right)
		return Row{field, op, value}, ok
	}
	s, text := b.Right.(*ast.StringNode)
	switch {
	case op == "contains" || op == "starts" || op == "ends":
		if !text {
			return Row{}, false
		}
		return Row{field, op, typedText(s.Value, false)}, true
	case text:
		return Row{field, op, typedText(s.Value, false)}, true
	}
	value, null := valueOf(b.Right)
	return Row{field, op, value}, value != "" && !null
}

func listOf(n ast.Node) (string, bool) {
	a, is := n.(*ast.ArrayNode)
	if !is || len(a.Nodes) == 0 {
		return "", false
	}
	var out []string
	for _, x := range a.Nodes {
		if s, text := x.(*ast.StringNode); text {
			out = append(out, typedText(s.Value, true))
			continue
		}
		v, _ := valueOf(x)
		if v == "" {
			return "", false
		}
		out = append(out, v)
	}
	return strings.Join(out, ", "), true
}

// valueOf is a literal that is not text, as it is typed; "" when it is none.
func valueOf(n ast.Node) (value string, null bool) {
	switch x := n.(type) {
	case *ast.NilNode:
		return "null", true
	case *ast.IdentifierNode:
		if x.Value == "null" {
			return "null", true
		}
	case *ast.BoolNode:
		return strconv.FormatBool(x.Value), false
	case *ast.IntegerNode:
		value = strconv.Itoa(x.Value)
	case *ast.FloatNode:
		value = strconv.FormatFloat(x.Value, 'f', -1, 64)
	case *ast.UnaryNode:
		if v, _ := valueOf(x.Node); x.Operator == "-" && v != "" && v[0] != '-' {
			value = "-" + v
		}
	}
	if !numberForm.MatchString(value) {
		return "", false
	}
	return value, false
}

// fieldOf spells a chain of members that begins with event.
func fieldOf(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.IdentifierNode:
		return x.Value, x.Value == "event"
	case *ast.MemberNode:
		base, ok := fieldOf(x.Node)
		if !ok || x.Optional || x.Method {
			return "", false
		}
		switch p := x.Property.(type) {
		case *ast.StringNode:
			if name := "." + p.Value; fieldForm.MatchString("event" + name) {
				return base + name, true
			}
			return base + "[" + strconv.Quote(p.Value) + "]", true
		case *ast.IntegerNode:
			return base + "[" + strconv.Itoa(p.Value) + "]", p.Value >= 0
		}
	}
	return "", false
}
