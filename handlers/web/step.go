package web

import (
	"encoding/json"

	"github.com/labstack/echo/v4"

	"waybill/db/model"
)

// A sign-in that stands between password and code is a signed cookie of five minutes, bound to the user's version: what
// changes the account in between ends it. It opens nothing by itself.

const (
	stepCookie  = "waybill_step"
	stepSeconds = 300
)

type step struct {
	User    model.UserID `json:"user"`
	Version int64        `json:"version"`
}

// KeepStep remembers that the browser has shown u's password.
func (w *Web) KeepStep(c echo.Context, u model.User) error {
	plain, err := json.Marshal(step{u.ID, u.Version})
	if err != nil {
		return err
	}
	value, err := w.steps.Encode(stepCookie, plain)
	if err != nil {
		return err
	}
	w.cookie(c, stepCookie, value, stepSeconds)
	return nil
}

// Step is whose password the browser has shown; ok is false when nobody's, or when the account changed since.
func (w *Web) Step(c echo.Context) (u model.User, ok bool) {
	cookie, err := c.Cookie(stepCookie)
	if err != nil {
		return u, false
	}
	var plain []byte
	var s step
	if w.steps.Decode(stepCookie, cookie.Value, &plain) != nil || json.Unmarshal(plain, &s) != nil {
		return u, false
	}
	u, err = w.Store.User(c.Request().Context(), s.User)
	return u, err == nil && !u.Disabled && u.Version == s.Version
}

// DropStep forgets it.
func (w *Web) DropStep(c echo.Context) { w.cookie(c, stepCookie, "", -1) }
