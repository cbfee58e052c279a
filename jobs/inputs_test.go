package jobs

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/db/fault"
	"waybill/db/model"
)

// What a step fills in of an integration's form has the types of its fields; what is missing or does not fit is named.
func TestInputs(t *testing.T) {
	var form []model.FormField
	if err := json.Unmarshal([]byte(`[{"key":"text","name":"Text","type":"text","required":true},{"key":"n","name":"Count","type":"number","default":2},{"key":"on","name":"On","type":"checkbox"},
	 {"key":"tone","name":"Tone","type":"select","options":[{"value":"calm"},{"value":"loud"}]},{"key":"to","name":"To","type":"multi_select","options":[{"value":"a"},{"value":"b"}]},
	 {"key":"note","name":"Note","type":"instruction","required":true}]`), &form); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		given, want map[string]any
		bad         []fault.Field
	}{
		"nothing":  {nil, map[string]any{"n": 2.0}, []fault.Field{{Name: "input.text", Message: "Text is needed."}}},
		"typed":    {map[string]any{"text": "x", "n": "3.5", "on": "Yes", "tone": "calm", "to": "a, b"}, map[string]any{"text": "x", "n": 3.5, "on": true, "tone": "calm", "to": []any{"a", "b"}}, nil},
		"by JSON":  {map[string]any{"text": "x", "n": 4, "on": false, "other": "kept"}, map[string]any{"text": "x", "n": 4, "on": false, "other": "kept"}, nil},
		"tags":     {map[string]any{"text": "{{ it.run.subject }}", "n": "{{ it.data[0].n }}"}, map[string]any{"text": "{{ it.run.subject }}", "n": "{{ it.data[0].n }}"}, nil},
		"left out": {map[string]any{"text": "x", "n": " ", "tone": ""}, map[string]any{"text": "x", "n": 2.0}, nil},
		"wrong": {map[string]any{"text": "x", "n": "many", "on": "maybe", "tone": "off", "to": "a, c"}, map[string]any{"text": "x", "n": "many", "on": "maybe", "tone": "off", "to": "a, c"},
			[]fault.Field{{Name: "input.n", Message: "Give a number, or a tag such as {{ it.data[0].count }}."}, {Name: "input.on", Message: "Give true or false, or a tag."},
				{Name: "input.tone", Message: "“off” is none of the options."}, {Name: "input.to", Message: "“c” is none of the options."}}},
	} {
		got, bad := inputs(form, x.given)
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(x.bad, bad); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
