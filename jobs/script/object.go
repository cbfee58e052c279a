package script

import (
	"slices"

	"github.com/dop251/goja"
)

// orderedObject is an object whose keys keep their order even when they look like array indexes.
type orderedObject struct {
	keys   []string
	values map[string]goja.Value
}

// newOrderedObject takes over the properties of o.
func newOrderedObject(o *goja.Object) *orderedObject {
	d := &orderedObject{values: map[string]goja.Value{}}
	for _, k := range o.Keys() {
		d.Set(k, o.Get(k))
	}
	return d
}

func (d *orderedObject) Get(key string) goja.Value { return d.values[key] }

func (d *orderedObject) Set(key string, v goja.Value) bool {
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
	return true
}

func (d *orderedObject) Has(key string) bool { _, ok := d.values[key]; return ok }

func (d *orderedObject) Delete(key string) bool {
	if d.Has(key) {
		delete(d.values, key)
		d.keys = slices.DeleteFunc(d.keys, func(k string) bool { return k == key })
	}
	return true
}

func (d *orderedObject) Keys() []string { return d.keys }

// lazyObject is `it`: its members are read from JSON when they are first asked for, since most templates use one.
type lazyObject struct {
	orderedObject
	read  *reader
	spans map[string]span
	fail  func(*readError)
}

type span struct{ from, to int }

// newLazyObject finds the members of the JSON object in r.src. The members themselves are checked when they are read.
func newLazyObject(r *reader, fail func(*readError)) (*lazyObject, *readError) {
	d := &lazyObject{orderedObject: orderedObject{values: map[string]goja.Value{}}, read: r, spans: map[string]span{}, fail: fail}
	if r.peek() != '{' {
		return nil, r.fail("the input is not a JSON object")
	}
	r.pos++
	if r.peek() == '}' {
		return d, nil
	}
	for {
		k, err := r.key()
		if err != nil {
			return nil, err
		}
		from := r.pos
		if err := r.skip(); err != nil {
			return nil, err
		}
		if d.Set(k, nil); from < r.pos {
			d.spans[k] = span{from, r.pos}
		}
		switch r.peek() {
		case ',':
			r.pos++
		case '}':
			return d, nil
		default:
			return nil, r.fail("the input is not valid JSON")
		}
	}
}

func (d *lazyObject) Get(key string) goja.Value {
	if s, ok := d.spans[key]; ok {
		delete(d.spans, key)
		v, err := (&reader{rt: d.read.rt, exact: d.read.exact, src: d.read.src[s.from:s.to]}).read()
		if err != nil {
			d.fail(err)
		}
		d.values[key] = v
	}
	return d.values[key]
}

func (d *lazyObject) Set(key string, v goja.Value) bool {
	delete(d.spans, key)
	return d.orderedObject.Set(key, v)
}

func (d *lazyObject) Delete(key string) bool {
	delete(d.spans, key)
	return d.orderedObject.Delete(key)
}

// skip passes over one value, looking at brackets and strings only, and bounds its depth.
func (r *reader) skip() *readError {
	depth := 0
	for r.space(); r.pos < len(r.src); {
		switch c := r.src[r.pos]; c {
		case '"':
			if err := r.skipString(); err != nil {
				return err
			}
			if depth == 0 {
				return nil
			}
			continue
		case '{', '[':
			if depth++; depth > MaxJSONDepth {
				return &readError{text: "the JSON is nested too deeply", bound: BoundDepth}
			}
		case '}', ']', ',':
			if depth == 0 {
				return nil
			}
			if c != ',' {
				if depth--; depth == 0 {
					r.pos++
					return nil
				}
			}
		}
		r.pos++
	}
	return r.fail("the input is not valid JSON")
}

func (r *reader) skipString() *readError {
	for i := r.pos + 1; i < len(r.src); i++ {
		switch r.src[i] {
		case '\\':
			i++
		case '"':
			r.pos = i + 1
			return nil
		}
	}
	return r.fail("a JSON string is not closed")
}

// exactNumbers makes the Number objects of numbers whose digits a JavaScript number cannot hold. They calculate as
// numbers; String(x), `${x}` and JSON.stringify give their digits. Equal digits give the same object, so that ===
// between two of them compares digits.
type exactNumbers struct {
	rt     *goja.Runtime
	proto  *goja.Object
	raw    goja.Callable
	byText map[string]*goja.Object
	texts  map[*goja.Object]string
}

func (e *exactNumbers) make(text string) goja.Value {
	if o, ok := e.byText[text]; ok {
		return o
	}
	if e.proto == nil {
		e.prepare()
	}
	o, err := e.rt.New(e.rt.Get("Number"), e.rt.ToValue(text))
	if err != nil {
		panic(err)
	}
	if err := o.SetPrototype(e.proto); err != nil {
		panic(err)
	}
	e.byText[text], e.texts[o] = o, text
	return o
}

func (e *exactNumbers) prepare() {
	e.byText, e.texts = map[string]*goja.Object{}, map[*goja.Object]string{}
	number := e.rt.Get("Number").(*goja.Object).Get("prototype").(*goja.Object)
	e.raw, _ = goja.AssertFunction(e.rt.Get("JSON").(*goja.Object).Get("rawJSON"))
	plain, _ := goja.AssertFunction(number.Get("toString"))
	e.proto = e.rt.CreateObject(number)
	e.method("toString", func(call goja.FunctionCall) goja.Value {
		text, ok := e.of(call.This)
		if ok && len(call.Arguments) == 0 {
			return e.rt.ToValue(text)
		}
		return e.must(plain(call.This, call.Arguments...))
	})
	e.method("toJSON", func(call goja.FunctionCall) goja.Value {
		text, ok := e.of(call.This)
		if !ok {
			return call.This
		}
		return e.must(e.raw(goja.Undefined(), e.rt.ToValue(text)))
	})
}

func (e *exactNumbers) method(name string, f func(goja.FunctionCall) goja.Value) {
	if err := e.proto.DefineDataProperty(name, e.rt.ToValue(f), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		panic(err)
	}
}

func (e *exactNumbers) must(v goja.Value, err error) goja.Value {
	if err != nil {
		panic(err)
	}
	return v
}

func (e *exactNumbers) of(v goja.Value) (string, bool) {
	o, ok := v.(*goja.Object)
	if !ok || e.texts == nil {
		return "", false
	}
	text, ok := e.texts[o]
	return text, ok
}
