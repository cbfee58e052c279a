package ui

import (
	"cmp"
	"strings"
)

// glyphs are stroke icons on a 24 × 24 grid, as the content of an svg element.
// They take the colour of the text around them.
var glyphs = map[string]string{
	"home":        `<path d="M3.5 10.5 12 3.5l8.5 7v9a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1z"/><path d="M9.5 20.5v-6h5v6"/>`,
	"bolt":        `<path d="M13 2.5 4.5 14H12l-1 7.5L19.5 10H12z"/>`,
	"send":        `<path d="M21 3 10.5 13.5"/><path d="M21 3l-6.5 18-4-7.5L3 9.5z"/>`,
	"plug":        `<path d="M9 3v5M15 3v5M6.5 8h11v3.5a5.5 5.5 0 0 1-11 0zM12 17v4"/>`,
	"key":         `<circle cx="8" cy="15.5" r="4.5"/><path d="m11.5 12.5 8-8M16.5 7.5l2.5 2.5M14 10l1.5 1.5"/>`,
	"calendar":    `<rect x="3.5" y="5" width="17" height="15.5" rx="2"/><path d="M3.5 10h17M8 3v4M16 3v4"/>`,
	"pulse":       `<path d="M2.5 12H7l3-8 4.5 16 3-8h4"/>`,
	"truck":       `<path d="M2.5 6h11v10.5h-11zM13.5 9.5h4l4 4v3h-8z"/><circle cx="7" cy="18" r="2"/><circle cx="17" cy="18" r="2"/>`,
	"shield":      `<path d="M12 3l7.5 2.5v6c0 4.5-3 7.7-7.5 9.5-4.5-1.8-7.5-5-7.5-9.5v-6z"/><path d="m9 12 2 2 4-4"/>`,
	"users":       `<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c.3-3.6 2.8-6 6.5-6s6.2 2.4 6.5 6M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14.5c2.1.8 3.3 2.7 3.5 5.5"/>`,
	"user":        `<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5c.5-4 3.4-6.5 7.5-6.5s7 2.5 7.5 6.5"/>`,
	"settings":    `<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2.2"/><circle cx="9" cy="17" r="2.2"/>`,
	"book":        `<path d="M5 4.5A1.5 1.5 0 0 1 6.5 3H19v15H6.5A1.5 1.5 0 0 0 5 19.5zM5 19.5A1.5 1.5 0 0 0 6.5 21H19"/><path d="M9 7.5h6"/>`,
	"search":      `<circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.5 15.5 5 5"/>`,
	"menu":        `<path d="M4 6.5h16M4 12h16M4 17.5h16"/>`,
	"dots":        `<circle cx="5" cy="12" r="1.1" class="fill"/><circle cx="12" cy="12" r="1.1" class="fill"/><circle cx="19" cy="12" r="1.1" class="fill"/>`,
	"plus":        `<path d="M12 5v14M5 12h14"/>`,
	"minus":       `<path d="M5 12h14"/>`,
	"check":       `<path d="m4.5 12.5 5 5 10-11"/>`,
	"x":           `<path d="m6 6 12 12M18 6 6 18"/>`,
	"clock":       `<circle cx="12" cy="12" r="8.5"/><path d="M12 7v5l3.5 2"/>`,
	"pause":       `<path d="M8.5 5v14M15.5 5v14"/>`,
	"play":        `<path d="M7 4.5 19 12 7 19.5z"/>`,
	"stop":        `<rect x="6" y="6" width="12" height="12" rx="1.5"/>`,
	"retry":       `<path d="M20 11.5a8 8 0 0 0-14.5-4L3.5 10M4 12.5a8 8 0 0 0 14.5 4l2-2.5M3.5 5v5h5M20.5 19v-5h-5"/>`,
	"skip":        `<path d="m5 5 9 7-9 7zM18.5 5v14"/>`,
	"ban":         `<circle cx="12" cy="12" r="8.5"/><path d="m6 6 12 12"/>`,
	"alert":       `<path d="M12 3.5 22 20.5H2zM12 10v4.5M12 17.4v.2"/>`,
	"info":        `<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5.5M12 7.6v.2"/>`,
	"edit":        `<path d="M4 20l1-4.5L16.5 4a2 2 0 0 1 3 3L8.5 19z"/><path d="m14.5 6 3.5 3.5"/>`,
	"trash":       `<path d="M4 6.5h16M9.5 6.5v-3h5v3M6 6.5l1 14h10l1-14M10 10.5v6M14 10.5v6"/>`,
	"copy":        `<rect x="8.5" y="8.5" width="12" height="12" rx="2"/><path d="M15.5 5.5v-.5a1.5 1.5 0 0 0-1.5-1.5H5A1.5 1.5 0 0 0 3.5 5v9A1.5 1.5 0 0 0 5 15.5h.5"/>`,
	"eye":         `<path d="M2 12c2.5-4.5 6-6.5 10-6.5s7.5 2 10 6.5c-2.5 4.5-6 6.5-10 6.5S4.5 16.5 2 12z"/><circle cx="12" cy="12" r="3"/>`,
	"lock":        `<rect x="4.5" y="10.5" width="15" height="10" rx="2"/><path d="M8 10.5V7.5a4 4 0 0 1 8 0v3M12 14.5v2.5"/>`,
	"link":        `<path d="M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7l-1.3 1.3M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.7 5.7l1.3-1.3"/>`,
	"external":    `<path d="M13.5 4h6.5v6.5M20 4l-9 9M17.5 14v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7.5a1 1 0 0 1 1-1h5"/>`,
	"filter":      `<path d="M3.5 5h17L14 12.5v6.5l-4 1.5v-8z"/>`,
	"sun":         `<circle cx="12" cy="12" r="4"/><path d="M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4"/>`,
	"moon":        `<path d="M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z"/>`,
	"monitor":     `<rect x="3" y="4" width="18" height="12.5" rx="2"/><path d="M8.5 20.5h7M12 16.5v4"/>`,
	"logout":      `<path d="M14 4H5.5A1.5 1.5 0 0 0 4 5.5v13A1.5 1.5 0 0 0 5.5 20H14M10 12h10.5M17 8l4 4-4 4"/>`,
	"chevron":     `<path d="m9 5.5 6.5 6.5L9 18.5"/>`,
	"down":        `<path d="m5.5 9 6.5 6.5L18.5 9"/>`,
	"up":          `<path d="m5.5 15 6.5-6.5 6.5 6.5"/>`,
	"arrow-left":  `<path d="M20 12H4M10 6l-6 6 6 6"/>`,
	"arrow-right": `<path d="M4 12h16M14 6l6 6-6 6"/>`,
	"code":        `<path d="m8 7-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14"/>`,
	"inbox":       `<path d="M3 13.5 6 5h12l3 8.5v5.5H3zM3 13.5h5.5l1 2.5h5l1-2.5H21"/>`,
	"flow":        `<rect x="3" y="3.5" width="6" height="6" rx="1.5"/><rect x="15" y="14.5" width="6" height="6" rx="1.5"/><path d="M6 9.5v5a3 3 0 0 0 3 3h6"/>`,
	"list":        `<path d="M9 6h11M9 12h11M9 18h11M4 5v3M3.5 11h1.5l-1.5 2.5h1.5M3.5 16.5h1.5v3H3.5"/>`,
	"flask":       `<path d="M9.5 3.5h5M10.5 3.5v6L4.5 19a1 1 0 0 0 .9 1.5h13.2a1 1 0 0 0 .9-1.5l-6-9.5v-6M7.5 15h9"/>`,
	"history":     `<path d="M3.5 4.5v5h5M4 9.5a8.5 8.5 0 1 1-.5 3M12 7.5V12l3 2"/>`,
	"keyboard":    `<rect x="2.5" y="6" width="19" height="12.5" rx="2"/><path d="M6.5 10h.1M10.2 10h.1M13.8 10h.1M17.4 10h.1M6.5 14.5h.1M17.4 14.5h.1M9.5 14.5h5"/>`,
	"download":    `<path d="M12 4v11M7 10.5l5 5 5-5M4 20h16"/>`,
	// One glyph per connection type; an unknown type draws "plug".
	"webhook":       `<path d="M9.5 10.5 7 15.2M12 9a3.5 3.5 0 1 0-3.3-4.7M14.5 8 17 12.7M6.5 13.5a3.5 3.5 0 1 0 3.8 4H17M17.5 21a3.5 3.5 0 1 0-2.3-6.1"/><circle cx="12" cy="6" r="1" class="fill"/><circle cx="6" cy="17.5" r="1" class="fill"/><circle cx="17.5" cy="17.5" r="1" class="fill"/>`,
	"custom_http":   `<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.5c5 5 5 12 0 17M12 3.5c-5 5-5 12 0 17"/>`,
	"s3":            `<ellipse cx="12" cy="6" rx="8" ry="2.7"/><path d="m4 6 2.2 12.7c.5 2.3 11.1 2.3 11.6 0L20 6"/><path d="M7.5 12.5c2 .9 7 .9 9 0"/>`,
	"salesforce_mc": `<path d="M7 18.5a4.3 4.3 0 0 1-1.3-8.4A4.3 4.3 0 0 1 12.8 6a4.7 4.7 0 0 1 6.7 5.2 3.8 3.8 0 0 1-2 7.3z"/>`,
	"marketo":       `<path d="M5 18V8M10 20V5M15 17.5V8M20 15v-4"/>`,
	"slack":         `<path d="M10 3.5 7.5 20.5M16.5 3.5 14 20.5M4.5 8.5h16M3.5 15.5h16"/>`,
	"teams":         `<path d="M3.5 5h13v11h-6l-4 4v-4h-3zM19.5 9h1v10.5l-3-3H13"/><path d="M7 9h6M10 9v4"/>`,
}

// aliases are second names for a glyph.
var aliases = map[string]string{
	"http": "custom_http", "salesforce": "salesforce_mc", "connection": "plug", "credential": "key",
	"destination": "send", "action": "bolt", "event": "pulse", "delivery": "truck", "audit": "shield",
}

// Knows reports whether there is a drawing of that name.
func Knows(name string) bool {
	_, ok := glyphs[name]
	return ok
}

// Drawn is what an icon is found by that brings path data and a hue of its own along ("" = blue).
func Drawn(hue, path string) string { return "hue-" + cmp.Or(hue, "blue") + " " + path }

// drawn takes that apart.
func drawn(kind string) (hue, path string, ok bool) {
	if !strings.HasPrefix(kind, "hue-") {
		return "", kind, false
	}
	return strings.Cut(kind, " ")
}

// glyph is the drawing of a name; an unknown one is a plug, never nothing.
func glyph(name string) string {
	if a, ok := aliases[name]; ok {
		name = a
	}
	if g, ok := glyphs[name]; ok {
		return g
	}
	return glyphs["plug"]
}

// iconMarkup draws an icon by name, or the given path data when it begins with
// "M" or "m" (connection types bring their own). Decorative: hidden from
// assistive technology, so it always stands beside a word or in a labelled control.
func iconMarkup(name string) string {
	inner := glyph(name)
	if strings.HasPrefix(name, "M") || strings.HasPrefix(name, "m") && strings.ContainsAny(name, "0123456789") {
		inner = `<path d="` + escapeAttr(name) + `"/>`
	}
	return `<svg class="icon" viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" aria-hidden="true" focusable="false">` + inner + `</svg>`
}

func escapeAttr(s string) string {
	return strings.NewReplacer(`&`, "&amp;", `"`, "&quot;", `<`, "&lt;", `>`, "&gt;").Replace(s)
}

// hues gives each connection type its own tint (a class, for the CSP).
func hueOf(kind string) string {
	if hue, _, ok := drawn(kind); ok {
		return hue
	}
	switch kind {
	case "webhook":
		return "hue-violet"
	case "custom_http", "http":
		return "hue-blue"
	case "s3":
		return "hue-green"
	case "salesforce_mc", "salesforce":
		return "hue-cyan"
	case "marketo":
		return "hue-plum"
	case "slack":
		return "hue-pink"
	case "teams":
		return "hue-indigo"
	case "basic", "bearer", "header", "oauth2", "aws_sigv4", "platform_api_key", "client_secret", "client_certificate", "secret_url":
		return "hue-amber"
	}
	return "hue-blue"
}
