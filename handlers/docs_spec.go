package handlers

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"waybill/views"
)

// spec is as much of an OpenAPI document as the reference shows.
type spec struct {
	Info struct {
		Description string `json:"description"`
	} `json:"info"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string              `json:"operationId"`
	Summary     string              `json:"summary"`
	Description string              `json:"description"`
	Tags        []string            `json:"tags"`
	Right       string              `json:"x-right"`
	Parameters  []parameter         `json:"parameters"`
	Body        *content            `json:"requestBody"`
	Responses   map[string]response `json:"responses"`
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                *schema
}

type content struct {
	Content map[string]struct{ Schema *schema }
}

type response struct {
	Description string
	content
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        any    // a word, or a list of them
	Format      string
	Description string
	Properties  map[string]*schema
	Required    []string
	Items       *schema
	AnyOf       []*schema
	OneOf       []*schema
	Enum        []any
	Minimum     *float64
	Maximum     *float64
	ReadOnly    bool
}

// resources is the order of the reference: what a program needs first stands first. Other tags follow by name.
var resources = []string{"Events", "Deliveries", "Connections", "Destinations", "Actions", "Credentials", "Users", "API keys", "Audit log"}

// methods is the order of the calls of one path.
var methods = []string{"get", "post", "put", "patch", "delete"}

func order(list []string, s string) int {
	if i := slices.Index(list, s); i >= 0 {
		return i
	}
	return len(list)
}

// readSpec turns the document into what the page shows, without what depends on the reader.
func readSpec(text []byte) (views.DocsProps, error) {
	var s spec
	if err := json.Unmarshal(text, &s); err != nil {
		return views.DocsProps{}, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	byTag := map[string][]views.DocCall{}
	refs, asked := map[string][]string{}, map[string][]string{} // the objects of answers, and of requests
	for _, path := range slices.Sorted(maps.Keys(s.Paths)) {
		for _, method := range slices.SortedFunc(maps.Keys(s.Paths[path]), func(a, b string) int { return order(methods, a) - order(methods, b) }) {
			op := s.Paths[path][method]
			tag := "Other"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			byTag[tag] = append(byTag[tag], s.call(path, method, op))
			refs[tag] = append(refs[tag], s.named(op)...)
			if op.Body != nil {
				asked[tag] = append(asked[tag], s.inside(s.resolve(op.Body.Content["application/json"].Schema))...)
			}
		}
	}
	p := views.DocsProps{About: paragraphs(s.Info.Description)}
	tags := slices.SortedFunc(maps.Keys(byTag), func(a, b string) int {
		if d := order(resources, a) - order(resources, b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	shown := map[string]bool{}
	for _, tag := range tags {
		r := views.DocResource{ID: anchor(tag), Name: tag, Calls: byTag[tag]}
		for _, name := range refs[tag] {
			s.object(&r, name, shown, false)
		}
		for _, name := range asked[tag] {
			s.object(&r, name, shown, true)
		}
		p.Resources = append(p.Resources, r)
	}
	errors := views.DocResource{ID: "errors", Name: "Errors"}
	s.object(&errors, "Problem", shown, false)
	p.Problem = errors.Objects
	return p, nil
}

func anchor(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "-")) }

// paragraphs are the parts of a text that empty lines divide.
func paragraphs(text string) []string {
	var out []string
	for _, p := range strings.Split(text, "\n\n") {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			out = append(out, p)
		}
	}
	return out
}

func (s *spec) call(path, method string, op operation) views.DocCall {
	c := views.DocCall{ID: op.ID, Method: strings.ToUpper(method), Path: path, Summary: op.Summary, Right: op.Right}
	for _, p := range paragraphs(op.Description) {
		if !strings.HasPrefix(p, "Needs the right") { // it has a place of its own
			c.Text = append(c.Text, p)
		}
	}
	for _, p := range op.Parameters {
		f := s.field(p.Name, p.Schema)
		f.Where, f.Required = p.In, p.Required
		if p.Description != "" {
			f.Text = p.Description
		}
		if p.In == "header" {
			c.Headers = append(c.Headers, f)
		} else {
			c.Params = append(c.Params, f)
		}
	}
	if op.Body != nil {
		for kind, body := range op.Body.Content {
			if kind == "application/json" {
				c.Body = plainly(s.fields(body.Schema))
			} else {
				c.OtherTypes = append(c.OtherTypes, kind)
			}
		}
		slices.Sort(c.OtherTypes)
	}
	for _, code := range slices.Sorted(maps.Keys(op.Responses)) {
		r := op.Responses[code]
		a := views.DocAnswer{Code: code, Word: r.Description}
		if body, ok := r.Content["application/json"]; ok {
			a.Type, a.Of = s.typeOf(body.Schema)
		}
		c.Answers = append(c.Answers, a)
	}
	return c
}

// resolve follows a reference.
func (s *spec) resolve(x *schema) *schema {
	if x != nil && x.Ref != "" {
		if to := s.Components.Schemas[refName(x.Ref)]; to != nil {
			return to
		}
	}
	return x
}

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// fields are the properties of an object: the needed ones first, then by name.
func (s *spec) fields(x *schema) []views.DocField {
	x = s.resolve(x)
	if x == nil {
		return nil
	}
	var out []views.DocField
	for name, p := range x.Properties {
		f := s.field(name, p)
		f.Required = slices.Contains(x.Required, name)
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b views.DocField) int {
		if a.Required != b.Required {
			if a.Required {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// orNull ends the words for what can be null.
const orNull = " or null"

// plainly gives fields of what programs send: all that is not needed may be null there, which is not said each time.
func plainly(list []views.DocField) []views.DocField {
	for i := range list {
		list[i].Type = strings.Replace(list[i].Type, orNull, "", 1)
	}
	return list
}

func (s *spec) field(name string, x *schema) views.DocField {
	f := views.DocField{Name: name}
	if x == nil {
		return f
	}
	f.Text, f.ReadOnly = x.Description, x.ReadOnly
	f.Type, f.Of = s.typeOf(x)
	if x.Minimum != nil && x.Maximum != nil {
		f.Type += fmt.Sprintf(", %g to %g", *x.Minimum, *x.Maximum)
	} else if x.Minimum != nil && *x.Minimum != 0 {
		f.Type += fmt.Sprintf(", from %g", *x.Minimum)
	}
	for _, v := range x.Enum {
		if v == nil {
			continue // the type says so
		}
		f.OneOf = append(f.OneOf, fmt.Sprint(v))
	}
	return f
}

// typeOf says what a schema is in words, and of which named object it is made ("" = none).
func (s *spec) typeOf(x *schema) (words, of string) {
	switch {
	case x == nil:
		return "", ""
	case x.Ref != "":
		name := refName(x.Ref)
		if item, ok := s.listOf(name); ok {
			return "page of " + item, item
		}
		return name, name
	case len(x.AnyOf) > 0:
		words, of = s.typeOf(x.AnyOf[0])
		return words + orNull, of
	case len(x.OneOf) > 0:
		words, of = s.typeOf(x.OneOf[0])
		for _, other := range x.OneOf[1:] {
			more, _ := s.typeOf(other)
			words += " or " + more
		}
		return words, of
	case x.Items != nil:
		words, of = s.typeOf(x.Items)
		return "array of " + words, of
	}
	if x.Format == "date-time" {
		return strings.Replace(typeWords(x.Type), "string", "time", 1), ""
	}
	return typeWords(x.Type), ""
}

// listOf is the name of what a page lists.
func (s *spec) listOf(name string) (string, bool) {
	list := s.Components.Schemas[name]
	if list == nil || list.Properties["items"] == nil || list.Properties["items"].Items == nil || list.Properties["next_cursor"] == nil {
		return "", false
	}
	return refName(list.Properties["items"].Items.Ref), true
}

func typeWords(t any) string {
	switch t := t.(type) {
	case string:
		return t
	case []any:
		words := make([]string, len(t))
		for i, w := range t {
			words[i] = fmt.Sprint(w)
		}
		return strings.Join(words, " or ")
	}
	return "any"
}

// named are the objects that the good answers of a call speak of.
func (s *spec) named(op operation) []string {
	var out []string
	for code, r := range op.Responses {
		if body, ok := r.Content["application/json"]; ok && code < "300" {
			if _, of := s.typeOf(body.Schema); of != "" {
				out = append(out, of)
			}
		}
	}
	slices.Sort(out)
	return out
}

// inside are the objects that the properties of x are made of.
func (s *spec) inside(x *schema) []string {
	var out []string
	if x == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(x.Properties)) {
		if _, of := s.typeOf(x.Properties[name]); of != "" {
			out = append(out, of)
		}
	}
	return out
}

// object adds a named object and those inside it to r, once on the whole page. Of one that is asked for it says what is
// needed; an answer holds all that its text does not except.
func (s *spec) object(r *views.DocResource, name string, shown map[string]bool, asked bool) {
	x := s.Components.Schemas[name]
	if x == nil || shown[name] {
		return
	}
	shown[name] = true
	o := views.DocObject{Name: name, Fields: s.fields(x)}
	if asked {
		o.Fields = plainly(o.Fields)
	}
	for i := range o.Fields {
		o.Fields[i].Required = asked && o.Fields[i].Required
	}
	slices.SortStableFunc(o.Fields, func(a, b views.DocField) int {
		return order([]string{"id", "name"}, a.Name) - order([]string{"id", "name"}, b.Name)
	})
	r.Objects = append(r.Objects, o)
	for _, inner := range s.inside(x) {
		s.object(r, inner, shown, asked)
	}
}
