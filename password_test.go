package main

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"waybill/jobs/mail/mailtest"
)

// Somebody forgot his password: a letter brings a link, and the answer does not tell whether there is such an account.
func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	m := mailtest.Start(t, mailtest.Options{NoTLS: true})
	p.must(200, "PUT", "settings/mail", map[string]any{"host": "127.0.0.1", "port": m.Port, "security": "none", "from": "waybill@example.com"})
	ask := func(email string) (int, string) {
		resp, err := http.PostForm(p.url("/login/forgot"), url.Values{"email": {email}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, strings.ReplaceAll(string(text), email, "EMAIL")
	}
	page := regexp.MustCompile(`(?s)<main.*</main>`)
	status, known := ask("ada@example.com")
	none, unknown := ask("eve@example.com")
	if status != 200 || none != 200 || page.FindString(known) == "" || page.FindString(known) != page.FindString(unknown) {
		t.Errorf("the answers differ: %d %s\n%d %s", status, page.FindString(known), none, page.FindString(unknown))
	}
	p.eventually("the letter", func() bool { return len(m.Letters()) == 1 })
	letter := strings.ReplaceAll(m.Letters()[0].Text, "=\r\n", "")
	link := regexp.MustCompile(`/login/reset\?token=(?:3D)?([A-Za-z0-9_-]+)`).FindStringSubmatch(letter)
	if link == nil || m.Letters()[0].To[0] != "ada@example.com" {
		t.Fatalf("the letter has no link: %s", letter)
	}
	resp, err := http.PostForm(p.url("/login/reset"), url.Values{"token": {link[1]}, "password": {"nine quiet badgers knitting"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	p.signIn("ada@example.com", "nine quiet badgers knitting")
	for range 8 {
		if status, _ = ask("grace@example.com"); status == http.StatusTooManyRequests {
			break
		}
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("links can be asked for without end: %d", status)
	}
	if strings.Contains(p.log.String(), link[1]) {
		t.Error("the link stands in the log")
	}
}
