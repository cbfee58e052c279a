// Package seal encrypts secrets for storing and binds each to the place where it is stored.
//
// One Box is one master key. A sealed secret opens only under the same key and for the same kind, row and name, so a
// box that is copied to another row is worthless. Stored rows carry KeyID beside the box; two keys that live at the same
// time are two Boxes, and changing the key is: open with one, seal with the other, row by row. Where keys come from and
// what happens without one is db's matter.
//
// The package knows nothing but the standard library's cryptography: AES-256-GCM with a random nonce under a key that
// HKDF derives from the master key. A library for this (tink) brings key sets with ids and rotation of their own and
// formats for them; here the database says which key sealed which row, changing keys must be able to stop between any
// two rows, and the primitive that such a library would use underneath is this one. With random nonces of 96 bits one
// key may seal 2^32 secrets, which rotation starts anew.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeySize of a master key, in bytes.
const KeySize = 32

// ErrOpen means that a box is damaged, was sealed by another key, or belongs to another place.
var ErrOpen = errors.New("the sealed secret does not open here")

// Box seals and opens under one master key. It is safe for concurrent use.
type Box struct {
	id   string
	aead cipher.AEAD
}

// New makes the Box of a master key of KeySize bytes, which it does not keep.
func New(master []byte) (*Box, error) {
	if len(master) != KeySize {
		return nil, fmt.Errorf("a master key has %d bytes, this one %d", KeySize, len(master))
	}
	id, err := hkdf.Key(sha256.New, master, nil, "waybill master key id", 8)
	if err != nil {
		return nil, fmt.Errorf("derive the key's id: %w", err)
	}
	key, err := hkdf.Key(sha256.New, master, nil, "waybill sealing AES-256-GCM 1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the sealing key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	return &Box{id: "mk1_" + hex.EncodeToString(id), aead: aead}, nil
}

// Parse reads a master key as it is written in a file or the environment: base64 (RFC 4648, with or without padding,
// either alphabet) of KeySize bytes, white space around it ignored.
func Parse(text string) ([]byte, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(text), "="))
	key, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("a master key is written in base64; this text is not") // the decoder's error would show a part of it
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("a master key is base64 of %d bytes; this one has %d", KeySize, len(key))
	}
	return key, nil
}

// ParseAll reads the keys of one text, parted by white space or commas: the one to seal with first, then any that only
// open, while a key is being changed.
func ParseAll(text string) ([][]byte, error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
	if len(words) == 0 {
		_, err := Parse("")
		return nil, err
	}
	out := make([][]byte, len(words))
	for i, w := range words {
		key, err := Parse(w)
		if err != nil {
			return nil, err
		}
		out[i] = key
	}
	return out, nil
}

// KeyID names the master key and the algorithm without revealing anything of the key.
func (b *Box) KeyID() string { return b.id }

// Seal encrypts plain for one place. The box is nonce, ciphertext and tag: 28 bytes longer than plain.
func (b *Box) Seal(plain []byte, kind, row, name string) []byte {
	return b.aead.Seal(nil, nil, plain, place(kind, row, name))
}

// Open decrypts what Seal made for the same place; else ErrOpen.
func (b *Box) Open(box []byte, kind, row, name string) ([]byte, error) {
	plain, err := b.aead.Open(nil, nil, box, place(kind, row, name))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// place is the associated data: every part with its length before it, so that no two places read alike.
func place(parts ...string) []byte {
	out := []byte("waybill sealed 1")
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
