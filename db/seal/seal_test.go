package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"waybill/db/seal"
)

func box(t *testing.T, b byte) *seal.Box {
	t.Helper()
	x, err := seal.New(bytes.Repeat([]byte{b}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestBoundToPlaceAndKey(t *testing.T) {
	a, plain := box(t, 1), []byte("s3cret")
	sealed := a.Seal(plain, "credential", "crd_1", "password")
	if bytes.Contains(sealed, plain) {
		t.Error("the box holds its content in clear")
	}
	for _, c := range []struct {
		what            string
		box             *seal.Box
		kind, row, name string
		opens           bool
	}{
		{"same place", a, "credential", "crd_1", "password", true},
		{"same key made again", box(t, 1), "credential", "crd_1", "password", true},
		{"other key", box(t, 2), "credential", "crd_1", "password", false},
		{"other kind", a, "destination", "crd_1", "password", false},
		{"other row", a, "credential", "crd_2", "password", false},
		{"other name", a, "credential", "crd_1", "token", false},
		{"parts shifted", a, "credentialcrd_1", "", "password", false},
		{"parts shifted by one", a, "credential", "crd_1p", "assword", false},
	} {
		got, err := c.box.Open(sealed, c.kind, c.row, c.name)
		if c.opens && (err != nil || !bytes.Equal(got, plain)) {
			t.Errorf("%s: got %q, %v", c.what, got, err)
		}
		if !c.opens && !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: got %q, %v; want ErrOpen", c.what, got, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := a.Open(bad, "credential", "crd_1", "password"); !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
	if _, err := a.Open(nil, "credential", "crd_1", "password"); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("nothing: %v", err)
	}
	again := a.Seal(plain, "credential", "crd_1", "password")
	if bytes.Equal(sealed, again) {
		t.Error("sealing twice gives the same box")
	}
}

func TestKeyID(t *testing.T) {
	if one, same, other := box(t, 1).KeyID(), box(t, 1).KeyID(), box(t, 2).KeyID(); one != same || one == other {
		t.Error("KeyID must tell keys apart, and only that")
	}
	if _, err := seal.New(make([]byte, 31)); err == nil {
		t.Error("31 bytes were taken as a master key")
	}
}

func TestParse(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0xff}, 16)
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(key), base64.RawStdEncoding.EncodeToString(key),
		base64.URLEncoding.EncodeToString(key), " " + base64.StdEncoding.EncodeToString(key) + "\r\n",
	} {
		if got, err := seal.Parse(text); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "secret!", base64.StdEncoding.EncodeToString(key[:16]), strings.Repeat("A", 80)} {
		_, err := seal.Parse(text)
		if err == nil {
			t.Errorf("%q was taken as a key", text)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}
