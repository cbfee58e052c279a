package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/jobs/s3/s3test"
)

// TestNamedJourney sets the named systems up in a browser, the wrong way first: a bucket with the hourly export and the files of
// forms, Marketing Cloud and Marketo with a destination each.
func TestNamedJourney(t *testing.T) {
	s := newMarket(t)
	x := s3test.New(t)
	b := newBrowser(t, s.url(""), true)
	b.thorough = true
	b.signIn("ada@example.com", password)
	b.open("/connections/new")
	b.sees("Microsoft Teams")
	b.inspect()
	b.makesBucket(x)
	s.exports(b, x)
	b.connects("Salesforce Marketing Cloud", "settings.subdomain", "bad.sub", "Only the subdomain", s.salesforce.REST.URL, map[string]string{"oauth2.token_url": s.salesforce.TokenURL(), "oauth2.client_id": s.salesforce.ID, "oauth2.client_secret": s.salesforce.Secret})
	b.writes("Rows", map[string]string{"settings.data_extension": "Orders & more"}, "External key of the data extension")
	b.connects("Marketo", "settings.munchkin_id", "12-ABC", "Three groups of letters and digits", s.marketo.URL, map[string]string{"oauth2.token_url": s.marketo.TokenURL(), "oauth2.client_id": s.marketo.ID, "oauth2.client_secret": s.marketo.Secret})
	b.writes("Leads", map[string]string{"settings.lookup_field": "email"}, "")
	b.open("/connections")
	b.sees("Archive")
	b.inspect()
	for _, page := range []string{"/docs/connections/webhook", "/docs/connections/custom_http", "/docs/connections/s3", "/docs/connections/salesforce_mc"} {
		b.open(page)
		b.sees("New connection")
		b.inspect()
	}
}

// makesBucket connects to a bucket and tries it.
func (b *browser) makesBucket(x *s3test.Server) {
	b.Helper()
	b.press("Amazon S3")
	b.sees("Leave it empty at Amazon")
	b.misses("Retry schedule")
	b.fill("name", "Archive")
	b.fill("settings.bucket", "Not A Bucket")
	b.fill("settings.region", s3test.Region)
	b.fill("base_url", x.URL)
	b.press("Save and continue")
	b.sees("lower-case")
	b.inspect()
	b.fill("settings.bucket", s3test.Bucket)
	b.fill("aws_sigv4.access_key_id", s3test.KeyID)
	b.fill("aws_sigv4.secret_access_key", "not the one")
	b.fill("aws_sigv4.region", s3test.Region)
	b.press("Save and continue")
	b.sees("Archive is connected")
	b.press("Test")
	b.sees("The signature does not match")
	b.inspect()
	b.press("Edit")
	b.fill("settings.prefix", "wb/")
	b.press("Save changes")
	b.sees("Archive is saved")
	b.open("/credentials")
	b.press("Archive")
	b.press("Edit")
	b.inspect()
	b.fill("secret_access_key", s3test.Secret)
	b.press("Save")
	b.open("/connections")
	b.press("Archive")
	b.press("Test")
	b.sees("The connection works: 3 real requests")
	b.inspect()
}

// exports sets the hourly export up, watches a backfill and the moving of files, with a store that takes its time.
func (s *market) exports(b *browser, x *s3test.Server) {
	b.Helper()
	s.route("http://receiver.waybill.internal", "order.created", nil, nil)
	s.settled(s.raise("order.created", "A-1", map[string]any{"id": "A-1"}), "delivered")
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		s.must(201, "POST", "files?name="+name, strings.Repeat(name+" ", 500), "Content-Type", "text/plain")
	}
	b.open("/settings/export")
	b.sees("Hourly export")
	b.choose("connection_id", "Archive")
	b.inspect()
	b.press("Save")
	open, hours := make(chan struct{}), 0
	x.Break(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "deliveries") {
			if hours++; hours > 1 {
				return s3test.Fault{Wait: open}
			}
		}
		return s3test.Fault{}
	})
	now := time.Now().UTC().Truncate(time.Hour)
	b.open("/exports")
	for name, at := range map[string]time.Time{"from": now.Add(-5 * time.Hour), "to": now.Add(-3 * time.Hour)} {
		eval[bool](b, fmt.Sprintf(`document.querySelector('form[action="/exports/backfills"] [name=%s]').value = %q, true`, name, at.Format("2006-01-02T15:04")))
	}
	b.press("Write these hours")
	b.sees("1 of 2 hours written")
	b.inspect()
	close(open)
	x.Break(nil)
	b.sees("is complete: 2 hours")
	b.inspect()
	files := make(chan struct{})
	n := 0
	x.Break(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/files/") {
			if n++; n > 1 {
				return s3test.Fault{Wait: files}
			}
		}
		return s3test.Fault{}
	})
	b.open("/settings/files")
	b.choose("connection_id", "Archive")
	b.press("Save changes")
	b.sees("3 files elsewhere")
	b.press("Move them there")
	b.sees("1 moved, 2 to go")
	b.seen[b.where()] = false
	b.inspect()
	close(files)
	x.Break(nil)
	b.misses("to go")
}

// connects makes a connection of a type with its credential in place, the wrong way first, and tries it.
func (b *browser) connects(title, field, wrong, says, base string, credential map[string]string) {
	b.Helper()
	b.open("/connections/new")
	b.press(title)
	b.fill("name", "Our "+title)
	b.fill(field, wrong)
	b.press("Save and continue")
	b.sees(says)
	b.inspect()
	b.fill(field, "")
	b.fill("base_url", base)
	for name, value := range credential {
		b.fill(name, value)
	}
	b.press("Save and continue")
	b.sees("Our " + title + " is connected")
	b.press("Settings")
	b.press("Test")
	b.sees("The connection works")
	b.inspect()
	b.press("Edit")
	b.fill("description", "Ask the marketing team.")
	b.press("Save changes")
	b.sees("Ask the marketing team.")
	b.press("Destinations")
}

// writes makes a destination, the wrong way first when a field is needed, and sends a test.
func (b *browser) writes(name string, settings map[string]string, needed string) {
	b.Helper()
	b.press("New destination")
	b.fill("name", name)
	if needed != "" {
		b.press("Save")
		b.sees("Check")
		b.inspect()
	}
	for field, value := range settings {
		b.fill(field, value)
	}
	b.fill("template", "{{! return { OrderId: it.data[0].id, Email: it.data[0].customer.email, email: it.data[0].customer.email }; }}")
	b.press("Save")
	b.press("Send test")
	b.sees("told")
	b.inspect()
}
