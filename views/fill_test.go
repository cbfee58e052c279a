package views_test

import (
	"context"
	"strings"
	"testing"

	"waybill/db/model"
	"waybill/views"
	"waybill/views/texts"
)

func TestDecimalCommas(t *testing.T) {
	form := []model.FormField{{Key: "n", Name: "N", Type: model.TypeCurrency}}
	for typed, want := range map[string]string{"20,5": "20.5", " -20,50 ": "-20.50", "0,125": "0.125", "1200,1234": "1200.1234", "20.5": "20.5", "1,000": "", "1.000,50": "", "1,000,000": "", "20,": ""} {
		got, bad := model.Read(form, views.Fill{Typed: map[string][]string{"n": {typed}}}.JSON(form))
		if want == "" {
			if len(bad) != 1 || !strings.Contains(bad[0].Message, "such as") {
				t.Errorf("%q: want a complaint with an example, got %v %v", typed, got, bad)
			}
			continue
		}
		if len(bad) != 0 || len(got) != 1 || string(got[0].Value.(interface{ String() string }).String()) != want {
			t.Errorf("%q: want %s, got %v %v", typed, want, got, bad)
		}
	}
}

// TestPeoplesWordsStayTheirs: "Email" and "Total" are texts of the program, too.
func TestPeoplesWordsStayTheirs(t *testing.T) {
	fields := []model.FormField{{Key: "a", Name: "Email", Help: "Total", Type: model.TypeText, Required: true}, {Key: "b", Name: "Total", Type: model.TypeCheckbox},
		{Key: "c", Name: "Done", Type: model.TypeRadio, Required: true, Options: []model.Choice{{Value: "x", Label: "Name"}}},
		{Key: "d", Name: "Kind", Type: model.TypeSelect, Required: true, Options: []model.Choice{{Value: "x", Label: "Failed"}}}}
	var b strings.Builder
	p := views.PublicFormProps{Name: "Form", Trigger: model.Trigger{Fields: fields}}
	if err := views.PublicForm(p).Render(texts.With(context.Background(), texts.Of("de")), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">Email<", ">Total<", ">Done<", ">Name<", ">Kind<", ">Failed<", "Senden"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}
