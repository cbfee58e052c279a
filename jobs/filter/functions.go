package filter

import (
	"regexp"
	"strings"

	"github.com/expr-lang/expr"

	"waybill/db/fault"
)

// meter counts the steps of one evaluation down.
type meter struct{ left int }

var errTooMuch = fault.Say("The expression takes too many steps for this event.")

func (m *meter) use(n int) error {
	if m.left -= 1 + n; m.left < 0 {
		return errTooMuch
	}
	return nil
}

// text is the price of reading s.
func text(s string) int { return len(s) >> 4 }

// words makes an error that is a sentence for people.

func functions() []expr.Option {
	fn := func(name string, f func(m *meter, a []any) (any, error), kind any) expr.Option {
		return expr.Function(name, func(args ...any) (any, error) {
			m := args[0].(*meter)
			if err := m.use(0); err != nil {
				return nil, err
			}
			return f(m, args[1:])
		}, kind)
	}
	type (
		value1 = func(*meter, any) any
		value2 = func(*meter, any, any) any
		bool1  = func(*meter, any) bool
		bool2  = func(*meter, any, any) bool
		bool3  = func(*meter, any, any, any) bool
	)
	return []expr.Option{
		fn(fnMember, func(m *meter, a []any) (any, error) { return member(a[0], a[1]), nil }, new(value2)),
		fn(fnEqual, func(m *meter, a []any) (any, error) { return equal(m, a[0], a[1]) }, new(bool2)),
		fn(fnLess, func(m *meter, a []any) (any, error) { return order(m, a[0], a[1], false) }, new(bool2)),
		fn(fnMost, func(m *meter, a []any) (any, error) { return order(m, a[0], a[1], true) }, new(bool2)),
		fn(fnIn, func(m *meter, a []any) (any, error) { return in(m, a[0], a[1]) }, new(bool2)),
		fn(fnMatches, func(m *meter, a []any) (any, error) { return matches(m, a[0], a[1]) }, new(bool2)),
		fn(fnContains, func(m *meter, a []any) (any, error) { return contains(m, a[0].(string), a[1], a[2]) }, new(bool3)),
		fn(fnTruth, func(m *meter, a []any) (any, error) { return truth(a[0]) }, new(bool1)),
		fn(fnTick, func(m *meter, a []any) (any, error) { return a[0], nil }, new(value1)),
		fn(fnList, func(m *meter, a []any) (any, error) { return list(a[0]) }, new(func(*meter, any) []any)),
		fn(fnGiven, func(m *meter, a []any) (any, error) { return given(m, a[0]) }, new(value1)),
		fn(fnText, func(m *meter, a []any) (any, error) { return added(m, a[0]) }, new(value1)),
	}
}

// member is a[key]; null for whatever is not there.
func member(a, key any) any {
	switch a := a.(type) {
	case map[string]any:
		if k, ok := key.(string); ok {
			return a[k]
		}
	case []any:
		if i, ok := key.(int); ok {
			if i < 0 {
				i += len(a)
			}
			if i >= 0 && i < len(a) {
				return a[i]
			}
		}
	}
	return nil
}

// equal compares values of JSON deeply; whole numbers and fractions compare as numbers.
func equal(m *meter, a, b any) (bool, error) {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return x == y, m.use(text(x))
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		for i := range x {
			if same, err := equal(m, x[i], y[i]); !same || err != nil {
				return false, err
			}
		}
		return true, m.use(len(x))
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		for k, v := range x {
			w, there := y[k]
			if !there {
				return false, nil
			}
			if same, err := equal(m, v, w); !same || err != nil {
				return false, err
			}
		}
		return true, m.use(len(x))
	}
	if c, ok := compareNumbers(a, b); ok {
		return c == 0, m.use(0)
	}
	switch b.(type) {
	case []any, map[string]any:
		return false, nil
	}
	return a == b, m.use(0)
}

// order is a < b, or a <= b; false with null.
func order(m *meter, a, b any, orEqual bool) (bool, error) {
	if a == nil || b == nil {
		return false, nil
	}
	if c, ok := compareNumbers(a, b); ok {
		return c < 0 || (orEqual && c == 0), nil
	}
	x, isText := a.(string)
	y, both := b.(string)
	if isText && both {
		c := strings.Compare(x, y)
		return c < 0 || (orEqual && c == 0), m.use(text(x[:min(len(x), len(y))]))
	}
	return false, fault.Say("%s cannot be compared with %s.", fault.Opening(kindOf(a)), kindOf(b))
}

// compareNumbers is exact: a whole number is not squeezed into a fraction when both are whole. 2 = not comparable (NaN).
func compareNumbers(a, b any) (int, bool) {
	i, aInt := a.(int)
	j, bInt := b.(int)
	if aInt && bInt {
		return sign(i < j, i > j, true), true
	}
	x, aNum := number(a)
	y, bNum := number(b)
	return sign(x < y, x > y, x == y), aNum && bNum
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func sign(less, more, same bool) int {
	switch {
	case less:
		return -1
	case more:
		return 1
	case same:
		return 0
	}
	return 2
}

// in looks for a in a list, or for a member of an object by name; false with null.
func in(m *meter, a, b any) (bool, error) {
	if a == nil || b == nil {
		return false, nil
	}
	switch b := b.(type) {
	case []any:
		for _, v := range b {
			if same, err := equal(m, a, v); same || err != nil {
				return same, err
			}
		}
		return false, m.use(len(b) >> 2)
	case map[string]any:
		k, ok := a.(string)
		if !ok {
			return false, nil
		}
		_, there := b[k]
		return there, nil
	}
	return false, fault.Say("“in” needs a list or an object on its right side; this is %s.", kindOf(b))
}

// compilePattern gives a regular expression, or what is wrong with it. Its size times the length of a text bounds the
// time that matching takes.
func compilePattern(pattern string) (*regexp.Regexp, *fault.Words) {
	if len(pattern) > maxPattern {
		return nil, fault.Say("A pattern has at most %d characters.", maxPattern)
	}
	size := patternSize(pattern)
	if size < 0 {
		return nil, fault.Say("The pattern is not a valid regular expression (RE2 syntax).")
	}
	if size > maxInstructions {
		return nil, fault.Say("The pattern is too large; avoid counted repetitions such as {1,100}.")
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fault.Say("The pattern is not a valid regular expression (RE2 syntax).")
	}
	return re, nil
}

const (
	maxPattern      = 500
	maxInstructions = 500
)

// pattern is a compiled regular expression with its size.
type pattern struct {
	re   *regexp.Regexp
	size int
}

func matches(m *meter, a, b any) (bool, error) {
	if a == nil {
		return false, nil
	}
	s, ok := a.(string)
	if !ok {
		return false, fault.Say("“matches” needs text on its left side; this is %s.", kindOf(a))
	}
	p := b.(*pattern)
	if err := m.use(len(s) * p.size >> 1); err != nil {
		return false, err
	}
	return p.re.MatchString(s), nil
}

// contains is contains, startsWith and endsWith; false with null.
func contains(m *meter, operator string, a, b any) (bool, error) {
	if a == nil || b == nil {
		return false, nil
	}
	s, ok := a.(string)
	part, both := b.(string)
	if !ok || !both {
		return false, fault.Say("“%s” needs text on both sides; these are %s and %s.", operator, kindOf(a), kindOf(b))
	}
	if err := m.use(text(s) + text(part)); err != nil {
		return false, err
	}
	switch operator {
	case "startsWith":
		return strings.HasPrefix(s, part), nil
	case "endsWith":
		return strings.HasSuffix(s, part), nil
	}
	return strings.Contains(s, part), nil
}

func truth(a any) (bool, error) {
	if b, ok := a.(bool); ok {
		return b, nil
	}
	return false, fault.Say("True or false is needed here, not %s; compare it with something, for instance == true.", kindOf(a))
}

func list(a any) ([]any, error) {
	if l, ok := a.([]any); ok {
		return l, nil
	}
	return nil, fault.Say("A list is needed here, not %s.", kindOf(a))
}

// given is the argument of a function: not null, and paid for, since the function reads all of it.
func given(m *meter, a any) (any, error) {
	if a == nil {
		return nil, fault.Say("A function got null as its argument.")
	}
	return a, weigh(m, a)
}

func weigh(m *meter, a any) error {
	switch a := a.(type) {
	case string:
		return m.use(text(a))
	case []any:
		for _, v := range a {
			if err := weigh(m, v); err != nil {
				return err
			}
		}
	}
	return m.use(0)
}

// added is one side of a +: numbers, or text that is paid for.
func added(m *meter, a any) (any, error) {
	switch a := a.(type) {
	case int, float64:
		return a, nil
	case string:
		return a, m.use(len(a))
	}
	return nil, fault.Say("%s cannot be added.", fault.Opening(kindOf(a)))
}
