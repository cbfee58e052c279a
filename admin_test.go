package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"waybill/db"
)

// ran is what one run of a command gave.
type ran struct {
	code     int
	out, err string
}

// command runs the program's command line in this process; the environment's WAYBILL variables are not set in tests.
func command(stdin string, args ...string) ran {
	var out, err bytes.Buffer
	code := run(args, streams{strings.NewReader(stdin), &out, &err})
	return ran{code, out.String(), err.String()}
}

// TestCommandsFailInOneLine gives command lines that cannot work; each must say why in one line and exit non-zero.
func TestCommandsFailInOneLine(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if got := command(password+"\n", "--data-dir", data, "user", "create", "--email", "ada@example.com", "--name", "Ada", "--role", "Administrator", "--password-stdin"); got.code != 0 || got.out+got.err != "" {
		t.Fatalf("user create: %+v", got)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, x := range map[string]struct {
		args  []string
		stdin string
		says  string
	}{
		"no such command":       {[]string{"fly"}, "", "fly"},
		"no such flag":          {[]string{"--fly"}, "", "--fly"},
		"postgres":              {[]string{"--database-url", "postgres://db/waybill"}, "", "WAYBILL_DATABASE_URL"},
		"address without port":  {[]string{"--addr", "localhost"}, "", "WAYBILL_ADDR"},
		"half a TLS pair":       {[]string{"--tls-cert", file}, "", "WAYBILL_TLS_KEY"},
		"base URL":              {[]string{"--base-url", "waybill.example.com"}, "", "WAYBILL_BASE_URL"},
		"base URL with a path":  {[]string{"--base-url", "https://example.com/waybill"}, "", "WAYBILL_BASE_URL"},
		"proxies":               {[]string{"--trusted-proxies", "10.0.0.0/99"}, "", "WAYBILL_TRUSTED_PROXIES"},
		"allowed hosts":         {[]string{"--allow-hosts", "10.0.0.0/99"}, "", "WAYBILL_ALLOW_HOSTS"},
		"proxy with a password": {[]string{"--proxy", "http://ada:s3cret@proxy:3128"}, "", "WAYBILL_PROXY"},
		"proxy's user alone":    {[]string{"--proxy-user", "ada"}, "", "WAYBILL_PROXY"},
		"log format":            {[]string{"--log", "xml"}, "", "--log"},
		"key on the line":       {[]string{"--master-key", key}, "", "WAYBILL_MASTER_KEY"},
		"master key of text":    {[]string{"--master-key-file", file}, "", "WAYBILL_MASTER_KEY_FILE"},
		"no email":              {[]string{"user", "create"}, "", "--email"},
		"unknown role":          {[]string{"user", "create", "--email", "b@example.com", "--name", "B", "--role", "King", "--password-stdin"}, password, "King"},
		"weak password":         {[]string{"user", "create", "--email", "b@example.com", "--name", "B", "--role", "Viewer", "--password-stdin"}, "short\n", "15 characters"},
		"no password":           {[]string{"user", "passwd", "--email", "ada@example.com", "--password-stdin"}, "", "standard input"},
		"same address":          {[]string{"user", "create", "--email", "ADA@example.com", "--name", "B", "--role", "Viewer"}, "", "already a user"},
		"nobody's password":     {[]string{"user", "passwd", "--email", "eve@example.com"}, "", "eve@example.com"},
		"nobody's key":          {[]string{"apikey", "create", "--name", "x", "--user", "eve@example.com"}, "", "eve@example.com"},
		"backup over a file":    {[]string{"backup", file}, "", "never overwrites"},
		"backup to nowhere":     {[]string{"backup", filepath.Join(dir, "absent", "b.db")}, "", "absent"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"--data-dir", data}, x.args...)
			got := command(x.stdin, args...)
			if got.code == 0 || strings.Count(strings.TrimSpace(got.err), "\n") != 0 || !strings.Contains(got.err, x.says) {
				t.Errorf("exit %d, said %q, want one line with %q", got.code, got.err, x.says)
			}
			if got.out != "" {
				t.Errorf("printed %q on standard output", got.out)
			}
		})
	}
	for _, args := range [][]string{{"backup", filepath.Join(dir, "b.db")}, {"doctor"}, {"key", "doctor"}, {"apikey", "create", "--name", "x", "--user", "ada@example.com"}} {
		empty := filepath.Join(dir, "empty")
		if got := command("", append([]string{"--data-dir", empty}, args...)...); got.code == 0 || !strings.Contains(got.err, "there is no database in") {
			t.Errorf("%v in an empty place: %+v", args, got)
		}
		if _, err := os.Stat(empty); err == nil {
			t.Errorf("%v made a data folder by mistake", args)
		}
	}
}

// TestCommandsBesideAServer runs every small command on the data folder of a running server.
func TestCommandsBesideAServer(t *testing.T) {
	t.Parallel()
	p := newProgram(t, "")
	p.start()
	made := p.command("", "user", "create", "--email", "grace@example.com", "--name", "Grace", "--role", "Operator")
	secret, ok := strings.CutPrefix(made, "password: ")
	if !ok || !p.signsIn("grace@example.com", secret) {
		t.Errorf("the password that was printed does not sign in: %q", made)
	}
	p.command("another nine silver lamps\n", "user", "passwd", "--email", "grace@example.com", "--password-stdin")
	if p.signsIn("grace@example.com", secret) || !p.signsIn("grace@example.com", "another nine silver lamps") {
		t.Error("user passwd did not replace the password")
	}
	key := p.command("", "apikey", "create", "--name", "new", "--user", "grace@example.com")
	if !db.WellFormed(key) {
		t.Errorf("apikey create printed %q, want the key alone", key)
	}
	p.key = key
	p.must(http.StatusOK, http.MethodGet, "deliveries", nil)
	for _, args := range [][]string{{"doctor"}, {"key", "doctor"}} {
		if out := p.command("", args...); !strings.Contains(out, "ok") || strings.Contains(out, "FAIL") {
			t.Errorf("%v: %s", args, out)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.eventually("a hangup is no end", func() bool { return strings.Contains(p.log.String(), "SIGHUP: nothing is read again") })
	keyFile := filepath.Join(p.dir, db.KeyFile)
	for mode, bad := range map[fs.FileMode]bool{0o644: true, 0o640: true, 0o600: false} {
		if err := os.Chmod(keyFile, mode); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"doctor"}, {"doctor", "--master-key-file", keyFile}} {
			got := command("", append([]string{"--data-dir", p.dir}, args...)...)
			if said := strings.Contains(got.err+got.out, "FAIL  others than its owner can get at the key file "+keyFile); said != bad || got.code == 0 == bad {
				t.Errorf("%v with a key file of mode %o: %+v", args, mode, got)
			}
		}
	}
	if err := os.Chmod(keyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	p.command("", "backup", backup)
	info, err := os.Stat(backup)
	if err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v, %v", info, err)
	}
	second := command("", "--data-dir", p.dir, "--addr", "127.0.0.1:0")
	if second.code == 0 || !strings.Contains(second.err, "another Waybill server runs on the data folder "+p.dir) {
		t.Errorf("a second server: %+v", second)
	}
	if err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 && path != p.dir {
			t.Errorf("%s has mode %v; others can read it", path, info.Mode())
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestWrongMasterKey starts the server with another key than the one that sealed something.
func TestWrongMasterKey(t *testing.T) {
	p := newProgram(t, "")
	p.start()
	p.must(http.StatusCreated, http.MethodPost, "credentials", `{"name":"Shop","type":"bearer","config":{"token":"canary-token"}}`)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	wrong := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	t.Setenv("WAYBILL_MASTER_KEY", wrong)
	if got := command("", "--data-dir", p.dir, "key", "doctor"); got.code == 0 || !strings.Contains(got.out, "Shop") {
		t.Errorf("key doctor: %+v", got)
	}
	if got := command("", "--data-dir", p.dir, "key", "rotate"); got.code == 0 || !strings.Contains(got.err, "not the one that sealed") {
		t.Errorf("key rotate: %+v", got)
	}
	for _, x := range []struct{ text, says string }{{"c2hvcnQ=", "32 bytes"}, {wrong, "set one of them"}} {
		t.Setenv("WAYBILL_MASTER_KEY", x.text)
		if got := command("", "--data-dir", p.dir, "--master-key-file", p.dir+"/none", "doctor"); got.code == 0 || !strings.Contains(got.err, "set one of them") {
			t.Errorf("two master keys: %+v", got)
		}
		if got := command("", "--data-dir", p.dir, "doctor"); got.code == 0 || (x.text != wrong && !strings.Contains(got.err, x.says)) {
			t.Errorf("%s: %+v", x.text, got)
		}
	}
	t.Setenv("WAYBILL_MASTER_KEY", "")
	p.env = append(p.env, "WAYBILL_MASTER_KEY="+wrong)
	p.cmd = exec.Command(p.bin)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.environment(), p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.eventually("the server answers", func() bool { status, _ := p.get(http.DefaultClient, "/healthz"); return status == http.StatusOK })
	if status, why := p.get(http.DefaultClient, "/readyz"); status != http.StatusServiceUnavailable || why == "" {
		t.Errorf("/readyz: %d %q, want 503 and why", status, why)
	}
	ada := p.signIn("ada@example.com", password)
	if _, page := p.get(ada, "/"); !strings.Contains(page, "Locked: Shop.") {
		t.Error("no banner names the credential that does not open")
	}
	if got, err := p.api(http.MethodPost, "events", `{"name":"a.b","data":{}}`); err != nil || got.status != http.StatusServiceUnavailable {
		t.Errorf("an event: %d %s %v, want 503", got.status, got.text, err)
	}
	resp, err := ada.PostForm(p.url("/events"), url.Values{"name": {"order.typed"}, "data": {`{"kept":"PX-20418"}`}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(page), "order.typed") || !strings.Contains(string(page), "PX-20418") || !strings.Contains(string(page), "master key") {
		t.Errorf("a form that cannot be stored: %d %v, want 503, why, and what was typed", resp.StatusCode, err)
	}
}

// get asks for a page as whoever c is.
func (p *program) get(c *http.Client, path string) (int, string) {
	resp, err := c.Get(p.url(path))
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// signsIn reports whether this password opens the account.
func (p *program) signsIn(email, password string) bool {
	p.t.Helper()
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.PostForm(p.url("/login"), url.Values{"email": {email}, "password": {password}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusSeeOther
}
