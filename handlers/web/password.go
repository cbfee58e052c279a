package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"waybill/db/fault"
)

// Passwords hashes and checks passwords with argon2id, never more than two at a time: each takes 19 MiB.
type Passwords struct {
	slots chan struct{}
	dummy string // hash of nobody's password, for accounts that do not exist
}

// NewPasswords makes the hasher of a process.
func NewPasswords() *Passwords {
	p := &Passwords{slots: make(chan struct{}, 2)}
	p.dummy = encodeHash(cost, make([]byte, saltSize), make([]byte, hashSize))
	return p
}

type argonCost struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// OWASP's first choice for argon2id.
var cost = argonCost{memory: 19 * 1024, time: 2, threads: 1}

const (
	saltSize = 16
	hashSize = 32
)

// Hash is the PHC string of a password. It waits for its turn until ctx ends.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	sum, err := p.derive(ctx, password, salt, cost)
	if err != nil {
		return "", err
	}
	return encodeHash(cost, salt, sum), nil
}

// Verify reports whether password is the one behind hash. An empty hash costs the same time and is never right.
func (p *Passwords) Verify(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.dummy
	}
	c, salt, want, err := decodeHash(hash)
	if err != nil {
		return false, err
	}
	got, err := p.derive(ctx, password, salt, c)
	return known && err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}

func (p *Passwords) derive(ctx context.Context, password string, salt []byte, c argonCost) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.slots }()
	return argon2.IDKey([]byte(normal(password)), salt, c.time, c.memory, c.threads, hashSize), nil
}

// normal makes what different keyboards send for the same characters equal (NIST SP 800-63B-4 3.1.1.2).
func normal(password string) string { return norm.NFKC.String(password) }

func encodeHash(c argonCost, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.time, c.threads, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func decodeHash(phc string) (c argonCost, salt, sum []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, fmt.Errorf("a stored password hash is not of a known kind")
	}
	if _, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err != nil {
		return c, nil, nil, fmt.Errorf("read a password hash: %w", err)
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return c, nil, nil, fmt.Errorf("read a password hash: %w", err)
	}
	sum, err = base64.RawStdEncoding.DecodeString(parts[5])
	return c, salt, sum, err
}

// Bounds of a password, in characters.
const (
	MinPassword = 15
	MinWithCode = 8 // while a second factor is active (SEMANTICS 9)
	MaxPassword = 256
)

//go:embed common.txt
var common string

// Weak says what is wrong with a new password, nil when it will do. About are words that it must not consist of: the
// account's own name and address.
func Weak(password string, about ...string) *fault.Words {
	return WeakFor(MinPassword, password, about...)
}

// LongEnough reports whether a password has at least least characters.
func LongEnough(password string, least int) bool {
	return utf8.RuneCountInString(normal(password)) >= least
}

// WeakFor is Weak with another least number of characters.
func WeakFor(least int, password string, about ...string) *fault.Words {
	password = normal(password)
	n := utf8.RuneCountInString(password)
	switch {
	case n < least:
		return fault.Say("Use at least %d characters; a few words in a row are fine.", least)
	case n > MaxPassword:
		return fault.Say("Use at most %d characters.", MaxPassword)
	case !utf8.ValidString(password):
		return fault.Say("These bytes are not text.")
	case guessable(strings.ToLower(password), about):
		return fault.Say("This password is easy to guess: it is a well-known word, a pattern, or your own name. Choose another one.")
	}
	return nil
}

// guessable is true for what guessers try first: one listed word or pattern, alone or again and again, with nothing but
// digits and signs around it; or fewer than five different characters.
func guessable(password string, about []string) bool {
	kinds := map[rune]bool{}
	for _, r := range password {
		kinds[r] = true
	}
	if len(kinds) < 5 {
		return true
	}
	listed := strings.Fields(common)
	for _, a := range about {
		a = strings.ToLower(a)
		box, _, _ := strings.Cut(a, "@")
		listed = append(listed, a, box, strings.Join(strings.Fields(a), ""))
	}
	core := strings.TrimFunc(password, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, word := range listed {
		if len(word) >= 3 && (repeats(password, word) || repeats(core, word)) {
			return true
		}
	}
	return false
}

// repeats is true when s is word once or more, the last time perhaps cut short.
func repeats(s, word string) bool {
	if s == "" {
		return false
	}
	for len(s) >= len(word) {
		if !strings.HasPrefix(s, word) {
			return false
		}
		s = s[len(word):]
	}
	return strings.HasPrefix(word, s)
}
