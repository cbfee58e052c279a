package ui_test

import (
	"strings"
	"testing"
	"time"

	"waybill/views/ui"
)

func TestFormats(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 3, 5, 0, time.UTC)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f            ui.Format
		moment, many string
	}{
		{ui.Format{}, "2026-11-21 14:03:05 UTC", "1,234,567"},
		{ui.Format{Locale: "de-DE", Zone: berlin}, "21.11.2026, 15:03:05", "1.234.567"},
		{ui.Format{Locale: "en-US"}, "Nov 21, 2026, 2:03:05 PM UTC", "1,234,567"},
		{ui.Format{Locale: "xx"}, "2026-11-21 14:03:05 UTC", "1,234,567"},
	} {
		if got := c.f.Moment(at); got != c.moment {
			t.Errorf("%+v: %q, want %q", c.f, got, c.moment)
		}
		if got := c.f.Count(1234567); got != c.many {
			t.Errorf("%+v: %q, want %q", c.f, got, c.many)
		}
	}
	for header, want := range map[string]string{"": "", "de-AT,de;q=0.9": "de-DE", "tlh, en-US;q=0.8": "en-US", "en": "en-GB", "*": ""} {
		if got := ui.Accepted(header); got != want {
			t.Errorf("Accept-Language %q: %q, want %q", header, got, want)
		}
	}
	for _, z := range ui.Zones() {
		if !ui.KnownZone(z) {
			t.Errorf("%s is no zone", z)
		}
	}
	for _, z := range []string{"", "Local", "Mars/Olympus", "../../etc/passwd", "12", strings.Repeat("a", 100)} {
		if ui.KnownZone(z) {
			t.Errorf("%q is taken for a zone", z)
		}
	}
}
