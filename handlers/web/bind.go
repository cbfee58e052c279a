package web

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
)

// Bind reads the posted form into the fields of T that carry a `form` tag, and no others. Numbers are fields of type
// string, so that what was typed can be shown again.
func Bind[T any](c echo.Context) (T, error) {
	var into T
	err := (&echo.DefaultBinder{}).BindBody(c, &into)
	var big *http.MaxBytesError
	if err == nil || errors.As(err, &big) {
		return into, err
	}
	return into, &fault.Fault{Kind: fault.Malformed, Message: "The form could not be read.", Cause: err}
}

// ID is the route parameter id, as the type that its noun has.
func ID[T ~string](c echo.Context) T { return T(c.Param("id")) }

// Fields turns the complaints of err into messages by field, for a form that is shown again to whoever asks; what is
// about no field is under "". ok is false when err is something else.
func (w *Web) Fields(c echo.Context, err error) (byField map[string]string, ok bool) {
	f := w.Said(c, err)
	if f == nil || f.Kind != fault.Invalid && f.Kind != fault.Conflict {
		return nil, false
	}
	byField = map[string]string{}
	for _, x := range f.Fields {
		if byField[x.Name] == "" {
			byField[x.Name] = x.Message
		}
	}
	if len(f.Fields) == 0 {
		byField[""] = f.Message
	}
	return byField, true
}
