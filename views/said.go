package views

import (
	"context"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/views/ui"
)

// Said is what a fault says, in the reader's language and with numbers as he is used to.
func Said(ctx context.Context, w *fault.Words) string {
	if w == nil {
		return ""
	}
	values := make([]any, len(w.Args))
	for i, x := range w.Args {
		values[i] = value(saidValue(ctx, x))
	}
	return fmt.Sprintf(say(ctx, w.Format), values...)
}

// AllSaid is Said of each.
func AllSaid(ctx context.Context, list []*fault.Words) []string {
	var out []string
	for _, w := range list {
		out = append(out, Said(ctx, w))
	}
	return out
}

// value stands in its place as it is, whatever the verb is that the format has there.
type value string

func (v value) Format(f fmt.State, verb rune) {
	text := string(v)
	if verb == 'q' {
		text = strconv.Quote(text)
	}
	_, _ = io.WriteString(f, text)
}

func saidValue(ctx context.Context, x any) string {
	switch x := x.(type) {
	case *fault.Words:
		return Said(ctx, x)
	case *fault.Fault:
		return Said(ctx, x.Words())
	case fault.Noun:
		return say(ctx, string(x))
	case fault.Right:
		return RightName(ctx, model.Right(x))
	case fault.State:
		word := say(ctx, fault.Capital(string(x)))
		r, n := utf8.DecodeRuneInString(word)
		return string(unicode.ToLower(r)) + word[n:]
	case fault.Opening:
		return fault.Capital(say(ctx, string(x)))
	case fault.Number:
		return number(ctx, float64(x))
	case fault.List:
		out := make([]string, len(x))
		for i, one := range x {
			out[i] = saidValue(ctx, one)
		}
		return strings.Join(out, ", ")
	case fmt.Stringer, error:
		return fmt.Sprint(x)
	}
	switch v := reflect.ValueOf(x); {
	case v.CanInt():
		return ui.Number(ctx, v.Int())
	case v.CanUint():
		return ui.Number(ctx, v.Uint())
	case v.CanFloat():
		return number(ctx, v.Float())
	}
	return fmt.Sprint(x)
}

// number writes as many digits as there are.
func number(ctx context.Context, f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return ui.Number(ctx, int64(f))
	}
	_, parts, _ := strings.Cut(strconv.FormatFloat(f, 'f', -1, 64), ".")
	return ui.In(ctx).Decimal(f, len(parts))
}
