package model

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// A secret does not show by itself or in another thing, whatever prints, encodes or logs it. (As the key of a map JSON
// would show it: encoding/json takes keys of a text kind as they are.)
func TestSecretNeverShows(t *testing.T) {
	const text = "sesame-open-4711"
	s := Secret(text)
	type box struct {
		Name   string
		Secret Secret
		Ref    *Secret
	}
	things := []any{s, &s, box{"x", s, &s}, &box{"x", s, &s}, []Secret{s}, Secrets{"a": s}, [1]Secret{s}, []any{s}}
	hex := fmt.Sprintf("%x", text)
	shows := func(how, out string) {
		t.Helper()
		if low := strings.ToLower(out); strings.Contains(low, "sesame") || strings.Contains(low, hex[:12]) || strings.Contains(strings.ReplaceAll(low, " ", ""), hex[:12]) ||
			strings.Contains(low, "115 101 115") {
			t.Errorf("%s shows it: %s", how, out)
		}
	}
	for _, x := range things {
		for verb := '!'; verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "20", ".5", "+#"} {
				// An address; %w, which only Errorf knows (fmt asks no Formatter for a wrong verb w, and vet finds it); no verb.
				if verb == 'p' || verb == 'w' || strings.ContainsRune("+#- 0123456789.*[%", verb) {
					continue
				}
				format := "%" + flags + string(verb)
				shows(fmt.Sprintf("%s of a %T", format, x), fmt.Sprintf(format, x))
			}
		}
		shows("Sprint", fmt.Sprint(x))
		shows("Sprintln", fmt.Sprintln(x))
		shows("an error", fmt.Errorf("no: %v", x).Error())
		if b, err := json.Marshal(x); err == nil {
			shows("JSON", string(b))
		}
		if b, err := json.MarshalIndent(x, "", " "); err == nil {
			shows("indented JSON", string(b))
		}
		if b, err := xml.Marshal(x); err == nil {
			shows("XML", string(b))
		}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			l := slog.New(h)
			l.Info("message", "thing", x, slog.Any("again", x), slog.Group("group", "thing", x))
			l.With("thing", x).Error("message", "error", errors.New(fmt.Sprint(x)))
		}
		shows("slog", log.String())
	}
	if s.Reveal() != text {
		t.Error("Reveal must give the text")
	}
	if got := fmt.Sprintf("%v|%s|%q|%d|%x", s, s, s, s, s); got != strings.Repeat(Mask+"|", 4)+Mask {
		t.Errorf("printed as %s", got)
	}
}
