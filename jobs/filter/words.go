package filter

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// kindOf names a value's kind for people.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case int, float64:
		return "a number"
	case string:
		return "text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "another kind of value"
}

// neverBool names what an expression gives when that can never be true or false, else "".
func neverBool(n ast.Node) string {
	if _, ok := n.(*ast.NilNode); ok {
		return "null"
	}
	switch n.Type().Kind() {
	case reflect.Bool, reflect.Interface:
		return ""
	case reflect.Int, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "an object"
	}
	return "something else"
}

func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// explain is a run-time error as a sentence.
func explain(err error) error {
	var f *file.Error
	if !errors.As(err, &f) {
		return words("%s", sentence(err.Error()))
	}
	if inner := f.Unwrap(); inner != nil && !strings.HasPrefix(inner.Error(), "runtime error") && !strings.HasPrefix(inner.Error(), "interface conversion") {
		return inner
	}
	return words("%s", sentence(f.Message))
}

// sentence turns a message of the library into one for people.
func sentence(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	switch {
	case strings.Contains(s, "exceeds maximum allowed nodes"):
		return fmt.Sprintf("The expression is too long: it may have %d parts at most.", MaxNodes)
	case strings.Contains(s, "memory budget exceeded"):
		return errTooMuch.Error()
	case strings.Contains(s, "integer divide by zero"):
		return "A number is divided by zero."
	case strings.HasPrefix(s, "interface conversion"), strings.HasPrefix(s, "reflect"), strings.HasPrefix(s, "runtime error"):
		return "A value is of the wrong kind here."
	case strings.Contains(s, "unexpected token EOF"):
		return "The expression ends too early."
	}
	s = strings.NewReplacer("[]interface {}", "list", "map[string]interface {}", "object", "interface {}", "any value", "<nil>", "null",
		"float64", "number", "string", "text", "bool", "true or false", "*filter.meter", "value", "int", "number").Replace(s)
	s = strings.ReplaceAll(upper(s), "·", "")
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
