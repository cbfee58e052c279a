package main

import (
	"strings"
	"testing"

	"waybill/jobs/s3/s3test"
)

// TestNamedJourney sets the named systems up in a browser, the wrong way first: a bucket, Marketing Cloud and Marketo with a
// destination each.
func TestNamedJourney(t *testing.T) {
	t.Parallel()
	s := newMarket(t)
	x := s3test.New(t)
	b := newBrowser(t, s.url(""), true)
	b.signIn("ada@example.com", password)
	b.open("/connections/new")
	b.sees("Microsoft Teams")
	b.inspect()
	s.makesBucket(b, x)
	b.connects("Salesforce Marketing Cloud", "settings.subdomain", "bad.sub", "Only the subdomain", s.salesforce.REST.URL, map[string]string{"new.oauth2.token_url": s.salesforce.TokenURL(), "new.oauth2.client_id": s.salesforce.ID, "new.oauth2.client_secret": s.salesforce.Secret})
	b.writes("Rows", map[string]string{"settings.data_extension": "Orders & more"}, "External key of the data extension", "It was taken as request")
	b.connects("Marketo", "settings.munchkin_id", "12-ABC", "Three groups of letters and digits", s.marketo.URL, map[string]string{"new.oauth2.token_url": s.marketo.TokenURL(), "new.oauth2.client_id": s.marketo.ID, "new.oauth2.client_secret": s.marketo.Secret})
	b.writes("Leads", map[string]string{"settings.lookup_field": "email"}, "", "Field 'OrderId' not found")
}

// makesBucket connects to a bucket and tries it.
func (s *market) makesBucket(b *browser, x *s3test.Server) {
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
	b.fill("new.aws_sigv4.access_key_id", s3test.KeyID)
	b.fill("new.aws_sigv4.secret_access_key", "not the one")
	b.fill("new.aws_sigv4.region", s3test.Region)
	b.press("Save and continue")
	b.sees("Archive is created")
	b.press("Test")
	b.sees("The signature does not match")
	b.inspect()
	b.press("Edit")
	b.fill("settings.prefix", "wb/")
	b.press("Save changes")
	b.sees("Archive is saved")
	key := s.must(200, "GET", "credentials?q=Archive", nil).items()[0]
	key["config"].(map[string]any)["secret_access_key"] = s3test.Secret
	s.must(200, "PUT", "credentials/"+key["id"].(string), key)
	b.open("/connections")
	b.press("Archive")
	b.press("Test")
	b.sees("The connection works: 3 real requests")
	b.inspect()
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
	b.sees("Our " + title + " is created")
	at := strings.TrimSuffix(b.where(), "/destinations")
	b.open(at)
	b.press("Test")
	b.sees("The connection works")
	b.inspect()
	b.press("Edit")
	b.fill("description", "Ask the marketing team.")
	b.press("Save changes")
	b.sees("Ask the marketing team.")
	b.open(at + "/destinations")
}

// writes makes a destination, the wrong way first when a field is needed, and sends a test.
func (b *browser) writes(name string, settings map[string]string, needed, told string) {
	b.Helper()
	b.press("New destination")
	b.fill("name", name)
	b.fill("template", "{{! return { OrderId: it.data[0].id, Email: it.data[0].customer.email, email: it.data[0].customer.email }; }}")
	if needed != "" {
		eval[bool](b, `document.querySelectorAll("form").forEach(f => f.noValidate = true), true`)
		b.press("Create destination")
		b.sees(needed + " is needed")
		b.inspect()
	}
	for field, value := range settings {
		b.fill(field, value)
	}
	b.press("Create destination")
	b.sees("Send test")
	b.click("Send test")
	b.sees(told)
	b.inspect()
}
