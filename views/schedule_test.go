package views

import (
	"slices"
	"testing"
)

func TestParseSchedule(t *testing.T) {
	for text, want := range map[string][]int{
		"":                          nil,
		" , ":                       nil,
		"0":                         {0},
		"0 s, 5s; 1 m\n2 H":         {0, 5, 60, 7200},
		"90 min, 1 day, 2 seconds,": {5400, 86400, 2},
	} {
		got, err := ParseSchedule(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"soon", "-5", "5 x", "1.5 h", "5 s 10 s", "99999999999999999999", "s"} {
		if got, err := ParseSchedule(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestScheduleIsReadBack(t *testing.T) {
	for _, s := range [][]int{{0, 5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400}, {61, 3601, 2 * 86400, 86400, 604800}} {
		got, err := ParseSchedule(Schedule(s))
		if err != nil || !slices.Equal(got, s) {
			t.Errorf("%s: got %v, %v; want %v", Schedule(s), got, err, s)
		}
	}
	if got := Schedule([]int{0, 60, 7200, 86400, 172800}); got != "0 s, 1 m, 2 h, 24 h, 2 d" {
		t.Errorf("got %q", got)
	}
}
