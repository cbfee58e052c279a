package main

import "testing"

// TestGerman: a reader who chose German reads German, and nothing is too long for its place.
func TestGerman(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	destination := furnish(p)
	b := newBrowser(t, p.url(""), true)
	b.open("/login")
	b.fill("email", "ada@example.com")
	b.fill("password", password)
	b.press("Sign in")
	b.open("/account")
	b.choose("language", "Deutsch")
	b.choose("locale", "German")
	b.press("Save language and numbers")
	for path, words := range map[string]string{
		"/":                            "Übersicht",
		"/connections":                 "Verbindungen",
		"/connections/new?type=s3":     "Verbindung",
		"/credentials/new/oauth2":      "URL für Zugriffstoken",
		"/inbound/new/hmac":            "Header der Signatur",
		"/deliveries":                  "Zustellungen",
		"/destinations/" + destination: "Vorlage",
		"/workflows":                   "Abläufe",
		"/settings/storage":            "Speicher",
	} {
		b.open(path)
		b.sees(words)
		b.inspect()
		if path == "/deliveries" || path == "/" {
			b.picture("german"+map[bool]string{true: "", false: "-list"}[path == "/"], "light")
		}
	}
	b.size(390, 844)
	b.open("/deliveries")
	b.picture("german-phone", "dark")
}
