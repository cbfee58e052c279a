package api

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
)

// readQuery refuses queries that mean something else than their sender thinks, before an operation reads its parameters: net/url
// leaves out what it cannot read, so a filter would be lost without a word, and of a parameter that comes twice one would count.
func readQuery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := checkQuery(c.Request().URL.RawQuery); err != nil {
			return err
		}
		return next(c)
	}
}

func checkQuery(raw string) error {
	if raw == "" {
		return nil
	}
	parameters, err := url.ParseQuery(raw)
	if err != nil {
		return fault.New(fault.Invalid, "The query of this address cannot be read, so nothing was done. Write parameters as name=value with & between them; %% stands for itself as %%25, ; as %%3B.")
	}
	var bad fault.Check
	for name, values := range parameters {
		switch {
		case len(values) > 1:
			bad.Add(name, "Give this parameter once.")
		case !utf8.ValidString(name+values[0]) || strings.ContainsRune(name+values[0], 0):
			bad.Add(strings.ReplaceAll(strings.ToValidUTF8(name, "\ufffd"), "\x00", "\ufffd"), "This must be UTF-8 text without NUL characters.")
		}
	}
	return bad.Err()
}

// known complains about parameters other than these, for operations that huma does not read.
func known(c echo.Context, bad *fault.Check, names ...string) {
	if c.Request().URL.RawQuery == "" {
		return
	}
	for name := range c.QueryParams() {
		if !slices.Contains(names, name) {
			bad.Add(name, "Unknown query parameter.")
		}
	}
}

// yes reads a parameter that is true or false, which it is when absent.
func yes(c echo.Context, bad *fault.Check, name string) bool {
	switch c.QueryParam(name) {
	case "true":
		return true
	case "", "false":
	default:
		bad.Add(name, "true or false.")
	}
	return false
}
