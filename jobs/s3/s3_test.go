package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/s3/s3test"
	"waybill/jobs/scheme"
)

// wired is a bucket at an endpoint; change may spoil it.
func wired(t *testing.T, endpoint string, change func(c *model.Connection, m *scheme.Material), now func() time.Time) *Bucket {
	t.Helper()
	rules, err := egress.ParseRules("127.0.0.1/32, *.localhost, " + os.Getenv("WAYBILL_TEST_S3_HOST"))
	if err != nil {
		t.Fatal(err)
	}
	e := egress.New(egress.Options{Rules: rules})
	t.Cleanup(e.Close)
	c := model.Connection{Name: "Files", Type: "s3", BaseURL: endpoint, TimeoutSeconds: 5, Settings: model.Config{SettingBucket: s3test.Bucket}}
	m := scheme.Material{Type: "aws_sigv4", Config: model.Config{"access_key_id": s3test.KeyID, "service": "s3", "region": s3test.Region}, Secrets: model.Secrets{"secret_access_key": s3test.Secret}}
	if change != nil {
		change(&c, &m)
	}
	b, err := New(Wire{Egress: e, Keeper: scheme.NewKeeper(e, now), Now: now}, c, m)
	if err != nil {
		t.Fatal(err)
	}
	b.rest = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return b
}

// store is a bucket at a fresh store; with WAYBILL_TEST_S3 set, at the server of others that listens there (it must have
// the key, the region and the empty bucket of s3test).
func store(t *testing.T) (*Bucket, *s3test.Server) {
	t.Helper()
	if other := os.Getenv("WAYBILL_TEST_S3"); other != "" {
		return wired(t, other, nil, time.Now), nil
	}
	s := s3test.New(t)
	return wired(t, s.URL, nil, time.Now), s
}

func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func from(b []byte) Object {
	return Object{ContentType: "text/plain", Size: int64(len(b)), Hash: sum(b), Source: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func read(t *testing.T, b *Bucket, key string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.Read(t.Context(), key, func(r io.Reader) error { _, err := out.ReadFrom(r); return err }); err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return out.Bytes()
}

func TestObjects(t *testing.T) {
	b, _ := store(t)
	ctx := t.Context()
	keys := []string{"a/plain.txt", "a/with space + plus & = ? # % .txt", "a/ünïcode/日本.txt", "a/quote'(1)!*~.txt", "a/date=2026-01-02/x.gz"}
	for _, key := range keys {
		body := []byte("body of " + key)
		if _, err := b.Put(ctx, key, from(body)); err != nil {
			t.Fatalf("put %q: %v", key, err)
		}
		if got := read(t, b, key); !bytes.Equal(got, body) {
			t.Errorf("%q: got %q", key, got)
		}
		if h, err := b.Head(ctx, key); err != nil || h.Size != int64(len(body)) || h.ETag == "" {
			t.Errorf("head %q: %+v, %v", key, h, err)
		}
	}
	slices.Sort(keys)
	var seen []string
	for after := ""; ; after = seen[len(seen)-1] {
		list, more, err := b.List(ctx, "a/", after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list {
			seen = append(seen, o.Key)
		}
		if !more {
			break
		}
	}
	if !slices.Equal(seen, keys) {
		t.Errorf("list: got %q, want %q", seen, keys)
	}
	if _, err := b.Put(ctx, "a/empty", from(nil)); err != nil {
		t.Errorf("put nothing: %v", err)
	}
	if got := read(t, b, "a/empty"); len(got) != 0 {
		t.Errorf("nothing came back as %q", got)
	}
	for _, key := range append(keys, "a/empty", "a/never was") {
		if err := b.Remove(ctx, key); err != nil {
			t.Errorf("remove %q: %v", key, err)
		}
	}
	if _, err := b.Head(ctx, "a/empty"); !fault.Is(err, fault.NotFound) {
		t.Errorf("head of what is gone: %v", err)
	}
	err := b.Read(ctx, "a/empty", func(io.Reader) error { t.Error("there is nothing to read"); return nil })
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("read of what is gone: %v", err)
	}
}

func TestWriter(t *testing.T) {
	b, s := store(t)
	b.partSize = 5 << 20
	for _, size := range []int{0, 1, 5 << 20, 12<<20 + 345} {
		body, began := noise(size), ""
		w := b.Write(t.Context(), "w/object", "application/gzip", func(id string) error { began = id; return nil })
		for rest := body; len(rest) > 0; {
			n := min(len(rest), 70_000)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if w.Size() != int64(size) || w.Hash() != sum(body) || w.ETag() == "" {
			t.Errorf("%d bytes: size %d, hash %s, etag %q", size, w.Size(), w.Hash(), w.ETag())
		}
		if got := read(t, b, "w/object"); !bytes.Equal(got, body) {
			t.Errorf("%d bytes came back as %d", size, len(got))
		}
		if many := size >= 5<<20; many != (began != "") {
			t.Errorf("%d bytes: upload %q", size, began)
		}
	}
	w := b.Write(t.Context(), "w/given-up", "text/plain", nil)
	_, _ = w.Write(noise(6 << 20))
	w.Abort()
	if _, err := b.Head(t.Context(), "w/given-up"); !fault.Is(err, fault.NotFound) || w.Close() == nil {
		t.Errorf("what was given up is there: %v", err)
	}
	if err := b.Remove(t.Context(), "w/object"); err != nil {
		t.Error(err)
	}
	if s != nil && s.Uploads() != 0 {
		t.Errorf("%d uploads were left behind", s.Uploads())
	}
}

func TestLink(t *testing.T) {
	b, s := store(t)
	if _, err := b.Put(t.Context(), "l/secret plan.pdf", from([]byte("plan"))); err != nil {
		t.Fatal(err)
	}
	link, err := b.Link(t.Context(), "l/secret plan.pdf", `attachment; filename="plan ü.pdf"`, "application/pdf", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	get := func(url string) (int, string, http.Header) {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), resp.Header
	}
	if status, body, h := get(link); status != 200 || body != "plan" || h.Get("Content-Disposition") != `attachment; filename="plan ü.pdf"` || h.Get("Content-Type") != "application/pdf" {
		t.Errorf("the link gave %d %q %v", status, body, h)
	}
	if status, _, _ := get(strings.Replace(link, "plan.pdf", "other.pdf", 1)); status != 403 {
		t.Errorf("the link opens another object: %d", status)
	}
	if strings.Contains(link, s3test.Secret) {
		t.Error("the link holds the secret")
	}
	if s != nil {
		s.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
		if status, _, _ := get(link); status != 403 {
			t.Errorf("the link lives on: %d", status)
		}
	}
}

func TestEncryptionIsAskedFor(t *testing.T) {
	s := s3test.New(t)
	b := wired(t, s.URL, func(c *model.Connection, _ *scheme.Material) {
		c.Settings[SettingEncryption], c.Settings[SettingKMSKey] = EncryptionKMS, "arn:aws:kms:eu-west-1:1:key/k"
	}, time.Now)
	b.partSize = 5 << 20
	if _, err := b.PutBytes(t.Context(), "one", "text/plain", []byte("x")); err != nil {
		t.Fatal(err)
	}
	w := b.Write(t.Context(), "many", "text/plain", nil)
	_, _ = w.Write(noise(6 << 20))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for key, o := range s.Objects() {
		if o.Header.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || o.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "arn:aws:kms:eu-west-1:1:key/k" {
			t.Errorf("%s was stored with %v", key, o.Header)
		}
	}
}

// Refusals are explained: what is wrong, and what to change.
func TestRefusals(t *testing.T) {
	s := s3test.New(t)
	put := func(b *Bucket) error { _, err := b.PutBytes(t.Context(), "k", "text/plain", []byte("x")); return err }
	answering := func(f s3test.Fault) func(*Bucket) error {
		return func(b *Bucket) error {
			s.Break(func(*http.Request) s3test.Fault { return f })
			defer s.Break(nil)
			return put(b)
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*model.Connection, *scheme.Material)
		do     func(*Bucket) error
		words  []string
		retry  bool
	}{
		{"wrong region", func(_ *model.Connection, m *scheme.Material) { m.Config["region"] = "us-east-1" }, put, []string{"in the region eu-west-1", "signed for us-east-1", "Set the region"}, false},
		{"region of the connection", func(c *model.Connection, _ *scheme.Material) { c.Settings[SettingRegion] = "ap-south-1" }, put, []string{"eu-west-1", "ap-south-1"}, false},
		{"wrong key", func(_ *model.Connection, m *scheme.Material) { m.Config["access_key_id"] = "AKIAWRONG" }, put, []string{"knows no access key AKIAWRONG"}, false},
		{"wrong secret", func(_ *model.Connection, m *scheme.Material) { m.Secrets["secret_access_key"] = "no" }, put, []string{"secret access key is not the one of " + s3test.KeyID}, false},
		{"missing bucket", func(c *model.Connection, _ *scheme.Material) { c.Settings[SettingBucket] = "not-there" }, put, []string{"no bucket “not-there”"}, false},
		{"clock", nil, func(b *Bucket) error {
			s.Now = func() time.Time { return time.Now().Add(20 * time.Minute) }
			defer func() { s.Now = time.Now }()
			return put(b)
		}, []string{"20 minutes slow", "NTP"}, false},
		{"not allowed", nil, answering(s3test.Fault{Status: 403, Code: "AccessDenied"}), []string{"may not do this", "s3:PutObject"}, false},
		{"slow down", nil, answering(s3test.Fault{Status: 503, Code: "SlowDown"}), []string{"asks to go slower"}, true},
		{"redirect", nil, answering(s3test.Fault{Status: 301, Code: "PermanentRedirect", Header: http.Header{"X-Amz-Bucket-Region": {"eu-north-1"}}}), []string{"in the region eu-north-1"}, false},
		{"cut", nil, answering(s3test.Fault{Cut: 1}), []string{"closed the connection"}, true},
		{"full", nil, answering(s3test.Fault{Status: 507, Code: "XMinioStorageFull"}), []string{"Told to.", "XMinioStorageFull", "507"}, true},
		{"nobody there", func(c *model.Connection, _ *scheme.Material) { c.BaseURL = "http://127.0.0.1:1" }, put, []string{"Nothing listens"}, true},
		{"refused by our rules", func(c *model.Connection, _ *scheme.Material) { c.BaseURL = "http://192.168.7.7" }, put, []string{"WAYBILL_ALLOW_HOSTS"}, false},
	} {
		b, failure := wired(t, s.URL, tc.change, time.Now), ""
		b.note = func(f string) { failure = f }
		err := tc.do(b)
		if want := slices.Contains([]string{"wrong key", "wrong secret", "clock", "not allowed"}, tc.name); (failure != "") != want {
			t.Errorf("%s: the key is told to have failed with %q", tc.name, failure)
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for _, w := range tc.words {
			if !strings.Contains(e.Message, w) {
				t.Errorf("%s: %q lacks %q", tc.name, e.Message, w)
			}
		}
		if e.Retry != tc.retry || strings.Contains(e.Message, s3test.Secret) {
			t.Errorf("%s: retry %v: %s", tc.name, e.Retry, e.Message)
		}
	}
	if len(s.Objects()) != 0 {
		t.Errorf("refused, and stored: %v", s.Objects())
	}
}

// What a busy store or a broken line spoils is done again, and the object is the one that was meant.
func TestTriedAgain(t *testing.T) {
	s := s3test.New(t)
	b := wired(t, s.URL, nil, time.Now)
	b.partSize = 5 << 20
	body := noise(11 << 20)
	for _, f := range []s3test.Fault{{Status: 503, Code: "SlowDown"}, {Status: 500, Code: "InternalError"}, {Cut: 1000}, {Cut: -1}} {
		var n atomic.Int64
		s.Break(func(*http.Request) s3test.Fault { // every second request goes wrong
			if n.Add(1)%2 == 1 {
				return f
			}
			return s3test.Fault{}
		})
		w := b.Write(t.Context(), "again", "text/plain", nil)
		_, _ = w.Write(body)
		if err := w.Close(); err != nil {
			t.Errorf("%+v: %v", f, err)
		} else if got := s.Objects()["again"].Body; !bytes.Equal(got, body) {
			t.Errorf("%+v: %d bytes came of %d", f, len(got), len(body))
		}
		if _, err := b.Put(t.Context(), "streamed", from(body)); err != nil || !bytes.Equal(s.Objects()["streamed"].Body, body) {
			t.Errorf("%+v: streamed: %v", f, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tc := range []struct {
		endpoint, bucket string
		settings         model.Config
		want             string
	}{
		{"https://s3.eu-west-1.amazonaws.com", "files", nil, "https://files.s3.eu-west-1.amazonaws.com/k%20y"},
		{"https://s3.eu-west-1.amazonaws.com", "files", model.Config{SettingPathStyle: true}, "https://s3.eu-west-1.amazonaws.com/files/k%20y"},
		{"https://s3.eu-west-1.amazonaws.com", "files.example.com", nil, "https://s3.eu-west-1.amazonaws.com/files.example.com/k%20y"},
		{"https://minio.example.com:9000/", "files", nil, "https://minio.example.com:9000/files/k%20y"},
		{"https://oss.example.com", "files", model.Config{SettingVirtualHost: true}, "https://files.oss.example.com/k%20y"},
		{"http://127.0.0.1:9000", "files", model.Config{SettingVirtualHost: true}, "http://127.0.0.1:9000/files/k%20y"},
	} {
		b := wired(t, tc.endpoint, func(c *model.Connection, _ *scheme.Material) {
			c.Settings = model.Config{SettingBucket: tc.bucket}
			for k, v := range tc.settings {
				c.Settings[k] = v
			}
		}, time.Now)
		if got := b.address("k y").String(); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}
