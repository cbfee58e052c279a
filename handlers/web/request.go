package web

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"

	"github.com/labstack/echo/v4"
)

const (
	requestIDKey = "request_id"
	addressKey   = "address"
)

// RequestID names this request in logs, error pages and the audit log.
func RequestID(c echo.Context) string {
	id, _ := c.Get(requestIDKey).(string)
	return id
}

// Address is where the call came from, proxies looked through.
func Address(c echo.Context) string {
	a, _ := c.Get(addressKey).(netip.Addr)
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// place is what limits count by: the caller's address, of IPv6 the /64, for one subscriber has that whole.
func place(c echo.Context) netip.Prefix {
	a, _ := c.Get(addressKey).(netip.Addr)
	bits := 64
	if a.Is4() {
		bits = 32
	}
	net, _ := a.Prefix(bits) // of an address that is not valid: the zero prefix, which all of those share
	return net
}

// Place is the caller's address as limits count it: of IPv6 the /64, for one subscriber has that whole.
func Place(c echo.Context) string { return place(c).String() }

// Prepare is the outermost middleware: it names the request, settles who sent it, and turns a panic into an error.
func (w *Web) Prepare(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		id := "req_" + hex.EncodeToString(b[:])
		c.Set(requestIDKey, id)
		w.Proxies.settle(c.Request())
		c.Set(addressKey, w.Proxies.client(c.Request()))
		w.headers(c.Response().Header(), id, w.secure || OverHTTPS(c.Request()))
		defer func() {
			if p := recover(); p != nil {
				if cause, ok := p.(error); ok && errors.Is(cause, http.ErrAbortHandler) {
					panic(p)
				}
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return next(c)
	}
}

// policy is the Content-Security-Policy of everything that is served: own files only, nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"

var fixed = http.Header{
	"Content-Security-Policy":    {policy},
	"X-Content-Type-Options":     {"nosniff"},
	"Referrer-Policy":            {"same-origin"},
	"Cross-Origin-Opener-Policy": {"same-origin"},
	"X-Robots-Tag":               {"noindex"},
	"Permissions-Policy":         {"camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
}

// pagesOnly say nothing to programs.
var pagesOnly = []string{"Referrer-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy"}

func (w *Web) headers(h http.Header, id string, secure bool) {
	for name, values := range fixed {
		h[name] = values
	}
	h["X-Request-Id"] = []string{id}
	if secure {
		h["Strict-Transport-Security"] = []string{"max-age=31536000"}
	}
}

// uncached tells a page from its fragments, and keeps both out of caches: they show what one person may see.
func uncached(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Cache-Control", "no-store")
		h.Add("Vary", "HX-Request")
		return next(c)
	}
}
