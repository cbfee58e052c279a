package web

import (
	"context"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/views"
	"waybill/views/texts"
)

// Said is the fault in err with its sentences in the language of ctx's reader; nil when there is none. Programs are
// told in English: they are given the fault itself.
func Said(ctx context.Context, err error) *fault.Fault {
	f := fault.Of(err)
	if f == nil {
		return nil
	}
	out := *f
	out.Message, out.Fields = views.Said(ctx, f.Words()), make([]fault.Field, len(f.Fields))
	for i, x := range f.Fields {
		out.Fields[i] = fault.Field{Name: x.Name, Message: views.Said(ctx, x.Words())}
	}
	return &out
}

// Said is the fault in err as whoever asks is told it; nil when there is none.
func (w *Web) Said(c echo.Context, err error) *fault.Fault { return Said(w.Reader(c), err) }

// Letters writes what letters say: in the language with this tag, where there is such a one, else in that of ctx's reader.
func Letters(ctx context.Context) func(language string, words *fault.Words) string {
	return func(language string, words *fault.Words) string {
		if l := texts.Of(language); l != nil {
			return views.Said(texts.With(ctx, l), words)
		}
		return views.Said(ctx, words)
	}
}
