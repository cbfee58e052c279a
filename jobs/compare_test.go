package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/db/model"
)

// TestCompare renders real deliveries with an edited template and tells what the edit would do to each.
func TestCompare(t *testing.T) {
	d := newDesk(t)
	ids := map[string]model.EventID{}
	for i, data := range []string{`{"id":"same","total":200}`, `{"id":"other","total":300,"vip":true}`, `{"id":"none","total":400,"skip":true}`, `{"id":"bad","total":500,"broken":{}}`} {
		p := d.publish("order.made", data)
		ids[fmt.Sprint(i)] = p.ID
		d.settled(p.ID, model.Delivered)
	}
	before := d.received()
	edited := d.dest
	edited.Template = `{{! const o = it.data[0]; if (o.skip) return null; if (o.broken) return o.broken.a.b; return JSON.stringify(o.vip ? {...o, gold: true} : o); }}`
	got, err := d.Compare(t.Context(), edited)
	if err != nil || got.Cut || got.Gone != 0 || len(got.Items) != 4 {
		t.Fatalf("%d items, cut %v, gone %d: %v", len(got.Items), got.Cut, got.Gone, err)
	}
	want := []Effect{EffectFails, EffectSkipped, EffectChanged, EffectSame} // newest first
	for i, x := range got.Items {
		if x.Effect != want[i] {
			t.Errorf("item %d: %s, want %s: %+v", i, x.Effect, want[i], x.After)
		}
	}
	if x := got.Items[0]; x.After.Problem == nil || x.After.Problem.Line != 1 || !strings.Contains(string(x.Before.Body), `"bad"`) {
		t.Errorf("what fails does not say where: %+v", x)
	}
	if x := got.Items[2]; !strings.Contains(string(x.After.Body), `"gold":true`) || strings.Contains(string(x.Before.Body), "gold") || !strings.HasSuffix(x.After.URL, "/base/orders/other") {
		t.Errorf("both sides: %+v", x)
	}
	for _, x := range got.Items {
		if text := fmt.Sprintf("%+v", x); strings.Contains(text, "sesame") {
			t.Errorf("a comparison holds the secret: %s", text)
		}
	}
	edited.Template = ""
	if got, err = d.Compare(t.Context(), edited); err != nil || got.Items[3].Effect != EffectSame {
		t.Errorf("the same bytes by another way: %+v %v", got.Items[3].Effect, err)
	}
	if d.received() != before {
		t.Error("comparing sent something")
	}
	edited.ID = "dst_none"
	if _, err := d.Compare(t.Context(), edited); err == nil {
		t.Error("a destination that is not there was compared")
	}
}

// TestCompareOfASlowTemplate ends in time and says that it did not get through.
func TestCompareOfASlowTemplate(t *testing.T) {
	d := newDesk(t)
	for n := range 40 {
		d.settled(d.publish("order.made", fmt.Sprintf(`{"id":"%d","total":200}`, n)).ID, model.Delivered)
	}
	edited := d.dest
	edited.Template = `{{! for (;;) ; }}`
	began := time.Now()
	got, err := d.Compare(t.Context(), edited)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 4*compareTime {
		t.Errorf("it took %s", took)
	}
	if !got.Cut || len(got.Items) == 40 {
		t.Errorf("%d of 40 were rendered, cut: %v", len(got.Items), got.Cut)
	}
	for _, x := range got.Items {
		if x.Effect != EffectFails {
			t.Errorf("%s: %+v", x.Effect, x.After)
		}
	}
}
