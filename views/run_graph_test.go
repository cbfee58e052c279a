package views

import (
	"testing"

	"waybill/db/model"
	"waybill/views/texts"
)

func TestWhatWasChosenIsShownInWords(t *testing.T) {
	form := []model.FormField{{Key: "room", Options: []model.Choice{{Value: "k", Label: "Kitchen"}, {Value: "l", Label: "Lab"}}}, {Key: "note"}}
	for _, x := range []struct {
		key   string
		value any
		want  string
	}{{"room", "k", "Kitchen"}, {"room", []any{"k", "l", "gone"}, "Kitchen, Lab, gone"}, {"room", nil, ""}, {"note", "k", "k"}, {"other", "l", "l"}} {
		if got := fieldText(t.Context(), labelled(model.FieldValue{Key: x.key, Value: x.value}, form)); got != x.want {
			t.Errorf("%s of %v: want %q, got %q", x.key, x.value, x.want, got)
		}
	}
	if got := fieldText(texts.With(t.Context(), texts.Of("de")), model.FieldValue{Value: false}); got != "Nein" {
		t.Errorf("a check box in German is %q", got)
	}
}
