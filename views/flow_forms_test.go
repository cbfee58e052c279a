package views

import (
	"context"
	"testing"

	"waybill/db/model"
)

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "30 minutes": 1800, "1 h 30 m": 5400, "3 Tage": 259200, "1 Woche, 2 Stunden": 612000, "90 s": 90, "0": 0} {
		if got, err := ParseSpan(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"2", "1 h 30", "soon", "3 x", "1,500 seconds", "99999999999 s"} {
		if got, err := ParseSpan(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	for _, n := range []int64{1, 90, 3600, 5401, 100001, 259200, 86400 * 5000} {
		if got, err := ParseSpan(SpanText(context.Background(), n)); err != nil || got != n {
			t.Errorf("%d is read back as %d, %v", n, got, err)
		}
	}
}

func TestKeysKeepTheirLetters(t *testing.T) {
	used := map[string]bool{"cafe": true}
	for name, want := range map[string]string{"Prüfen": "pruefen", "Größe (€)": "groesse", "Café": "cafe_2", "Total price": "total_price", "日本": "step", "Pru\u0308fen": "pruefen"} {
		if got := FreeKey(name, "step", used); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestSampleKeepsToBounds(t *testing.T) {
	field := func(bounds ...float64) []model.FormField {
		return []model.FormField{{Key: "n", Type: model.TypeNumber, Min: &bounds[0], Max: &bounds[1]}}
	}
	for want, fields := range map[string][]model.FormField{"{\n  \"n\": 30\n}": field(1, 30), "{\n  \"n\": 500\n}": field(500, 900), "{\n  \"n\": 120\n}": field(0, 900)} {
		if got := SampleOf(fields); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
