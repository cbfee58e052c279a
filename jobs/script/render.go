package script

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dop251/goja"
)

const maxCalls = 300 // depth of JavaScript calls

// program is a compiled template: its parts, or the problem that it has.
type program struct {
	parts      []*part
	problem    *Problem
	generators bool
}

func compileProgram(parts []Part) *program {
	if p := checkSize(parts); p != nil {
		return &program{problem: p}
	}
	c := &program{}
	for _, p := range parts {
		compiled, problem := compilePart(p)
		if problem != nil {
			return &program{problem: problem}
		}
		c.parts = append(c.parts, compiled)
		c.generators = c.generators || compiled.facts.generators
	}
	return c
}

// run is one render: a runtime of its own, what it has written, and the bound that it met.
type run struct {
	rt      *goja.Runtime
	exact   *exactNumbers
	now     time.Time
	seed    string
	uuids   int
	part    *part
	out     []byte
	left    int // bytes of output that are still allowed
	met     string
	convert goja.Callable // JSON.stringify as it was before the template ran
}

// bounds is what an interrupt carries, with the sentence for people.
var bounds = map[string]string{
	BoundTime:   fmt.Sprintf("the template ran longer than %d ms", softLimit.Milliseconds()),
	BoundMemory: "the template used too much memory",
	BoundOutput: fmt.Sprintf("the result is longer than %d MiB", MaxOutput>>20),
	BoundDepth:  fmt.Sprintf("calls are nested deeper than %d", maxCalls),
}

// render runs the program once, in a fresh runtime. watch is told of the runtime, so that it can interrupt it.
func (p *program) render(input string, now time.Time, seed string, watch func(*goja.Runtime)) (out Output, problem *Problem) {
	if p.problem != nil {
		return Output{}, p.problem
	}
	r := &run{rt: goja.New(), now: now, seed: seed, left: MaxOutput}
	defer func() {
		if x := recover(); x != nil {
			out, problem = Output{}, r.caught(x)
		}
	}()
	watch(r.rt)
	r.confine(p.generators)
	it, err := r.input(input)
	if err != nil {
		return Output{}, &Problem{Message: "input: " + err.text, Bound: err.bound}
	}
	out.Parts = make([]string, len(p.parts))
	for i, part := range p.parts {
		r.part, r.out = part, nil
		text, skip := r.renderPart(it)
		if skip != "" {
			return Output{Skip: true, SkipReason: skip}, nil
		}
		if r.left -= len(text); r.left < 0 {
			return Output{}, r.bound(BoundOutput)
		}
		out.Parts[i] = text
	}
	return out, nil
}

// confine makes the runtime deterministic and takes away the ways to compile text: eval, Function, and the
// constructors behind the prototypes of functions.
func (r *run) confine(generators bool) {
	rt := r.rt
	rt.SetMaxCallStackSize(maxCalls)
	rt.SetTimeSource(func() time.Time { return r.now })
	var random *rand.Rand
	rt.SetRandSource(func() float64 {
		if random == nil {
			sum := sha256.Sum256([]byte(r.seed))
			random = rand.New(rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])))
		}
		return random.Float64()
	})
	protos := []goja.Value{rt.Get("Function").(*goja.Object).Get("prototype")}
	if generators {
		for _, code := range []string{"(function*(){}).__proto__", "(async function(){}).__proto__"} {
			v, err := rt.RunString(code)
			if err != nil {
				panic(err)
			}
			protos = append(protos, v)
		}
	}
	for _, p := range protos {
		if err := p.(*goja.Object).DefineDataProperty("constructor", goja.Undefined(), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
			panic(err)
		}
	}
	for _, name := range []string{"eval", "Function"} {
		if err := rt.GlobalObject().Delete(name); err != nil {
			panic(err)
		}
	}
	r.exact = &exactNumbers{rt: rt}
}

// input makes `it`.
func (r *run) input(text string) (*goja.Object, *readError) {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	rd := &reader{rt: r.rt, exact: r.exact, src: text}
	d, err := newLazyObject(rd, func(e *readError) { panic(r.rt.NewTypeError("input: " + e.text)) })
	if err != nil {
		return nil, err
	}
	return r.rt.NewDynamicObject(d), nil
}

// renderPart gives the text of the part, or the reason why there is nothing to send.
func (r *run) renderPart(it *goja.Object) (text, skip string) {
	p := r.part
	text = p.Source
	if p.prog != nil {
		r.installHelpers(p)
		v, err := r.rt.RunProgram(p.prog)
		if err != nil {
			panic(err)
		}
		f, _ := goja.AssertFunction(v)
		write := r.rt.ToValue(r.tag).(*goja.Object)
		result, err := f(goja.Undefined(), it, write)
		if err != nil {
			panic(err)
		}
		if r.met != "" {
			panic(r.bound(r.met))
		}
		switch {
		case result == goja.Value(write):
			text = string(r.out)
		case goja.IsUndefined(result) || goja.IsNull(result):
			return "", fmt.Sprintf("%s returned %s: nothing to send", p.Name, result.String())
		default:
			text = r.returned(result)
		}
	}
	if p.Place == Header {
		text = stripHeader(text)
	}
	return text, ""
}

// returned is the text of the value of a `return`.
func (r *run) returned(v goja.Value) string {
	if goja.IsString(v) {
		return v.String()
	}
	switch o := v.(type) {
	case *goja.Symbol:
		panic(r.rt.NewTypeError("the template returned a symbol; return text or data"))
	case *goja.Object:
		if o.ExportType() == reflect.TypeFor[*goja.Promise]() {
			panic(r.rt.NewTypeError("the template returned a promise; templates do not wait"))
		}
	}
	text, ok := r.json(v)
	if !ok {
		panic(r.rt.NewTypeError("the template returned a function; return text or data"))
	}
	return text
}

// tag is __wb: it writes the node whose index is the first argument.
func (r *run) tag(call goja.FunctionCall) goja.Value {
	i := int(call.Argument(0).ToInteger())
	if r.met != "" || i < 0 || i >= len(r.part.nodes) {
		return goja.Undefined()
	}
	n := &r.part.nodes[i]
	switch n.kind {
	case nodeText:
		r.out = append(r.out, r.part.Source[n.start:n.end]...)
	case nodeExpr:
		r.write(n, call.Argument(1))
	case nodeRaw:
		r.out = append(r.out, r.text(call.Argument(1))...)
	case nodeEach:
		return r.list(call.Argument(1))
	}
	if len(r.out) > r.left {
		r.met = BoundOutput
		r.rt.Interrupt(BoundOutput)
	}
	return goja.Undefined()
}

// list makes [values, keys] of what stands in @each; keys is null unless it is a plain object.
func (r *run) list(v goja.Value) goja.Value {
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return r.rt.NewArray(r.rt.NewArray(), goja.Null())
	}
	if o, ok := v.(*goja.Object); ok && o.ClassName() == "Array" {
		return r.rt.NewArray(o, goja.Null())
	}
	o := v.ToObject(r.rt)
	if it := o.GetSymbol(goja.SymIterator); it != nil && !goja.IsUndefined(it) {
		values := []any{}
		r.rt.ForOf(o, func(v goja.Value) bool {
			values = append(values, v)
			return len(values) <= MaxOutput
		})
		return r.rt.NewArray(r.rt.NewArray(values...), goja.Null())
	}
	if length := o.Get("length"); length != nil && goja.IsNumber(length) {
		values := []any{}
		for i := range min(length.ToInteger(), MaxOutput) {
			values = append(values, o.Get(strconv.FormatInt(i, 10)))
		}
		return r.rt.NewArray(r.rt.NewArray(values...), goja.Null())
	}
	values, keys := []any{}, []any{}
	for _, k := range o.Keys() {
		values, keys = append(values, o.Get(k)), append(keys, k)
	}
	return r.rt.NewArray(r.rt.NewArray(values...), r.rt.NewArray(keys...))
}

// caught turns what ended a render into a problem with its place in the template.
func (r *run) caught(x any) *Problem {
	var stopped *goja.InterruptedError
	var deep *goja.StackOverflowError
	var thrown *goja.Exception
	err, _ := x.(error)
	problem, isProblem := x.(*Problem)
	switch {
	case isProblem:
		return problem
	case errors.As(err, &stopped):
		bound, _ := stopped.Value().(string)
		return r.place(stopped.Stack(), bounds[bound], bound)
	case errors.As(err, &deep):
		return r.place(deep.Stack(), bounds[BoundDepth], BoundDepth)
	case errors.As(err, &thrown):
		message, bound := r.describe(thrown.Value())
		return r.place(thrown.Stack(), message, bound)
	}
	if v, ok := x.(goja.Value); ok {
		message, bound := r.describe(v)
		return &Problem{Part: r.name(), Message: message, Bound: bound}
	}
	return &Problem{Part: r.name(), Message: fmt.Sprintf("the JavaScript engine failed: %.200v", x)}
}

func (r *run) name() string {
	if r.part == nil {
		return ""
	}
	return r.part.Name
}

func (r *run) bound(bound string) *Problem {
	return &Problem{Part: r.name(), Message: bounds[bound], Bound: bound}
}

// place finds the innermost frame that lies in the template.
func (r *run) place(stack []goja.StackFrame, message, bound string) *Problem {
	if r.part == nil || r.part.prog == nil {
		return &Problem{Part: r.name(), Message: message, Bound: bound}
	}
	for i := range stack {
		if at := stack[i].Position(); at.Line > 0 {
			src, _ := r.part.table.source(r.part.table.offset(at.Line, at.Column))
			return r.part.problem(src, message, bound)
		}
	}
	return &Problem{Part: r.part.Name, Message: message, Bound: bound}
}

// describe is the text of a thrown value. Making it may run code of the template, which may throw or be stopped.
func (r *run) describe(v goja.Value) (text, bound string) {
	defer func() {
		if err, _ := recover().(error); err != nil {
			var stopped *goja.InterruptedError
			if errors.As(err, &stopped) {
				bound, _ = stopped.Value().(string)
				text = bounds[bound]
			}
		}
	}()
	text = "the template threw a value that has no text"
	if v != nil {
		text = v.String()
	}
	return text, ""
}
