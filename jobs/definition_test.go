package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/db/fault"
	"waybill/db/model"
)

func TestSchemas(t *testing.T) {
	chain := `{"$ref": "#/$defs/d0", "$defs": {`
	for i := range 60 {
		chain += fmt.Sprintf(`"d%d": {"allOf": [{"$ref": "#/$defs/d%d"}, {"$ref": "#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	chain += `"d60": {}}}`
	for _, c := range []struct{ schema, want string }{
		{`{"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}`, ""},
		{`true`, ""},
		{`{"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}}`, ""},
		{`{"type": "objekt"}`, "no JSON Schema"},
		{`{"type": `, "not JSON"},
		{`[]`, "is an object"},
		{`{"$ref": "file:///etc/passwd"}`, "only references within"},
		{`{"$ref": "https://example.com/x.json"}`, "only references within"},
		{`{"$ref": "other.json#/x"}`, "only references within"},
		{`{"$ref": "#/$defs/none"}`, "not there"},
		{`{"$schema": "https://example.com/dialect"}`, "only references within"},
		{`{"pattern": "("}`, "no JSON Schema"},
		{chain, "multiply"},
		{strings.Repeat(`{"not":`, 300) + `{}` + strings.Repeat(`}`, 300), "too deep"},
	} {
		_, err := compileSchema(json.RawMessage(c.schema))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.80s: got %v, want %q", c.schema, err, c.want)
		}
	}
}

func TestMisfits(t *testing.T) {
	d := model.EventDefinition{Name: "order.created", Schema: json.RawMessage(
		`{"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}, "items": {"items": {"properties": {"a/b": {"type": "string"}}}}}}`)}
	s := &Service{}
	for data, want := range map[string][]fault.Field{
		`{"total": 12.50}`:                    nil,
		`{"total": 1, "items": [{"a/b": 2}]}`: {{Name: "/items/0/a~1b", Message: "got number, want string"}},
		`{}`:                                  {{Message: "missing property 'total'"}},
		`{`:                                   {{Message: "This is not JSON."}},
	} {
		if diff := cmp.Diff(want, s.Misfits(d, json.RawMessage(data))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", data, diff)
		}
	}
	if got := s.Misfits(model.EventDefinition{}, json.RawMessage(`1`)); got != nil {
		t.Errorf("without a schema: %v", got)
	}
}

func TestCheckEventDefinition(t *testing.T) {
	s := &Service{}
	d := model.EventDefinition{Name: " order.created ", Schema: json.RawMessage(" null ")}
	if err := s.CheckEventDefinition(&d); err != nil || d.Name != "order.created" || d.Schema != nil {
		t.Errorf("got %v, %+v", err, d)
	}
	d = model.EventDefinition{Name: "a b", Schema: json.RawMessage(`{"type": 1}`)}
	f := fault.Of(s.CheckEventDefinition(&d))
	if f == nil || len(f.Fields) != 2 || f.Fields[0].Name != "name" || f.Fields[1].Name != "schema" {
		t.Errorf("got %v, want complaints about name and schema", f)
	}
}
