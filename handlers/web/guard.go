package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"waybill/db/fault"
	"waybill/db/model"
)

// pageGuard lets through who holds the right; it is the only place where rights of pages are checked.
func (w *Web) pageGuard(right model.Right) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if right == Public {
				return next(c)
			}
			who, err := w.visitor(c)
			if err != nil {
				return err
			}
			if who == nil {
				return fault.New(fault.SignedOut, "Sign in to see this page.")
			}
			if !who.rights.Has(right) {
				return fault.Missing(string(right))
			}
			return next(c)
		}
	}
}

// apiGuard is pageGuard for programs: the bearer key decides.
func (w *Web) apiGuard(right model.Right) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			h := c.Response().Header()
			for _, name := range pagesOnly {
				delete(h, name)
			}
			h.Set("Cache-Control", "no-store")
			if right == Public {
				return next(c)
			}
			a, err := w.keys.actor(c)
			if err != nil {
				return err
			}
			if !a.Rights.Has(right) {
				return fault.Missing(string(right))
			}
			c.Set(actorKey, a)
			return next(c)
		}
	}
}

const actorKey = "actor"

// Actor is who asks, for the store's Write. On a public route nobody does: its zero value cannot write.
func (w *Web) Actor(c echo.Context) model.Actor {
	if a, ok := c.Get(actorKey).(model.Actor); ok {
		return a
	}
	who, err := w.visitor(c)
	if err != nil || who == nil {
		return model.Actor{}
	}
	return model.Actor{Kind: model.ActorUser, UserID: who.user.ID, Name: who.user.Name, Address: Address(c), RequestID: RequestID(c), Rights: who.rights}
}

// sameOrigin refuses changes that another site asks the browser to make.
func (w *Web) sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := w.origins.Check(c.Request()); err != nil {
			return &fault.Fault{Kind: fault.Forbidden, Code: "cross_origin", Cause: err,
				Message: "This form was sent from another site, so nothing was done. Open the page on this server and try again."}
		}
		return next(c)
	}
}

func limitBody(most int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if waits := r.Header.Get("Expect") != ""; r.ContentLength > serverReads || r.ContentLength < 0 || waits {
				rest := &unread{ReadCloser: r.Body}
				c.Response().Writer = &lastWord{ResponseWriter: c.Response().Writer, rest: rest, waits: waits, request: r}
				r.Body = rest
			}
			if r.ContentLength > most {
				return tooLarge(most)
			}
			r.Body = http.MaxBytesReader(c.Response(), r.Body, most)
			return next(c)
		}
	}
}

// What net/http reads of a body that its handler left; with more to come it closes the connection.
const serverReads = 256 << 10

// Bounds of what is read only to be thrown away.
const (
	mostWaste  = 32 << 20
	wasteTakes = 10 * time.Second
)

// lastWord reads the rest of a body before the answer that it was not taken (too large, a wrong key, signed out): many clients
// look for an answer only when they have sent everything, and would see a broken connection instead.
type lastWord struct {
	http.ResponseWriter
	rest    *unread
	waits   bool // for a word before it sends the body
	request *http.Request
}

// unread is a body and whether reading it failed: then nothing more comes, or not in time.
type unread struct {
	io.ReadCloser
	failed bool
}

func (b *unread) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = true
	}
	return n, err
}

func (w *lastWord) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *lastWord) WriteHeader(status int) {
	if w.waits { // net/http knows by its own body that nobody sends one, and waits for it otherwise
		w.request.Body = w.rest.ReadCloser
	}
	if status >= http.StatusMultipleChoices && !w.waits && !w.rest.failed {
		_ = http.NewResponseController(w.ResponseWriter).SetReadDeadline(time.Now().Add(wasteTakes))
		_, _ = io.CopyN(io.Discard, w.rest, mostWaste)
	}
	w.ResponseWriter.WriteHeader(status)
}

func tooLarge(most int64) error {
	if most < 1<<20 {
		return fault.New(fault.TooLarge, "The request is larger than %d KiB.", most>>10)
	}
	return fault.New(fault.TooLarge, "The request is larger than %d MiB.", most>>20)
}

func compress() echo.MiddlewareFunc {
	return middleware.GzipWithConfig(middleware.GzipConfig{MinLength: 1024, Level: 5, Skipper: func(c echo.Context) bool {
		return strings.Contains(c.Request().Header.Get("Accept"), "text/event-stream")
	}})
}
