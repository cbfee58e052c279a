package filter

import (
	"errors"
	"reflect"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"waybill/db/fault"
)

// kindOf names a value's kind for people.
func kindOf(v any) fault.Noun {
	switch v.(type) {
	case nil:
		return fault.Noun("null")
	case bool:
		return fault.Noun("true or false")
	case int, float64:
		return fault.Noun("a number")
	case string:
		return fault.Noun("text")
	case []any:
		return fault.Noun("a list")
	case map[string]any:
		return fault.Noun("an object")
	}
	return fault.Noun("another kind of value")
}

// neverBool names what an expression gives when that can never be true or false, else "".
func neverBool(n ast.Node) fault.Noun {
	if _, ok := n.(*ast.NilNode); ok {
		return fault.Noun("null")
	}
	switch n.Type().Kind() {
	case reflect.Bool, reflect.Interface:
		return ""
	case reflect.Int, reflect.Float64:
		return fault.Noun("a number")
	case reflect.String:
		return fault.Noun("text")
	case reflect.Slice:
		return fault.Noun("a list")
	case reflect.Map:
		return fault.Noun("an object")
	}
	return fault.Noun("something else")
}

// explain is a run-time error as a sentence.
func explain(err error) error {
	var f *file.Error
	if !errors.As(err, &f) {
		return sentence(err.Error())
	}
	if inner := f.Unwrap(); inner != nil && !strings.HasPrefix(inner.Error(), "runtime error") && !strings.HasPrefix(inner.Error(), "interface conversion") {
		return inner
	}
	return sentence(f.Message)
}

// sentence turns a message of the library into one for people.
func sentence(s string) *fault.Words {
	s, _, _ = strings.Cut(s, "\n")
	switch {
	case strings.Contains(s, "exceeds maximum allowed nodes"):
		return fault.Say("The expression is too long: it may have %d parts at most.", MaxNodes)
	case strings.Contains(s, "memory budget exceeded"):
		return errTooMuch
	case strings.Contains(s, "integer divide by zero"):
		return fault.Say("A number is divided by zero.")
	case strings.HasPrefix(s, "interface conversion"), strings.HasPrefix(s, "reflect"), strings.HasPrefix(s, "runtime error"):
		return fault.Say("A value is of the wrong kind here.")
	case strings.Contains(s, "unexpected token EOF"):
		return fault.Say("The expression ends too early.")
	}
	s = strings.NewReplacer("[]interface {}", "list", "map[string]interface {}", "object", "interface {}", "any value", "<nil>", "null",
		"float64", "number", "string", "text", "bool", "true or false", "*filter.meter", "value", "int", "number").Replace(s)
	s = strings.ReplaceAll(fault.Capital(s), "·", "")
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return fault.Text(s)
}
