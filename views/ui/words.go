package ui

import (
	"context"
	"slices"
	"strings"

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

// Words are options whose labels are words of the product, and not names that people gave.
func Words(ctx context.Context, options []Option) []Option {
	options = slices.Clone(options)
	for i, o := range options {
		options[i].Label = say(ctx, o.Label)
	}
	return options
}

// in is the props with what is written in words of the product looked up in the reader's language.
func (p FieldProps) in(ctx context.Context) FieldProps {
	p.Label, p.Hint, p.Error = say(ctx, p.Label), say(ctx, p.Hint), say(ctx, p.Error)
	p.Placeholder, p.Prefix, p.Suffix = say(ctx, p.Placeholder), say(ctx, p.Prefix), say(ctx, p.Suffix)
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
