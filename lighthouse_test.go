package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestLighthouse measures the main pages as browsers' makers do. It is run by `make lighthouse`: what it measures is the machine
// as well, so it is no part of other runs.
func TestLighthouse(t *testing.T) {
	if os.Getenv("WAYBILL_LIGHTHOUSE") == "" {
		t.Skip("run by make lighthouse, on a machine that does nothing else")
	}
	p := newProgram(t, "")
	p.start()
	destination := furnish(p)
	home, err := url.Parse(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	cookie := ""
	for _, c := range p.signIn("ada@example.com", password).Jar.Cookies(home) {
		cookie += c.Name + "=" + c.Value + "; "
	}
	out, err := exec.Command("node", filepath.Join("static", "lighthouse", "run.mjs"), p.url(""), cookie, "/", "/deliveries", "/destinations/"+destination).CombinedOutput()
	t.Logf("\n%s", out)
	if err != nil {
		t.Error(err)
	}
}
