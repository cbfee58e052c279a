package ui

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"waybill/views/texts"
)

// say is a text in the reader's language (views/texts).
func say(ctx context.Context, id string, pairs ...string) string { return texts.T(ctx, id, pairs...) }

// Number is a count written as the reader is used to.
func Number[N ~int | ~int64 | ~uint64](ctx context.Context, n N) string {
	return In(ctx).Count(int64(n))
}

// Many writes a count with its noun in the reader's language: Many(ctx, 3, "delivery") is "3 deliveries".
func Many[N ~int | ~int64](ctx context.Context, n N, noun string) string {
	return texts.N(ctx, int64(n), "{n} "+noun, "{n} "+texts.Plural(noun), "n", Number(ctx, n))
}

// Size writes a size in binary units as the reader is used to: "196 B", "1.5 KiB".
func Size[N ~int | ~int64](ctx context.Context, n N) string {
	f := float64(n)
	if f < 1024 {
		return Number(ctx, n) + " B"
	}
	for _, unit := range []string{"KiB", "MiB", "GiB"} {
		f /= 1024
		if f < 1024 {
			return In(ctx).Decimal(f, 1) + " " + unit
		}
	}
	return In(ctx).Decimal(f/1024, 1) + " TiB"
}

// Lasted writes a duration for people, in the reader's language: "870 µs", "247 ms", "3.1 s", "2 min".
func Lasted(ctx context.Context, d time.Duration) string {
	switch {
	case d <= 0:
		return "0 ms"
	case d < time.Millisecond:
		return itoa(int(d.Microseconds())) + " µs"
	case d < time.Second:
		return itoa(int(d.Milliseconds())) + " ms"
	case d < time.Minute:
		return In(ctx).Decimal(d.Seconds(), 1) + " s"
	}
	return Span(ctx, d)
}

// Sentence writes a text in which parts stand that are more than words, such as links and times: Sentence("Ends {time}.",
// "time", Moments(t, now)). A part is a component or a string.
func Sentence(id string, parts ...any) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		text, at := say(ctx, id), 0
		for _, place := range places.FindAllStringIndex(text, -1) {
			part := partNamed(text[place[0]+1:place[1]-1], parts)
			if part == nil {
				continue
			}
			if _, err := io.WriteString(w, templ.EscapeString(text[at:place[0]])); err != nil {
				return err
			}
			if err := part.Render(ctx, w); err != nil {
				return err
			}
			at = place[1]
		}
		_, err := io.WriteString(w, templ.EscapeString(text[at:]))
		return err
	})
}

var places = regexp.MustCompile(`\{\w+\}`)

func partNamed(name string, parts []any) templ.Component {
	for i := 0; i+1 < len(parts); i += 2 {
		if parts[i] != name {
			continue
		}
		switch part := parts[i+1].(type) {
		case templ.Component:
			return part
		case string:
			return templ.Raw(templ.EscapeString(part))
		}
	}
	return nil
}

// Words are options whose labels are words of the product, and not names that people gave.
func Words(ctx context.Context, options []Option) []Option {
	options = slices.Clone(options)
	for i, o := range options {
		options[i].Label = o.words(ctx)
	}
	return options
}

// ours is a text in the reader's language, unless people wrote it: their "Done" is no word of the product.
func ours(ctx context.Context, text string, theirs bool) string {
	if theirs {
		return text
	}
	return say(ctx, text)
}

// in is the props with what is written in words of the product looked up in the reader's language.
func (p FieldProps) in(ctx context.Context) FieldProps {
	p.Label, p.Hint, p.Error = ours(ctx, p.Label, p.Own), ours(ctx, p.Hint, p.Own), say(ctx, p.Error)
	p.Placeholder, p.Prefix, p.Suffix = say(ctx, p.Placeholder), say(ctx, p.Prefix), say(ctx, p.Suffix)
	if p.Error != "" && p.Required && p.Autocomplete == "new-password" {
		p.Hint = "" // what is wrong with a password says again how a good one is
	}
	return p
}

func (p KeyValueProps) in(ctx context.Context) KeyValueProps {
	p.Legend, p.Hint, p.Error = say(ctx, p.Legend), say(ctx, p.Hint), say(ctx, p.Error)
	p.NameLabel, p.ValueLabel, p.AddLabel = say(ctx, first(p.NameLabel, texts.ID("Name"))), say(ctx, first(p.ValueLabel, texts.ID("Value"))), say(ctx, first(p.AddLabel, texts.ID("Add row")))
	return p
}

func (p ButtonProps) in(ctx context.Context) ButtonProps {
	p.Label = say(ctx, p.Label)
	return p
}

func (p ConfirmProps) in(ctx context.Context) ConfirmProps {
	p.Label, p.Title, p.Confirm = say(ctx, p.Label), say(ctx, p.Title), say(ctx, first(p.Confirm, p.Label))
	p.Keep = say(ctx, p.Keep)
	return p
}

func (p CodeProps) in(ctx context.Context) CodeProps {
	p.Label, p.Note = say(ctx, p.Label), say(ctx, p.Note)
	return p
}

func (p ChartProps) in(ctx context.Context) ChartProps {
	p.Title, p.Series = say(ctx, p.Title), slices.Clone(p.Series)
	for i, s := range p.Series {
		p.Series[i].Label = say(ctx, s.Label)
	}
	return p
}

// lower is a word inside a sentence, where the language writes it small.
func lower(ctx context.Context, word string) string {
	if texts.In(ctx).Tag == "de" {
		return word
	}
	return strings.ToLower(word)
}
