package model

import (
	"fmt"
	"log/slog"
)

// Mask is what stands in for a secret wherever one would be shown.
const Mask = "•••"

// Secret is text that never leaves its box by accident: printing, logging and encoding it give Mask.
type Secret string

// Reveal is the text itself; only the code that seals it or puts it on the wire calls this.
func (s Secret) Reveal() string { return string(s) }

func (Secret) String() string               { return Mask }
func (Secret) GoString() string             { return Mask }
func (Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(Mask)) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(Mask) }
func (Secret) MarshalText() ([]byte, error) { return []byte(Mask), nil }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Mask + `"`), nil }
