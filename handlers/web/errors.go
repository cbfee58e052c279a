package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/views"
	"waybill/views/href"
)

// Status is the HTTP status of a fault's kind.
func Status(k fault.Kind) int {
	switch k {
	case fault.Malformed:
		return http.StatusBadRequest
	case fault.SignedOut:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict, fault.Stale:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unsupported:
		return http.StatusUnsupportedMediaType
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Throttled:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Problem is what a program is told about an error (RFC 9457).
type Problem struct {
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail"`
	Code      string        `json:"code"`
	Errors    []fault.Field `json:"errors"`
	RequestID string        `json:"request_id"`
}

// NewProblem describes f; status is that of its kind unless given.
func NewProblem(f *fault.Fault, status int, requestID string) Problem {
	p := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: f.Message, Code: f.Code, Errors: f.Fields, RequestID: requestID}
	if p.Code == "" {
		p.Code = string(f.Kind)
	}
	if p.Errors == nil {
		p.Errors = []fault.Field{}
	}
	return p
}

// Explain turns any error into a fault that may be shown and its status. What is not a fault becomes "Internal error":
// the rest of it is for the log alone.
func Explain(err error) (*fault.Fault, int) {
	if f := fault.Of(err); f != nil {
		return f, Status(f.Kind)
	}
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		f := fault.Of(tooLarge(big.Limit))
		return f, Status(f.Kind)
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		switch he.Code {
		case http.StatusNotFound:
			return fault.New(fault.NotFound, "There is nothing at this address."), he.Code
		case http.StatusMethodNotAllowed:
			return fault.Coded(fault.NotFound, "method_not_allowed", "This address does not take requests of this method."), he.Code
		case http.StatusUnsupportedMediaType:
			return fault.New(fault.Unsupported, "This content type is not taken here."), he.Code
		}
		if he.Code >= 400 && he.Code < 500 {
			return fault.New(fault.Malformed, "The request could not be read."), he.Code
		}
	}
	return &fault.Fault{Kind: "internal", Message: "Internal error. It was logged under the request id; nothing more is known here.", Cause: err}, http.StatusInternalServerError
}

// HandleError is echo's error handler: the one place where an error becomes an answer.
func (w *Web) HandleError(err error, c echo.Context) {
	if c.Response().Committed || errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		return
	}
	f, status := Explain(err)
	w.logError(c, f, status)
	if !forPrograms(c.Request().URL.Path) {
		f = w.Said(c, f)
	}
	h := c.Response().Header()
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	var failed error
	switch {
	case forPrograms(c.Request().URL.Path):
		failed = writeProblem(c, NewProblem(f, status, RequestID(c)))
	case f.Kind == fault.SignedOut:
		failed = w.signedOut(c)
	case Htmx(c):
		failed = toastError(c, f, status)
	default:
		failed = w.errorPage(c, f, status)
	}
	if failed != nil && !errors.Is(failed, context.Canceled) {
		w.Log.Error("error page not written", "request_id", RequestID(c), "err", failed)
		_ = c.String(http.StatusInternalServerError, "Internal error "+RequestID(c)+"\n")
	}
}

// logError writes what a caller is not told. The route's pattern stands for the path: real paths can hold keys.
func (w *Web) logError(c echo.Context, f *fault.Fault, status int) {
	if f.Cause == nil {
		return
	}
	args := []any{"status", status, "method", c.Request().Method, "route", c.Path(), "request_id", RequestID(c), "err", f.Cause}
	if status >= 500 {
		w.Log.Error("request failed", args...)
		return
	}
	w.Log.Warn("request refused", args...)
}

func forPrograms(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/in/") || path == "/metrics"
}

func writeProblem(c echo.Context, p Problem) error {
	h := c.Response().Header()
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="waybill"`)
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return c.Blob(p.Status, "application/problem+json", body)
}

// toastError tells a page that is open already, and leaves it as it is.
func toastError(c echo.Context, f *fault.Fault, status int) error {
	event, err := json.Marshal(map[string]any{"toast": map[string]string{"tone": "bad", "text": sentence(f)}})
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("HX-Reswap", "none")
	h.Set("HX-Trigger", ascii(event))
	return c.NoContent(status)
}

func sentence(f *fault.Fault) string {
	out := f.Message
	for _, x := range f.Fields {
		out += " " + x.Message
	}
	return out
}

// ascii writes JSON with \u escapes: header values are not UTF-8.
func ascii(text []byte) string {
	var b strings.Builder
	for _, r := range string(text) {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		if r > 0xffff {
			r = '\ufffd'
		}
		b.WriteString(`\u` + strconv.FormatInt(0x10000+int64(r), 16)[1:])
	}
	return b.String()
}

func (w *Web) errorPage(c echo.Context, f *fault.Fault, status int) error {
	props := views.ErrorProps{Status: status, Title: title(f, status), Message: f.Message, Right: f.Right, RequestID: RequestID(c), Stale: f.Kind == fault.Stale,
		TooLarge: f.Kind == fault.TooLarge}
	if who, err := w.visitor(c); err != nil || who == nil {
		props.Stranger = strings.HasPrefix(c.Request().URL.Path, href.PublicForm(""))
	}
	for _, x := range f.Fields {
		props.Details = append(props.Details, x.Message)
	}
	if r := c.Request(); r.Method == http.MethodGet && status >= 500 {
		props.Retry = r.URL.RequestURI()
	}
	return w.Page(c, Bits{Status: status, Title: props.Title}, views.ErrorPage(props))
}

func title(f *fault.Fault, status int) string {
	switch {
	case f.Right != "":
		return "You may not see this"
	case status == http.StatusMethodNotAllowed:
		return "Not here"
	}
	switch f.Kind {
	case fault.Forbidden:
		return "Refused"
	case fault.NotFound:
		return "Not found"
	case fault.Stale:
		return "Changed by someone else"
	case fault.Conflict:
		return "That does not go together"
	case fault.TooLarge:
		return "Too large"
	case fault.Invalid:
		return "Some fields need attention"
	case fault.Throttled:
		return "Too many tries"
	case fault.Unavailable:
		return "Not possible right now"
	case fault.Malformed, fault.Unsupported:
		return "This could not be read"
	}
	return "Something went wrong"
}
