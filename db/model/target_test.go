package model

import "testing"

func TestStepTarget(t *testing.T) {
	for _, webhook := range []WebhookID{"", "whk_1"} {
		w, step, got, ok := StepTarget("wfl_1", "call-shop", webhook).Step()
		if w != "wfl_1" || step != "call-shop" || got != webhook || !ok {
			t.Errorf("webhook %q: %s %s %s %t", webhook, w, step, got, ok)
		}
	}
	if _, _, _, ok := TargetID("dst_1").Step(); ok {
		t.Error("a destination is no step")
	}
}
