package model

import (
	"encoding/json"
	"strings"
	"testing"
)

const purchase = `{
  "trigger": {"kind":"public_form","fields":[{"key":"item","name":"Item","type":"text","required":true},
    {"key":"boss","name":"Boss","type":"email"},{"key":"price","name":"Price","type":"currency","min":1}]},
  "steps": [
    {"key":"check","name":"Check","kind":"task","assignees":["role:Operator","initiator"],"due_seconds":60,
     "fields":[{"key":"ok","type":"checkbox"}],"next":[{"to":"approve","when":"steps.check.fields.ok"}],
     "webhooks":[{"name":"Told","url":"https://a.example/x","trigger":"created","auth":{"type":"client_secret","secret":"hush"}},
                 {"name":"Basic","url":"https://a.example/x","enabled":false,"auth":{"type":"basic","username":"u","password":"p4ss"}}]},
    {"key":"approve","kind":"parallel_approval","assignees":["a@b.c","field:trigger.boss"],"on_reject":{"to":"check"},"next":[{"to":"send"}]},
    {"key":"send","kind":"outgoing","request":{"name":"Order","url":"https://a.example/{{ it.run.id }}?x={{ it.data[0].item }}","body_in_event":false},"next":[{"to":"end"}]},
    {"key":"end","kind":"end"}
  ]}`

func readDefinition(t *testing.T, text string) Definition {
	t.Helper()
	var d Definition
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	d.Clean()
	return d
}

func TestADefinitionReadsAndWrites(t *testing.T) {
	d := readDefinition(t, purchase)
	if bad := append(d.Check(), d.CheckWhole()...); len(bad) > 0 {
		t.Fatal(bad)
	}
	hooks := d.Steps[0].Webhooks
	if hooks[0].Auth.Typed[AuthSecret].Reveal() != "hush" || hooks[1].Auth.Typed[AuthPassword].Reveal() != "p4ss" || !hooks[0].Enabled || hooks[1].Enabled || hooks[1].Trigger != OnCompleted {
		t.Errorf("%+v", hooks)
	}
	if r := d.Steps[2].Request; r.ShowsBody() || r.ResponseEvent() != "webhook.response" || r.Method != "POST" {
		t.Errorf("%+v", r)
	}
	text, err := json.Marshal(d)
	if err != nil || strings.Contains(string(text), "hush") || strings.Contains(string(text), "p4ss") || strings.Contains(string(text), Mask) {
		t.Errorf("%s %v", text, err)
	}
	again := readDefinition(t, string(text))
	if second, _ := json.Marshal(again); string(second) != string(text) {
		t.Errorf("\n%s\n%s", text, second)
	}
}

func TestComplaintsNameTheStep(t *testing.T) {
	for _, x := range []struct{ old, new, field, words string }{
		{`"to":"approve"`, `"to":"aprove"`, "steps[0].next[0].to", "Step “Check”: There is no step “aprove”."},
		{`"key":"end","kind":"end"`, `"key":"check","kind":"end"`, "steps[3].key", "Another step has the key"},
		{`"key":"end"`, `"key":"trigger"`, "steps[3].key", "stands for what started"},
		{`"kind":"parallel_approval"`, `"kind":"vote"`, "steps[1].kind", "One of task, approval"},
		{`"a@b.c"`, `"nobody"`, "steps[1].assignees[0]", "An email address"},
		{`field:trigger.boss`, `field:trigger.bos`, "steps[1].assignees[1]", "has no field “bos”"},
		{`"to":"check"`, `"to":"x"`, "steps[1].on_reject.to", "no step “x”"},
		{`https://a.example/{{`, `https://{{ it.data[0].host }}/{{`, "steps[2].request.url", "The host is never templated"},
		{`https://a.example/{{`, `ftp://a.example/{{`, "steps[2].request.url", "starts with https://"},
		{`"secret":"hush"`, `"secret":"` + strings.Repeat("é", 251) + `"`, "steps[0].webhooks[0].auth.secret", "At most 250 characters"},
		{`"username":"u"`, `"username":"` + strings.Repeat("u", 101) + `"`, "steps[0].webhooks[1].auth.username", "At most 100"},
		{`"password":"p4ss"`, `"password":"` + strings.Repeat("p", 101) + `"`, "steps[0].webhooks[1].auth.password", "At most 100"},
		{`"type":"checkbox"`, `"type":"tickbox"`, "steps[0].fields[0].type", "One of text"},
		{`"name":"Told","url":"https://a.example/x"`, `"name":"Told"`, "steps[0].webhooks[0].url", "Where the message is sent"},
	} {
		d := readDefinition(t, strings.Replace(purchase, x.old, x.new, 1))
		found := false
		for _, f := range d.Check() {
			found = found || f.Name == x.field && strings.Contains(f.Message, x.words)
		}
		if !found {
			t.Errorf("%s: %v", x.new, d.Check())
		}
	}
	d := readDefinition(t, strings.Replace(purchase, `"next":[{"to":"end"}]`, `"next":[]`, 1))
	if bad := d.CheckWhole(); len(bad) != 1 || bad[0].Name != "steps[3].key" || !strings.Contains(bad[0].Message, "Nothing leads to this step") {
		t.Error(bad)
	}
}

func TestFieldsTakeWhatTheySay(t *testing.T) {
	two, five := 2.0, 5.0
	options := []Choice{{"a", "A"}, {"b", "B"}}
	for _, x := range []struct {
		f     FormField
		given string
		want  string // JSON, "" = refused
	}{
		{FormField{Type: TypeText}, `"x"`, `"x"`},
		{FormField{Type: TypeText}, `"x\ny"`, ``},
		{FormField{Type: TypeText}, `5`, ``},
		{FormField{Type: TypeText, Required: true}, `" "`, ``},
		{FormField{Type: TypeText, Min: &two, Max: &five}, `"abcdef"`, ``},
		{FormField{Type: TypeText, Min: &two, Max: &five}, `"a"`, ``},
		{FormField{Type: TypeText, Pattern: "[a-z]+|x1"}, `"x1"`, `"x1"`},
		{FormField{Type: TypeText, Pattern: "[a-z]+|x1"}, `"ax1"`, ``},
		{FormField{Type: TypeTextArea}, `"x\ny"`, `"x\ny"`},
		{FormField{Type: TypeSelect, Options: options}, `"a"`, `"a"`},
		{FormField{Type: TypeRadio, Options: options}, `"c"`, ``},
		{FormField{Type: TypeMultiSelect, Options: options}, `["b","a"]`, `["b","a"]`},
		{FormField{Type: TypeMultiSelect, Options: options}, `"b"`, `["b"]`},
		{FormField{Type: TypeMultiSelect, Options: options}, `["b","b"]`, ``},
		{FormField{Type: TypeMultiSelect, Options: options, Min: &two}, `["b"]`, ``},
		{FormField{Type: TypeMultiSelect, Options: options, Required: true}, `[]`, ``},
		{FormField{Type: TypeCheckbox}, `"on"`, `true`},
		{FormField{Type: TypeCheckbox}, ``, `false`},
		{FormField{Type: TypeCheckbox, Required: true}, `false`, ``},
		{FormField{Type: TypeEmail}, `"a@b.c"`, `"a@b.c"`},
		{FormField{Type: TypeEmail}, `"A <a@b.c>"`, ``},
		{FormField{Type: TypeDate}, `"2026-02-28"`, `"2026-02-28"`},
		{FormField{Type: TypeDate}, `"2026-02-30"`, ``},
		{FormField{Type: TypeDateTime}, `"2026-02-28T10:30"`, `"2026-02-28T10:30:00Z"`},
		{FormField{Type: TypeDateTime}, `"2026-02-28T10:30:00+02:00"`, `"2026-02-28T10:30:00+02:00"`},
		{FormField{Type: TypeDateTime}, `"tomorrow"`, ``},
		{FormField{Type: TypeNumber, Min: &two, Max: &five}, `2`, `2`},
		{FormField{Type: TypeNumber, Min: &two, Max: &five}, `1.999`, ``},
		{FormField{Type: TypeNumber, Min: &two, Max: &five}, `"6"`, ``},
		{FormField{Type: TypeNumber}, `12345678901234567890.5`, `12345678901234567890.5`},
		{FormField{Type: TypeNumber}, `"1 2"`, ``},
		{FormField{Type: TypeNumber}, `"NaN"`, ``},
		{FormField{Type: TypeCurrency}, `"12.50"`, `12.50`},
		{FormField{Type: TypeCurrency}, `12.12345`, ``},
		{FormField{Type: TypeFile}, `"fil_1"`, `"fil_1"`},
		{FormField{Type: TypeText, Default: "d"}, ``, `"d"`},
		{FormField{Type: TypeText, Default: "d"}, `""`, `null`},
	} {
		x.f.Key = "k"
		given := map[string]json.RawMessage{}
		if x.given != "" {
			given["k"] = json.RawMessage(x.given)
		}
		values, bad := Read([]FormField{x.f}, given)
		got := ""
		if len(bad) == 0 {
			b, _ := json.Marshal(values[0].Value)
			got = string(b)
		}
		if got != x.want || (len(bad) > 0 && bad[0].Name != "fields.k") {
			t.Errorf("%+v %s: want %q, got %q %v", x.f, x.given, x.want, got, bad)
		}
	}
	if _, bad := Read(nil, map[string]json.RawMessage{"x": nil}); len(bad) != 1 {
		t.Error("an unknown field was taken")
	}
	if v, bad := Read([]FormField{{Key: "i", Type: TypeInstruction}}, nil); len(v) != 0 || len(bad) != 0 {
		t.Error(v, bad)
	}
}
