package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// StreamRecords answers with a file that write makes, page by page, so that memory stays small whatever its length; zip
// compresses it. What fails before the first bytes is an error as ever; what fails later breaks the connection, so that
// nobody takes a part for the whole.
func (w *Web) StreamRecords(c echo.Context, name, contentType string, zip bool, write func(to io.Writer, between func() error) error) error {
	out := c.Response()
	head := out.Header()
	if zip {
		contentType = "application/gzip"
	}
	head.Set("Content-Type", contentType)
	head.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	head.Set("X-Accel-Buffering", "no")
	out.WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	control := http.NewResponseController(out.Writer)
	to, finish := io.Writer(out), func() error { return nil }
	if zip {
		z := gzip.NewWriter(out)
		to, finish = z, z.Close
	}
	err := write(to, func() error {
		out.Flush()
		_ = control.SetWriteDeadline(time.Now().Add(time.Minute)) // where the connection has none, it needs none
		return c.Request().Context().Err()
	})
	if err == nil {
		err = finish()
	}
	if err != nil {
		w.Log.Warn("a download was cut off", "file", name, "request_id", RequestID(c), "err", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}
