package inbound

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"waybill/db/model"
)

// theirs is a request that a vendor's library signed.
type theirs struct {
	Preset, Secret, Algorithm, Encoding, Prefix, Header, Signed, Body, ID string
	PublicKey                                                             string `json:"public_key"`
	TimestampHeader                                                       string `json:"timestamp_header"`
	Headers                                                               map[string]string
	At                                                                    int64
	Timed                                                                 bool // an old one is refused
	Unsigned                                                              bool // the body is no part of what is signed
}

func (x theirs) verification() model.Verification {
	e := model.InboundEndpoint{Verification: model.Verification{Preset: model.Preset(x.Preset), Algorithm: x.Algorithm, Encoding: x.Encoding, Prefix: x.Prefix,
		Header: x.Header, TimestampHeader: x.TimestampHeader, Signed: x.Signed, PublicKey: x.PublicKey}}
	if x.Preset == "jwt" {
		e.Verification.Issuer, e.Verification.Audience = "carrier", "waybill"
	}
	e.Clean()
	return e.Verification
}

func (x theirs) secrets() Secrets {
	if x.Secret == "" {
		return Secrets{}
	}
	return Secrets{"secret": {model.Secret(x.Secret)}}
}

func (x theirs) request() Request {
	r := Request{Method: "POST", Path: "/in", Header: http.Header{}, Body: []byte(x.Body), Address: netip.MustParseAddr("192.0.2.7")}
	for name, value := range x.Headers {
		r.Header.Set(name, value)
	}
	return r
}

func TestVendorsOwnLibraries(t *testing.T) {
	const folder = "testdata/interop"
	if _, err := os.Stat(folder + "/node_modules"); err != nil {
		t.Skip("the libraries of vendors are not fetched: npm ci --prefix jobs/inbound/testdata/interop")
	}
	cmd := exec.Command("node", "sign.mjs")
	var out, problems bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	n := 0
	for lines := bufio.NewScanner(&out); lines.Scan(); n++ {
		var x theirs
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		t.Run(strings.Join([]string{x.Preset, x.Algorithm, x.Encoding}, " "), func(t *testing.T) { x.tried(t) })
	}
	if n < 15 {
		t.Errorf("only %d requests", n)
	}
}

func (x theirs) tried(t *testing.T) {
	v, now := x.verification(), time.Unix(x.At, 0)
	good := Verify(v, x.secrets(), x.request(), now)
	if !good.OK || good.ID != x.ID {
		t.Fatalf("%+v, want it good with id %q", good, x.ID)
	}
	if explained := Explain(v, x.secrets(), x.request(), now); !explained.OK || len(explained.Steps) < 2 {
		t.Errorf("explained: %+v", explained)
	}
	bad := func(what string, s Secrets, r Request, at time.Time) {
		t.Helper()
		got := Explain(v, s, r, at)
		if got.OK || got.Reason == "" {
			t.Errorf("%s: %+v, want it refused", what, got)
		}
		for _, step := range got.Steps {
			if x.Secret != "" && strings.Contains(step.Value, x.Secret) {
				t.Errorf("%s: a step holds the secret: %q", what, step.Value)
			}
		}
	}
	if x.Secret != "" {
		bad("another secret", Secrets{"secret": {"another"}}, x.request(), now)
		both := Secrets{"secret": {"another", model.Secret(x.Secret), "third"}}
		if got := Verify(v, both, x.request(), now); !got.OK {
			t.Errorf("one of several live secrets: %+v", got)
		}
		bad("no secret", Secrets{}, x.request(), now)
	}
	if !x.Unsigned {
		r := x.request()
		r.Body = bytes.Replace(r.Body, []byte("paid"), []byte("void"), 1)
		bad("a body that was changed", x.secrets(), r, now)
	}
	if x.Timed {
		bad("a replay after ten minutes", x.secrets(), x.request(), now.Add(10*time.Minute))
	}
	if x.Timed && x.Preset != "jwt" {
		bad("one from the future", x.secrets(), x.request(), now.Add(-10*time.Minute))
	}
	bare := x.request()
	bare.Header = http.Header{}
	bad("no headers", x.secrets(), bare, now)
	for name := range x.Headers {
		r := x.request()
		if v := r.Header.Get(name); strings.Contains(strings.ToLower(name), "sig") || name == "Authorization" {
			r.Header.Set(name, v[:len(v)-4]+"0000")
			bad("a signature that was changed", x.secrets(), r, now)
		}
	}
}
