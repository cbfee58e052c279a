package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"waybill/db/fault"
)

// failure carries an operation's error through huma to the one error handler.
type failure struct{ error }

func (failure) GetStatus() int { return http.StatusInternalServerError }

// catch takes every error that huma is about to write out of its hands: those of operations as they are, its own as
// faults without the values that were submitted.
func catch(ctx huma.Context, _ string, v any) (any, error) {
	x := ctx.(*exchange)
	switch e := v.(type) {
	case failure:
		x.err = e.error
	case *huma.ErrorModel:
		x.err = refusal(e, x.unread)
	default:
		return v, nil
	}
	return nil, nil
}

// refusal says what huma found wrong with a request.
func refusal(e *huma.ErrorModel, unread error) error {
	switch {
	case unread != nil:
		return brokenBody(unread)
	case e.Status == http.StatusRequestEntityTooLarge:
		return fault.New(fault.TooLarge, "The request body is larger than %d MiB.", mostBody>>20)
	case e.Status == http.StatusUnsupportedMediaType:
		return fault.New(fault.Unsupported, "Send the body as application/json.")
	case e.Status == http.StatusBadRequest:
		f := fault.New(fault.Malformed, "The request body must be JSON.")
		for _, d := range e.Errors {
			if d.Location == "body" {
				f.Message = d.Message
			}
		}
		return f
	case e.Status == http.StatusUnprocessableEntity:
		var bad fault.Check
		for _, d := range e.Errors {
			bad.Add(place(d.Location), "%s", sentence(d.Message))
		}
		return bad.Err()
	}
	return errors.New("huma: " + e.Detail)
}

// brokenBody is the fault of a body that ended early or is too large.
func brokenBody(err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return err
	}
	return &fault.Fault{Kind: fault.Malformed, Message: "The request body did not arrive whole.", Cause: err}
}

// place is where a complaint belongs, as outsiders name it: body.headers[0].name is headers[0].name.
func place(location string) string {
	for _, prefix := range []string{"body.", "query.", "path.", "header."} {
		if rest, ok := strings.CutPrefix(location, prefix); ok {
			return rest
		}
	}
	if location == "body" {
		return ""
	}
	return location
}

// sentence says one of huma's phrases as jobs would.
func sentence(s string) string {
	switch s {
	case "":
		return "This is not valid."
	case "expected boolean", "invalid boolean":
		return "This must be true or false."
	case "expected integer", "invalid integer":
		return "This must be a whole number."
	case "expected number":
		return "This must be a number."
	case "expected string":
		return "This must be text."
	case "expected array":
		return "This must be a list."
	case "expected object":
		return "This must be an object."
	}
	for phrase, words := range map[string]string{"expected number <= ": "At most %s.", "expected number >= ": "At least %s.", "expected length <= ": "At most %s characters.",
		"expected length >= ": "At least %s characters.", "expected array length <= ": "At most %s items.", "expected array length >= ": "At least %s items."} {
		if bound, ok := strings.CutPrefix(s, phrase); ok {
			if n, err := strconv.ParseFloat(bound, 64); err == nil {
				bound = fault.Number(n).String() // huma writes large ones with an exponent
			}
			return fmt.Sprintf(words, bound)
		}
	}
	if list, ok := strings.CutPrefix(s, `expected value to be one of "`); ok {
		return "This must be one of: " + strings.TrimSuffix(list, `"`) + "."
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}
