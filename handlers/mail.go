package handlers

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

// shownLetters is how many letters the page of mail shows.
const shownLetters = 15

func (h *Handlers) showMail(c echo.Context) error {
	m, err := h.Store.Mail(c.Request().Context())
	if err != nil {
		return err
	}
	f := views.MailForm{Version: m.Version, Host: m.Host, Security: m.Security, Username: m.Username, From: m.From, FromName: m.FromName}
	if m.Port > 0 {
		f.Port = strconv.Itoa(m.Port)
	}
	return h.mailPage(c, http.StatusOK, views.MailProps{Form: f, Saved: m})
}

func (h *Handlers) mailPage(c echo.Context, status int, p views.MailProps) error {
	p.CanEdit, p.Now = h.may(c, model.Settings.Manage()), h.Now()
	if me, ok := h.User(c); ok && p.To == "" {
		p.To = me.Email
	}
	p.Form.Password = ""
	var err error
	if p.Letters, _, err = h.Store.Mails(c.Request().Context(), db.Page{Limit: shownLetters}); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Status: status, Title: "Mail", Section: "settings", Crumbs: under(settingsCrumb, "Mail")}, views.Mail(p))
}

func (h *Handlers) updateMail(c echo.Context) error {
	f, err := web.Bind[views.MailForm](c)
	if err != nil {
		return err
	}
	var bad fault.Check
	n := model.MailSettings{Version: f.Version, Host: f.Host, Port: number(&bad, "port", f.Port), Security: f.Security, Username: f.Username, From: f.From, FromName: f.FromName}
	if err = bad.Err(); err == nil {
		err = h.o.Jobs.UpdateMail(c.Request().Context(), h.Actor(c), n, model.Secret(f.Password))
	}
	if p, status, ok := h.wrong(c, err, href.MailSettings()); ok {
		saved, err := h.Store.Mail(c.Request().Context())
		if err != nil {
			return err
		}
		return h.mailPage(c, status, views.MailProps{Form: f, Problems: p, Saved: saved})
	}
	if err != nil {
		return err
	}
	if n.Host == "" {
		return h.Done(c, href.MailSettings(), "Saved. No mail goes out.")
	}
	return h.Done(c, href.MailSettings(), "Saved. Send a test to see that letters arrive.")
}

func (h *Handlers) testMail(c echo.Context) error {
	to := typed(c, "to")
	err := h.o.Jobs.TestMail(c.Request().Context(), to, web.Letters(h.Reader(c)))
	if f := h.Said(c, err); f != nil && f.Kind == fault.Invalid && len(f.Fields) > 0 {
		m, err := h.Store.Mail(c.Request().Context())
		if err != nil {
			return err
		}
		p := views.MailProps{Saved: m, To: to, TestWent: f.Fields[0].Message}
		p.Form = views.MailForm{Version: m.Version, Host: m.Host, Port: strconv.Itoa(m.Port), Security: m.Security, Username: m.Username, From: m.From, FromName: m.FromName}
		return h.mailPage(c, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.MailSettings(), h.T(c, "The letter to {to} is on its way.", "to", to))
}
