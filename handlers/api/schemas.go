package api

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// huma makes one schema of a Go type, for bodies that come and for those that go. What is always there differs: a request
// may leave out all that has a default, an answer leaves out nothing that its type does not say. So the document gets
// schemas of its own, one for each direction, made from huma's and from the tags of the type:
//
//   - An answer has every member, but those that are omitempty or omitzero; a pointer can be null, a list or map never is.
//     What is only written (writeOnly) is not in it.
//   - A request needs what is tagged needed:"true", and jobs says in better words than a schema could when that is absent;
//     so bodies are not validated against it. Anything else may be absent or null. What is only read (readOnly) is not in it.
//
// A type that stands in both is named X in answers and XInput in requests.
type shapes struct {
	registry huma.Registry
	answers  map[string]*huma.Schema
	requests map[string]*huma.Schema
}

// direction is which way a body goes.
type direction bool

const (
	answered direction = false
	asked    direction = true
)

const schemasAt = "#/components/schemas/"

// describe puts in place of the document's schemas those of each direction.
func describe(doc *huma.OpenAPI) {
	s := shapes{doc.Components.Schemas, map[string]*huma.Schema{}, map[string]*huma.Schema{}}
	var ops []*huma.Operation
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				ops = append(ops, op)
			}
		}
	}
	for _, op := range ops { // before any request, so that it is known which types stand in both
		for _, r := range op.Responses {
			for _, m := range r.Content {
				m.Schema = s.of(m.Schema, answered)
			}
		}
	}
	for _, op := range ops {
		if op.RequestBody == nil {
			continue
		}
		for _, m := range op.RequestBody.Content {
			m.Schema = s.of(m.Schema, asked)
		}
	}
	all := s.registry.Map()
	clear(all)
	maps.Copy(all, s.answers)
	for name, x := range s.requests {
		if all[name] != nil {
			panic(fmt.Sprintf("two schemas are called %s", name))
		}
		all[name] = x
	}
}

// of is a copy of x for a direction.
func (s *shapes) of(x *huma.Schema, d direction) *huma.Schema {
	if x == nil {
		return nil
	}
	y := *x
	if x.Ref != "" {
		y.Ref = schemasAt + s.named(x.Ref, d)
		return &y
	}
	y.Nullable = false // but where a member says so
	y.Items = s.of(x.Items, d)
	if each, ok := x.AdditionalProperties.(*huma.Schema); ok {
		y.AdditionalProperties = s.of(each, d)
	}
	y.OneOf = slices.Clone(x.OneOf)
	for i := range y.OneOf {
		y.OneOf[i] = s.of(y.OneOf[i], d)
	}
	return &y
}

// named makes the schema that ref leads to, and gives its name.
func (s *shapes) named(ref string, d direction) string {
	name := strings.TrimPrefix(ref, schemasAt)
	made, key := s.answers, name
	if d == asked {
		made = s.requests
		if s.answers[name] != nil {
			key = name + "Input"
		}
	}
	if made[key] == nil {
		made[key] = &huma.Schema{} // known before its members, which may lead back to it
		made[key] = s.object(s.registry.SchemaFromRef(ref), s.registry.TypeFromRef(ref), d)
	}
	return key
}

// object is the schema of a struct.
func (s *shapes) object(x *huma.Schema, t reflect.Type, d direction) *huma.Schema {
	y := *x
	y.Properties, y.Required = map[string]*huma.Schema{}, nil
	fields := tagsOf(t)
	for name, p := range x.Properties {
		if d == asked && p.ReadOnly || d == answered && p.WriteOnly {
			continue
		}
		m := fields[name]
		needed, null := !m.optional, m.pointer
		if d == asked {
			needed, null = m.needed, !m.needed
		}
		q := s.of(p, d)
		if null {
			q = orNone(q)
		}
		if needed {
			y.Required = append(y.Required, name)
		}
		y.Properties[name] = q
	}
	slices.Sort(y.Required)
	return &y
}

// orNone is x, or null.
func orNone(x *huma.Schema) *huma.Schema {
	none := &huma.Schema{Type: "null"}
	switch {
	case x.Ref != "":
		return &huma.Schema{Description: x.Description, ReadOnly: x.ReadOnly, WriteOnly: x.WriteOnly, AnyOf: []*huma.Schema{{Ref: x.Ref}, none}}
	case x.Type != "": // without, it is anything
		x.Nullable = true
		if len(x.Enum) > 0 {
			x.Enum = append(slices.Clone(x.Enum), nil)
		}
	}
	return x
}

// tags are what the tags and the type of a field say.
type tags struct {
	optional bool // absent from an answer when it is empty
	pointer  bool // null in an answer when there is none
	needed   bool // in a request
}

// tagsOf are those of the fields of a struct, those of embedded structs included, by their names in JSON.
func tagsOf(t reflect.Type) map[string]tags {
	out := map[string]tags{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue
		}
		kind := f.Type.Kind()
		optional := strings.Contains(options, "omitzero") || strings.Contains(options, "omitempty") && kind != reflect.Struct
		out[name] = tags{optional: optional, pointer: kind == reflect.Pointer && !optional && f.Tag.Get("nullable") != "false", needed: f.Tag.Get("needed") == "true"}
	}
	return out
}
