// Package apitest holds what programs send and get against the OpenAPI document. Tests alone use it: every harness that
// calls the API hands each answer to it, so that the document cannot say what is not so.
//
// It is stricter than the document: an answer has no member that is not documented, and formats count. It knows nothing
// of the server but the document, and refuses answers that are not listed there by status and content type.
package apitest

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Prefix is where the paths of the document begin.
const Prefix = "/api/v1"

// Spec is a document that was read. It may be used by many at once.
type Spec struct {
	paths map[string]any

	mu       sync.Mutex
	lenient  *jsonschema.Compiler // as the document stands, for requests
	strict   *jsonschema.Compiler // without members that are not documented, for answers
	compiled map[string]*jsonschema.Schema
}

// The names under which the two forms of the document are compiled.
const (
	requests = "spec:requests"
	answers  = "spec:answers"
)

// Read reads a document.
func Read(text []byte) (*Spec, error) {
	s := &Spec{compiled: map[string]*jsonschema.Schema{}}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	closed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	for _, x := range object(object(object(closed)["components"])["schemas"]) {
		if o := object(x); o["properties"] != nil {
			o["additionalProperties"] = false
		}
	}
	s.paths = object(object(doc)["paths"])
	s.lenient, err = compiler(requests, doc)
	if err == nil {
		s.strict, err = compiler(answers, closed)
	}
	return s, err
}

func compiler(at string, doc any) (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	return c, c.AddResource(at, doc)
}

func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

// operation finds what a request asks for: its path as the document writes it, and what it says. Nil is not documented.
func (s *Spec) operation(method, path string) (string, map[string]any) {
	path, _, _ = strings.Cut(path, "?")
	path, ok := strings.CutPrefix(path, Prefix)
	if !ok {
		return "", nil
	}
	parts, best, open := strings.Split(path, "/"), "", len(path)+1
	for template, item := range s.paths {
		if n := fits(strings.Split(template, "/"), parts); n >= 0 && n < open && object(item)[strings.ToLower(method)] != nil {
			best, open = template, n
		}
	}
	return best, object(object(s.paths[best])[strings.ToLower(method)])
}

// fits counts the parameters of a template that a path fits, -1 when it does not.
func fits(template, path []string) int {
	if len(template) != len(path) {
		return -1
	}
	n := 0
	for i, part := range template {
		switch {
		case strings.HasPrefix(part, "{") && path[i] != "":
			n++
		case part != path[i]:
			return -1
		}
	}
	return n
}

// Answer says how an answer differs from what the document promises, nil when it does not; what GET gave has to be a
// body for PUT, too. What the document does not know, such as a path that leads nowhere, is no answer of the API.
func (s *Spec) Answer(method, path string, status int, header http.Header, body []byte) error {
	template, op := s.operation(method, path)
	if op == nil {
		return nil
	}
	code := strconv.Itoa(status)
	described := object(object(op["responses"])[code])
	if described == nil {
		return fmt.Errorf("%s %s: the document does not list %s: %.300s", method, path, code, body)
	}
	if len(body) == 0 && described["content"] == nil {
		return nil
	}
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || object(described["content"])[kind] == nil {
		return fmt.Errorf("%s %s: %s is not documented with the content type %q", method, path, code, header.Get("Content-Type"))
	}
	if kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return nil
	}
	if err := s.check(s.strict, answers, body, template, strings.ToLower(method), "responses", code, "content", kind, "schema"); err != nil {
		return fmt.Errorf("the answer %s to %s %s is not as documented: %w\n%.2000s", code, method, path, err, body)
	}
	if _, back := s.operation(http.MethodPut, path); method == http.MethodGet && status == http.StatusOK && back != nil {
		return s.Request(http.MethodPut, path, body)
	}
	return nil
}

// Request says what is wrong with a body in JSON by the document, nil when nothing is.
func (s *Spec) Request(method, path string, body []byte) error {
	template, op := s.operation(method, path)
	if object(object(object(op["requestBody"])["content"])["application/json"]) == nil {
		return fmt.Errorf("%s %s takes no JSON by the document", method, path)
	}
	err := s.check(s.lenient, requests, body, template, strings.ToLower(method), "requestBody", "content", "application/json", "schema")
	if err != nil {
		return fmt.Errorf("the request %s %s is not as documented: %w\n%.2000s", method, path, err, body)
	}
	return nil
}

// check holds a body against the schema that stands at a place below paths.
func (s *Spec) check(c *jsonschema.Compiler, root string, body []byte, place ...string) error {
	at := root + "#/paths"
	for _, part := range place {
		at += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "+", "%2B").Replace(part)
	}
	s.mu.Lock()
	schema, err := s.compiled[at], error(nil)
	if schema == nil {
		schema, err = c.Compile(at)
		s.compiled[at] = schema
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}
