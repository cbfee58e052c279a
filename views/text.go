package views

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"waybill/db/model"
	"waybill/views/texts"
)

// say is a text in the reader's language (views/texts).
func say(ctx context.Context, id string, pairs ...string) string { return texts.T(ctx, id, pairs...) }

func itoa[N ~int | ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }

func has(list []string, one string) bool { return slices.Contains(list, one) }

// joined lists names for people.
func joined(ctx context.Context, names []string) string {
	if len(names) == 0 {
		return say(ctx, "none")
	}
	return strings.Join(names, ", ")
}

// words writes an identifier as text with a capital: "api_key" is "API key".
func words(id string) string {
	s := strings.NewReplacer("_", " ", ".", " ").Replace(id)
	if s == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(s, "api "); ok {
		return "API " + rest
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// capital begins a sentence: reasons are stored as parts of one.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// laneWords names the lane of a delivery or a run.
func laneWords(ctx context.Context, l model.Lane) string {
	switch l {
	case model.Realtime:
		return say(ctx, "Realtime")
	case model.Bulk:
		return say(ctx, "Bulk")
	}
	return words(string(l))
}

// live makes a search field filter while one types, where htmx is there: it replaces the element with that id.
func live(url, id string) templ.Attributes {
	return templ.Attributes{"hx-get": url, "hx-target": "#" + id, "hx-trigger": "input changed delay:250ms", "hx-sync": "this:replace", "hx-replace-url": "true"}
}

// browser names a User-Agent for people: good enough to tell one's own devices apart.
func browser(agent string) string {
	name, system := "", ""
	for _, b := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(agent, b[0]) {
			name = b[1]
			break
		}
	}
	for _, s := range [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, s[0]) {
			system = s[1]
			break
		}
	}
	switch {
	case name == "" && system == "":
		return "Unknown program"
	case name == "":
		return system
	case system == "":
		return name
	}
	return name + " on " + system
}

// within is a sentence that goes on after a colon, where English writes it small.
func within(ctx context.Context, s string) string {
	if texts.In(ctx).Tag == "de" {
		return s
	}
	return lower(s)
}

// lower begins a label in lower case, unless it is an abbreviation.
func lower(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
