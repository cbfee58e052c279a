package handlers

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/ui"
)

// wrong turns err into what a form that is shown again says, and its status; ok is false when the page is no place for
// it. theirs is the URL of what is stored, for when somebody else saved meanwhile.
func (h *Handlers) wrong(c echo.Context, err error, theirs string) (p views.Problems, status int, ok bool) {
	f := h.Said(c, err)
	if f == nil {
		return p, 0, false
	}
	p.Fields = map[string]string{}
	switch {
	case f.Kind == fault.Stale:
		p.Theirs = theirs
		return p, http.StatusConflict, true
	case f.Code == "duplicate_name":
		p.Fields["name"] = f.Message
		return p, http.StatusUnprocessableEntity, true
	case f.Kind == fault.Unavailable: // nothing is lost that was typed
		if f.RetryAfter > 0 {
			c.Response().Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		p.Fields[""] = f.Message
		return p, web.Status(f.Kind), true
	case f.Kind != fault.Invalid:
		return p, 0, false
	}
	for _, x := range f.Fields {
		if p.Fields[x.Name] == "" {
			p.Fields[x.Name] = x.Message
		}
	}
	if len(f.Fields) == 0 {
		p.Fields[""] = f.Message
	}
	return p, http.StatusUnprocessableEntity, true
}

// number reads a whole number that was typed; empty is 0. What is no number becomes a complaint about the field.
func number(bad *fault.Check, field, typed string) int {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return 0
	}
	n, err := strconv.Atoi(typed)
	if err != nil {
		bad.Add(field, "A whole number, such as 30.")
		return 0
	}
	return n
}

// both joins the complaints of two checks, so that a person sees all of them at once.
func both(a, b error) error {
	fa, fb := fault.Of(a), fault.Of(b)
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case fa == nil || fb == nil:
		return errors.Join(a, b)
	}
	var all fault.Check
	all.Join("", fa.Fields)
	all.Join("", fb.Fields)
	return all.Err()
}

// typed is one input of the posted form.
func typed(c echo.Context, name string) string { return c.FormValue(name) }

// switchedOn reads the value that a switch button posts.
func switchedOn(c echo.Context) bool { return typed(c, "value") == "on" }

// switched says what it means that something is on or off now; actions is how many send to it.
func (h *Handlers) switched(c echo.Context, url, name string, on bool, actions int) error {
	switch {
	case on:
		return h.Done(c, url, h.T(c, "{name} is on. What was held goes out now.", "name", name))
	case actions == 0:
		return h.Done(c, url, h.T(c, "{name} is off.", "name", name))
	}
	h.Flash(c, ui.Warn, h.T(c, "{name} is off. It is used by {actions}: what they send is held until it is on again.", "name", name, "actions", ui.Many(h.Reader(c), actions, "action")))
	return web.Redirect(c, url)
}
