package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"waybill/handlers/web"
)

// adapter makes rows of the route table out of huma's operations. huma's own adapter for echo puts them on a router
// directly, past the guards of the table, and writes errors itself.
type adapter API

func (a *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	path := strings.NewReplacer("{", ":", "}", "").Replace(op.Path)
	a.routes = append(a.routes, web.Program(op.Method, a.right, Prefix+path, func(c echo.Context) error {
		x := &exchange{op: op, c: c, web: a.web, header: http.Header{}, in: c.Request().Body}
		if s := a.outlines[op.OperationID]; s != nil {
			if err := x.readBody(s); err != nil {
				return err
			}
		}
		handler(x)
		if x.err != nil {
			return x.err
		}
		maps.Copy(c.Response().Header(), x.header)
		if x.out.Len() == 0 {
			return c.NoContent(x.status)
		}
		return c.Blob(x.status, "application/json", x.out.Bytes())
	}))
}

// ServeHTTP is asked for by huma's test tools only.
func (a *adapter) ServeHTTP(http.ResponseWriter, *http.Request) {}

// exchange is one request as huma sees it. The answer is held back until it is whole; err is what goes to the one error
// handler in its place.
type exchange struct {
	op     *huma.Operation
	c      echo.Context
	web    *web.Web
	status int
	header http.Header
	out    bytes.Buffer
	err    error // what went wrong
	unread error // why the body could not be read
	in     io.Reader
}

type actorKey struct{}

// ifMatchKey is of the condition that a change comes with.
type ifMatchKey struct{}

func (x *exchange) Context() context.Context {
	r := x.c.Request()
	ctx := context.WithValue(r.Context(), actorKey{}, x.web.Actor(x.c))
	if condition := strings.Join(r.Header["If-Match"], ", "); condition != "" && r.Method != http.MethodGet && r.Method != http.MethodHead {
		ctx = context.WithValue(ctx, ifMatchKey{}, condition)
	}
	return ctx
}

func (x *exchange) BodyReader() io.Reader { return x }

// Read reads the request's body and remembers why it ended early: huma keeps only the words.
func (x *exchange) Read(p []byte) (int, error) {
	n, err := x.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		x.unread = err
	}
	return n, err
}

func (x *exchange) EachHeader(each func(name, value string)) {
	for name, values := range x.c.Request().Header {
		for _, v := range values {
			each(name, v)
		}
	}
}

func (x *exchange) Version() huma.ProtoVersion {
	r := x.c.Request()
	return huma.ProtoVersion{Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor}
}

func (x *exchange) Operation() *huma.Operation                 { return x.op }
func (x *exchange) TLS() *tls.ConnectionState                  { return x.c.Request().TLS }
func (x *exchange) Method() string                             { return x.c.Request().Method }
func (x *exchange) Host() string                               { return x.c.Request().Host }
func (x *exchange) RemoteAddr() string                         { return x.c.Request().RemoteAddr }
func (x *exchange) URL() url.URL                               { return *x.c.Request().URL }
func (x *exchange) Param(name string) string                   { return x.c.Param(name) }
func (x *exchange) Query(name string) string                   { return x.c.QueryParam(name) }
func (x *exchange) Header(name string) string                  { return x.c.Request().Header.Get(name) }
func (x *exchange) GetMultipartForm() (*multipart.Form, error) { return nil, http.ErrNotMultipart }
func (x *exchange) SetReadDeadline(time.Time) error            { return nil } // the server's own timeouts rule
func (x *exchange) SetStatus(code int)                         { x.status = code }
func (x *exchange) Status() int                                { return x.status }
func (x *exchange) SetHeader(name, value string)               { x.header.Set(name, value) }
func (x *exchange) AppendHeader(name, value string)            { x.header.Add(name, value) }
func (x *exchange) BodyWriter() io.Writer                      { return &x.out }
