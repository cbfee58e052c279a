package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

func (h *Handlers) accountRoutes() []web.Route {
	return append(h.factorRoutes(),
		web.Get(model.SignedIn, href.Account(), h.showAccount),
		web.Post(model.SignedIn, href.Account(), h.updateAccount),
		web.Post(model.SignedIn, href.AccountPassword(), h.changePassword),
		web.Post(model.SignedIn, href.AccountFormat(), h.setFormat),
		web.Post(model.SignedIn, href.RevokeOtherSessions(), h.endOtherSessions),
		web.Post(model.SignedIn, href.RevokeSession(href.Pattern), h.endSession),
	)
}

func (h *Handlers) showAccount(c echo.Context) error {
	u, _ := h.User(c)
	return h.accountPage(c, http.StatusOK, views.AccountForm{Name: u.Name, Version: u.Version, Locale: u.Locale, Zone: u.Zone, Language: u.Language}, nil)
}

func (h *Handlers) accountPage(c echo.Context, status int, f views.AccountForm, errors map[string]string) error {
	ctx := c.Request().Context()
	u, _ := h.User(c)
	open, err := h.Store.Sessions(ctx, u.ID)
	if err != nil {
		return err
	}
	done, _, err := h.Store.AuditLog(ctx, db.AuditFilter{ActorID: string(u.ID)}, db.Page{Limit: 10})
	if err != nil {
		return err
	}
	props := views.AccountProps{User: u, Form: f, Errors: errors, Sessions: open, Current: h.Session(c).ID, Done: done, KeysOff: web.KeysOff(c), Theme: web.Theme(c), Now: h.Now()}
	return h.Page(c, web.Bits{Status: status, Title: "Account"}, views.Account(props))
}

func (h *Handlers) updateAccount(c echo.Context) error {
	f, err := web.Bind[views.AccountForm](c)
	if err != nil {
		return err
	}
	u, _ := h.User(c)
	u.Name, u.Version = f.Name, f.Version
	err = h.write(c, func(tx *db.Tx) error { changed := u; return tx.UpdateUser(&changed) })
	if fields, ok := h.Fields(c, err); ok {
		f.Locale, f.Zone, f.Language = u.Locale, u.Zone, u.Language
		return h.accountPage(c, http.StatusUnprocessableEntity, f, fields)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Account(), "Your name is saved.")
}

// setFormat stores the language of the pages, and how one reads dates and numbers.
func (h *Handlers) setFormat(c echo.Context) error {
	u, _ := h.User(c)
	locale, zone, language := typed(c, "locale"), strings.TrimSpace(typed(c, "zone")), typed(c, "language")
	errors := map[string]string{}
	if l, known := ui.LocaleOf(locale); locale != "" && (!known || l.Tag != locale) {
		errors["locale"] = h.T(c, "Choose one of the list.")
	}
	if zone != "" && !ui.KnownZone(zone) {
		errors["zone"] = h.T(c, "There is no such time zone. They are named like Europe/Berlin or America/New_York.")
	}
	if l := texts.Of(language); language != "" && (l == nil || l.Tag != language) {
		errors["language"] = h.T(c, "Choose one of the list.")
	}
	if len(errors) > 0 {
		f := views.AccountForm{Name: u.Name, Version: u.Version, Locale: locale, Zone: zone, Language: language}
		return h.accountPage(c, http.StatusUnprocessableEntity, f, errors)
	}
	if err := h.write(c, func(tx *db.Tx) error { return tx.SetFormat(u.ID, locale, zone, language) }); err != nil {
		return err
	}
	return h.Done(c, href.Account(), "Saved. Pages are written that way from now on.")
}

func (h *Handlers) changePassword(c echo.Context) error {
	f, err := web.Bind[views.PasswordForm](c)
	if err != nil {
		return err
	}
	u, _ := h.User(c)
	form := views.AccountForm{Name: u.Name, Version: u.Version, Locale: u.Locale, Zone: u.Zone, Language: u.Language}
	if _, err := h.authenticate(c, u.Email, f.Current); fault.Is(err, fault.SignedOut) {
		return h.accountPage(c, http.StatusUnprocessableEntity, form, map[string]string{"current": "This is not your current password."})
	} else if err != nil {
		return err
	}
	err = h.setPassword(c, u, f.Next, h.Session(c).ID)
	if fields, ok := h.Fields(c, err); ok {
		return h.accountPage(c, http.StatusUnprocessableEntity, form, fields)
	}
	if err != nil {
		return err
	}
	if err := h.SignIn(c, u); err != nil {
		return err
	}
	return h.Done(c, href.Account(), "Your password is changed. You are signed out everywhere else.")
}

// setPassword stores a new password and ends all sessions of the user but keep.
func (h *Handlers) setPassword(c echo.Context, u model.User, password string, keep model.SessionID) error {
	ctx, least := c.Request().Context(), web.MinPassword
	if u.SecondFactor && u.ID == h.Actor(c).UserID {
		least = web.MinWithCode
	}
	hash, err := h.newHashOf(ctx, least, password, u.Email, u.Name)
	if err != nil {
		return err
	}
	return h.write(c, func(tx *db.Tx) error { return tx.SetPassword(u.ID, hash, keep) })
}

func (h *Handlers) endOtherSessions(c echo.Context) error {
	u, _ := h.User(c)
	keep := h.Session(c).ID
	err := h.write(c, func(tx *db.Tx) error { return tx.EndSessions(u.ID, keep) })
	if err != nil {
		return err
	}
	return h.Done(c, href.Account(), "Signed out everywhere else.")
}

// endSession ends one of one's own sessions; somebody else's is as good as absent.
func (h *Handlers) endSession(c echo.Context) error {
	ctx := c.Request().Context()
	u, _ := h.User(c)
	own, err := h.Store.Sessions(ctx, u.ID)
	if err != nil {
		return err
	}
	id := web.ID[model.SessionID](c)
	for _, s := range own {
		if s.ID == id {
			if err := h.write(c, func(tx *db.Tx) error { return tx.EndSession(id) }); err != nil {
				return err
			}
			return h.Done(c, href.Account(), "That session is signed out.")
		}
	}
	return fault.Absent("session")
}
