package views

import (
	"os/exec"
	"strings"
	"testing"

	"waybill/db/model"
)

// TestCurl gives the command to a real shell, in which curl writes down its arguments.
func TestCurl(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no POSIX shell here; CI has one")
	}
	a := model.Attempt{Method: "POST", URL: "https://shop.example.com/o'neil?key=" + model.Mask + "&x=$HOME",
		Request: model.Message{Size: 30, Body: []byte("{\"a\":\"it's $HOME `id`\",\"client_secret\":\"" + model.Mask + "\"}\n"), Headers: []model.Header{
			{Name: "Authorization", Value: "Bearer " + model.Mask}, {Name: "X-Text", Value: `a "b" \ ` + "`id`"}, {Name: "Content-Length", Value: "30"}, {Name: "Host", Value: "shop.example.com"}}}}
	script := "WAYBILL_KEY=s1 WAYBILL_TOKEN=s2 WAYBILL_CLIENT_SECRET=s3\ncurl() { printf '%s\\037' \"$@\"; }\n" + curl(a)
	out, err := exec.Command(sh, "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, script)
	}
	want := []string{"-X", "POST", "--http1.1", "https://shop.example.com/o'neil?key=s1&x=$HOME", "-H", "Authorization: Bearer s2", "-H", `X-Text: a "b" \ ` + "`id`",
		"-H", "Accept:", "-H", "Content-Type:", "--data-raw", "{\"a\":\"it's $HOME `id`\",\"client_secret\":\"s3\"}\n", ""}
	if got := strings.Split(string(out), "\037"); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if strings.Contains(curl(a), model.Mask) {
		t.Error("a masked value stands in the command")
	}
	a.Timings.Certificate, a.Timings.Authority = true, true
	if got := curl(a); !strings.Contains(got, `--cert "${WAYBILL_CLIENT_CERTIFICATE:?}" --key "${WAYBILL_CLIENT_KEY:?}"`) || !strings.Contains(got, `--cacert "${WAYBILL_CA:?}"`) {
		t.Errorf("a certificate: %s", got)
	}
	a.Request.Body = nil
	if got := curl(a); !strings.HasSuffix(got, "--data-binary @body") {
		t.Errorf("a body that is no longer stored: %s", got)
	}
}
