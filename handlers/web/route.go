package web

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"waybill/db/model"
)

// Public is the right of routes that everybody may call. It is written out, never left empty.
const Public model.Right = "public"

// Face is the kind of caller that a route is made for.
type Face int

const (
	Page  Face = iota // a browser with a session; answers are pages
	API               // a program with an API key; answers are JSON
	Plain             // neither: probes, assets, inbound calls
)

// Route is one row of the route table. Only Mount puts routes into echo, and it refuses one without a right.
type Route struct {
	Method, Path string
	Right        model.Right
	Face         Face
	Handler      echo.HandlerFunc
	Most         int64 // bytes that a request may carry, 0 = as usual for its face
	Late         bool  // a page whose handler reads the posted form itself (ReadForm), once it knows that it wants it
}

// Up is the row with more room for what is uploaded.
func (r Route) Up(most int64) Route {
	r.Most = most
	return r
}

// LateForm is the row with a handler that looks at who asks, and for what, before it reads the posted form.
func (r Route) LateForm() Route {
	r.Late = true
	return r
}

// most is the bound of what a request may carry.
func (r Route) most(usual int64) int64 {
	if r.Most > 0 {
		return r.Most
	}
	return usual
}

// Get is a page that shows something.
func Get(right model.Right, path string, h echo.HandlerFunc) Route {
	return Route{Method: http.MethodGet, Path: path, Right: right, Handler: h}
}

// Post is a form that changes something.
func Post(right model.Right, path string, h echo.HandlerFunc) Route {
	return Route{Method: http.MethodPost, Path: path, Right: right, Handler: h}
}

// Program is a route of the JSON API.
func Program(method string, right model.Right, path string, h echo.HandlerFunc) Route {
	return Route{Method: method, Path: path, Right: right, Face: API, Handler: h}
}

// Open is a route that asks for nobody's name.
func Open(method, path string, h echo.HandlerFunc) Route {
	return Route{Method: method, Path: path, Right: Public, Face: Plain, Handler: h}
}

// Bounds of what a request may carry, in bytes. The API's leaves room for the largest batch and its syntax.
const (
	pageBody = 2 << 20
	apiBody  = 9 << 20
)

// Mount puts the table into e, each route behind what its face and its right demand. A GET answers HEAD too.
func (w *Web) Mount(e *echo.Echo, table []Route) error {
	for _, r := range table {
		if r.Right == "" || r.Handler == nil {
			return fmt.Errorf("route %s %s has no right or no handler", r.Method, r.Path)
		}
		guards := []echo.MiddlewareFunc{w.pageGuard(r.Right)}
		switch r.Face {
		case API:
			guards = []echo.MiddlewareFunc{limitBody(r.most(apiBody)), w.apiGuard(r.Right)}
		case Plain:
			guards = []echo.MiddlewareFunc{limitBody(r.most(pageBody))}
			if r.Right != Public {
				return fmt.Errorf("route %s %s asks nobody's name, so it cannot need %q", r.Method, r.Path, r.Right)
			}
		case Page:
			guards = []echo.MiddlewareFunc{uncached, compress(), limitBody(r.most(pageBody)), w.sameOrigin, w.pageGuard(r.Right), w.readable(r.Late)}
			if r.Right == Public {
				guards = []echo.MiddlewareFunc{uncached, compress(), limitBody(r.most(strangerBody)), w.strangers.mind, w.sameOrigin, w.readable(r.Late)}
			}
		}
		e.Add(r.Method, r.Path, r.Handler, guards...)
		if r.Method == http.MethodGet {
			e.Add(http.MethodHead, r.Path, r.Handler, guards...)
		}
	}
	return nil
}
