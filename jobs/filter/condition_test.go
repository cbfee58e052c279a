package filter

import (
	"strings"
	"testing"

	"waybill/db/model"
)

func TestConditions(t *testing.T) {
	env, err := NewRunEnv(model.Event{Name: "order.created", Data: []byte(`{"total":120}`)}, []byte(`{"number":7,"subject":"S","data":{"total":120},"initiator":"a@b.c"}`),
		[]byte(`{"check":{"status":"completed","fields":{"ok":true,"n":12},"decisions":[{"actor":"a@b.c","decision":"approved"}],"output":null,"response":null},
		 "send-it":{"status":"failed","fields":{},"decisions":[],"output":null,"response":{"status":503,"headers":{},"body":{"code":"busy"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]bool{
		`event.data.total > 100 && run.number == 7`:                       true,
		`steps.check.fields.ok`:                                           true,
		`steps.check.fields.n >= 12 && run.data.total == 120`:             true,
		`steps["send-it"].response.status == 503`:                         true,
		`steps["send-it"].response.body.code in ["busy","full"]`:          true,
		`steps.none.response.status >= 200`:                               false,
		`steps.none == null`:                                              true,
		`steps.check.output == nil`:                                       true,
		`any(steps.check.decisions, #.decision == "approved")`:            true,
		`len(steps.check.decisions) == 1 && run.initiator == "a@b.c"`:     true,
		`event.name == "order.created" && steps.check.status != "failed"`: true,
	} {
		p, problem := CompileCondition(source)
		if problem != nil {
			t.Errorf("%s: %v", source, problem)
			continue
		}
		got, shown, err := p.Eval(env)
		if got != want || err != nil {
			t.Errorf("%s: %v %s %v", source, got, shown, err)
		}
	}
	p, _ := CompileCondition(`steps.check.fields.n > 100 && run.number > 0`)
	if _, shown, _ := p.Eval(env); shown != "steps.check.fields.n = 12, run.number = 7" {
		t.Error(shown)
	}
	if _, problem := CompileCondition(`stepps.x`); problem == nil || !strings.Contains(problem.Message, "run (id, number") {
		t.Error(problem)
	}
	for _, source := range []string{`run.number == 7`, `steps.check.fields.ok`} {
		if _, problem := Compile(source); problem == nil {
			t.Errorf("a filter of an action sees %s", source)
		}
	}
}
