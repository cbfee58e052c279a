package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"waybill/db/fault"
	"waybill/db/model"
)

// CheckEventDefinition cleans and checks an event definition and its schema.
func (s *Service) CheckEventDefinition(d *model.EventDefinition) error {
	d.Clean()
	var bad fault.Check
	bad.Join("", d.Check())
	if d.Schema != nil && len(d.Schema) <= model.MaxSchema {
		if _, err := compileSchema(d.Schema); err != nil {
			bad.Add("schema", "%s", err)
		}
	}
	return bad.Err()
}

// Misfits says where data differs from a definition's schema, nil when it fits or there is no schema. Places are JSON
// pointers ("/items/0/sku"); at most 20 are named.
func (s *Service) Misfits(d model.EventDefinition, data json.RawMessage) []fault.Field {
	if d.Schema == nil {
		return nil
	}
	schema, err := compileSchema(d.Schema)
	if err != nil {
		return []fault.Field{fault.Complaint("", "%s", err)}
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return []fault.Field{fault.Complaint("", "This is not JSON.")}
	}
	var wrong *jsonschema.ValidationError
	if !errors.As(schema.Validate(v), &wrong) {
		return nil
	}
	var out []fault.Field
	misfits(wrong, message.NewPrinter(language.English), &out)
	return out
}

const mostMisfits = 20

// misfits gathers the innermost reasons.
func misfits(e *jsonschema.ValidationError, p *message.Printer, out *[]fault.Field) {
	if len(e.Causes) == 0 && len(*out) < mostMisfits {
		at := ""
		for _, part := range e.InstanceLocation {
			at += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
		}
		*out = append(*out, fault.Field{Name: at, Message: e.ErrorKind.LocalizedString(p)})
	}
	for _, c := range e.Causes {
		misfits(c, p, out)
	}
}

// compileSchema reads a JSON Schema (draft 2020-12 unless it says otherwise). It loads nothing from anywhere, and refuses
// one whose references multiply: such a schema takes hours for a small event.
func compileSchema(text json.RawMessage) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fault.Say("This is not JSON: it ends too early.")
	}
	if err != nil {
		return nil, fault.Say("This is not JSON: %s.", strings.TrimPrefix(err.Error(), "json: "))
	}
	switch doc.(type) {
	case map[string]any, bool:
	default:
		return nil, fault.Say("A schema is an object, such as {\"type\": \"object\"}.")
	}
	if err := (&schemaCost{root: doc, known: map[string]int{}}).check(); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	if err := c.AddResource("schema:waybill", doc); err != nil {
		return nil, schemaFault(err)
	}
	schema, err := c.Compile("schema:waybill")
	if err != nil {
		return nil, schemaFault(err)
	}
	return schema, nil
}

// schemaFault puts the library's word on a schema into a sentence without its made-up address.
func schemaFault(err error) error {
	var invalid *jsonschema.SchemaValidationError
	var wrong *jsonschema.ValidationError
	if errors.As(err, &invalid) && errors.As(invalid.Err, &wrong) {
		var list []fault.Field
		misfits(wrong, message.NewPrinter(language.English), &list)
		if len(list) > 0 {
			var at any = list[0].Name
			if at == "" {
				at = fault.Noun("the top")
			}
			return fault.Say("This is no JSON Schema: at %s, %s.", at, list[0].Message)
		}
	}
	return fault.Say("This is no JSON Schema that can be used: %s.", strings.ReplaceAll(err.Error(), "schema:waybill", ""))
}

// noLoader refuses to fetch schemas: neither files nor addresses of the network are read because a schema says so.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %q; only references within the schema (#/…) can be followed", url)
}

// mostSchemaCost bounds how many schemas one value can be checked against.
const mostSchemaCost = 20_000

// schemaCost counts how many schemas there are when every reference is followed.
type schemaCost struct {
	root  any
	known map[string]int // by reference; -1 = being worked out
}

func (c *schemaCost) check() error {
	n, err := c.of(c.root, 0)
	if err == nil && n > mostSchemaCost {
		err = fault.Say("The references of this schema multiply too much. Make it simpler.")
	}
	return err
}

func (c *schemaCost) of(v any, depth int) (int, error) {
	if depth > 200 {
		return 0, fault.Say("The schema is nested too deep.")
	}
	n := 1
	add := func(v any) error {
		m, err := c.of(v, depth+1)
		n = min(n+m, mostSchemaCost+1)
		return err
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := add(x); err != nil {
				return 0, err
			}
		}
	case map[string]any:
		for name, x := range v {
			if ref, ok := x.(string); ok && (name == "$ref" || name == "$dynamicRef" || name == "$recursiveRef") {
				m, err := c.ref(ref, depth)
				if err != nil {
					return 0, err
				}
				n = min(n+m, mostSchemaCost+1)
				continue
			}
			if err := add(x); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (c *schemaCost) ref(ref string, depth int) (int, error) {
	if n, ok := c.known[ref]; ok {
		return max(n, 0), nil
	}
	path, ok := strings.CutPrefix(ref, "#")
	if !ok || path != "" && !strings.HasPrefix(path, "/") {
		return 0, fault.Say("It refers to %q; only references within the schema, such as #/$defs/address, can be followed.", ref)
	}
	v := c.root
	for _, part := range strings.Split(path, "/")[1:] {
		object, ok := v.(map[string]any)
		if v = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]; !ok || v == nil {
			return 0, fault.Say("It refers to %q, which is not there.", ref)
		}
	}
	c.known[ref] = -1
	n, err := c.of(v, depth+1)
	c.known[ref] = n
	return n, err
}
