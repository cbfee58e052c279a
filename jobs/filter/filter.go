// Package filter evaluates the small expressions that decide whether an event is sent on and which way a workflow goes:
// filters of actions, conditions of transitions.
//
// The language is that of github.com/expr-lang/expr with the null rules of SEMANTICS 1: a member that is absent reads
// as null; <, <=, >, >= and "in" with null are false; == and != compare with it; any other error counts as "no". It
// refuses what cannot be bounded (ranges, reduce, text building functions, regular expressions that are computed) and
// stops what takes too many steps, so that an expression costs microseconds, or some ten milliseconds at the worst.
// It knows db/model only: no clock, no network, no store.
package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"waybill/db/fault"
)

// Bounds of an expression (SEMANTICS 1).
const (
	MaxSource = 16 << 10 // bytes
	MaxNodes  = 200
	MaxNested = 2 // closures inside of each other

	maxSteps    = 1 << 20 // of one evaluation; a step is an operation or 16 bytes of text
	maxElements = 1 << 20 // in lists that one evaluation makes
)

// Program is a compiled expression; it is safe for use by many goroutines.
type Program struct {
	source string
	paths  []path
	data   bool        // looks into event.data
	run    bool        // sees run and steps
	code   *vm.Program // nil: the empty expression, which always holds
}

// Problem says why an expression cannot be compiled.
type Problem struct {
	Line, Column int // from 1, in characters
	Message      string
	Words        *fault.Words // of Message
	Unknown      string       // the name that it does not know, "" = something else is wrong
}

func problem(line, column int, w *fault.Words) *Problem {
	return &Problem{Line: line, Column: column, Message: w.String(), Words: w}
}

func (p *Problem) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Message)
}

// Compile checks an expression over an event and makes it ready to run. The empty one always holds.
func Compile(source string) (p *Program, bad *Problem) { return compile(source, false) }

// CompileCondition is Compile for a condition of a workflow, which sees run and steps besides event.
func CompileCondition(source string) (p *Program, bad *Problem) { return compile(source, true) }

func compile(source string, run bool) (p *Program, bad *Problem) {
	defer func() {
		if v := recover(); v != nil {
			p, bad = nil, problem(1, 1, fault.Say("The expression cannot be understood."))
		}
	}()
	if strings.TrimSpace(source) == "" {
		return &Program{}, nil
	}
	if len(source) > MaxSource || !utf8.ValidString(source) {
		return nil, problem(1, 1, fault.Say("An expression is UTF-8 text of at most %d KiB.", MaxSource>>10))
	}
	plain := conf.CreateNew()
	plain.MaxNodes = MaxNodes
	tree, err := parser.ParseWithConfig(source, plain)
	if err != nil {
		return nil, problemOf(err)
	}
	found := &survey{source: source, run: run}
	if bad := found.walk(tree.Node, scope{}); bad != nil {
		return nil, bad
	}
	code, err := expr.Compile(source, options(run)...)
	if err != nil {
		return nil, problemOf(err)
	}
	if kind := neverBool(code.Node()); kind != "" {
		return nil, problem(1, 1, fault.Say("The expression gives %s, not true or false; compare it with something.", kind))
	}
	return &Program{source: source, paths: found.paths, data: found.data, run: run, code: code}, nil
}

func options(run bool) []expr.Option {
	event := types.Map{"id": types.String, "name": types.String, "subject": types.String, "time": types.String, "data": types.Any}
	env := types.Map{"event": event, meterName: types.TypeOf((*meter)(nil))}
	if run {
		env["run"], env["steps"] = types.Any, types.Any
	}
	return append([]expr.Option{
		expr.Env(env),
		expr.MaxNodes(0), // counted before the rewriting
		expr.Optimize(false),
		expr.Patch(rewriter{}),
	}, functions()...)
}

// Source is the expression as it was typed.
func (p *Program) Source() string { return p.source }

// SeesRun reports whether the expression looks at run or steps.
func (p *Program) SeesRun() bool {
	return slices.ContainsFunc(p.paths, func(k path) bool { return k[0] != "event" })
}

// Members are the names that the expression looks up directly in what is at a place, such as "run", "data".
func (p *Program) Members(place ...string) []string {
	var out []string
	for _, keys := range p.paths {
		if len(keys) <= len(place) || !slices.EqualFunc(place, keys[:len(place)], func(a string, b any) bool { return a == b }) {
			continue
		}
		if name, ok := keys[len(place)].(string); ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// Eval runs the expression. When it does not hold, shown is what it looked at ("event.data.total = 5"), for people; an
// error counts as "no" and is a sentence for people.
func (p *Program) Eval(e *Env) (ok bool, shown string, err error) {
	if p.code == nil {
		return true, "", nil
	}
	ok, err = p.eval(e)
	if !ok || err != nil {
		return false, p.shown(e), err
	}
	return true, "", nil
}

func (p *Program) eval(e *Env) (bool, error) {
	event, err := e.event(p.data)
	if err != nil {
		return false, err
	}
	machine := vm.VM{MemoryBudget: maxElements}
	env := map[string]any{"event": event, meterName: &meter{left: maxSteps}}
	if p.run {
		env["run"], env["steps"] = e.run, e.steps
	}
	out, err := machine.Run(p.code, env)
	if err != nil {
		return false, explain(err)
	}
	ok, isBool := out.(bool)
	if !isBool {
		return false, fault.Say("The expression gives %s, not true or false.", kindOf(out))
	}
	return ok, nil
}

func problemOf(err error) *Problem {
	var f *file.Error
	if errors.As(err, &f) {
		return problem(max(1, f.Line), f.Column+1, sentence(f.Message))
	}
	return problem(1, 1, sentence(err.Error()))
}
