package handlers

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) resetRoutes() []web.Route {
	return []web.Route{
		web.Get(web.Public, href.Forgot(), h.showForgot),
		web.Post(web.Public, href.Forgot(), h.forgot),
		web.Get(web.Public, href.ResetPassword(), h.showReset),
		web.Post(web.Public, href.ResetPassword(), h.resetPassword),
	}
}

// mails reports whether letters can go out.
func (h *Handlers) mails(c echo.Context) (bool, error) {
	m, err := h.Store.Mail(c.Request().Context())
	return m.Host != "", err
}

func (h *Handlers) showForgot(c echo.Context) error {
	return h.forgotPage(c, http.StatusOK, views.ForgotForm{})
}

func (h *Handlers) forgotPage(c echo.Context, status int, f views.ForgotForm) error {
	var err error
	if f.Mail, err = h.mails(c); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Status: status, Title: "Forgotten password"}, views.Forgot(f))
}

// forgot sends a link to whoever has the address. The answer is the same whether somebody has it, and takes the same write.
func (h *Handlers) forgot(c echo.Context) error {
	f, err := web.Bind[views.ForgotForm](c)
	if err != nil {
		return err
	}
	if f.Email = strings.TrimSpace(f.Email); !strings.Contains(f.Email, "@") {
		f.Problem = h.T(c, "Enter the address that you sign in with.")
		return h.forgotPage(c, http.StatusUnprocessableEntity, f)
	}
	ctx, keys := c.Request().Context(), db.ResetKeys(f.Email, web.Address(c))
	if err := h.throttled(ctx, keys); err != nil {
		if !fault.Is(err, fault.Throttled) {
			return err
		}
		wait := strconv.Itoa(fault.Of(err).RetryAfter)
		c.Response().Header().Set("Retry-After", wait)
		f.Problem = h.T(c, "Too many links were asked for. Wait {n} seconds, then try again.", "n", wait)
		return h.forgotPage(c, http.StatusTooManyRequests, f)
	}
	token, actor := db.NewToken(), model.System("password reset")
	actor.Address, actor.RequestID = web.Address(c), web.RequestID(c)
	err = h.Store.Write(ctx, actor, func(tx *db.Tx) error {
		if err := tx.Failed(keys...); err != nil {
			return err
		}
		return h.o.Jobs.MailReset(tx, f.Email, db.HashKey(token), strings.TrimSuffix(h.BaseURL.String(), "/")+href.ResetLink(token), web.Letters(h.Reader(c)))
	})
	if err != nil {
		return err
	}
	f.Sent = true
	return h.forgotPage(c, http.StatusOK, f)
}

func (h *Handlers) showReset(c echo.Context) error {
	token := c.QueryParam("token")
	u, err := h.Store.ResetByToken(c.Request().Context(), db.HashKey(token), h.Now())
	if err != nil {
		return h.noReset(c, err)
	}
	return h.resetPage(c, http.StatusOK, u, views.ResetForm{Token: token})
}

func (h *Handlers) resetPage(c echo.Context, status int, u model.User, f views.ResetForm) error {
	f.Email = u.Email
	if f.Least = web.MinPassword; u.SecondFactor {
		f.Least = web.MinWithCode
	}
	return h.Page(c, web.Bits{Status: status, Title: "New password"}, views.ResetPassword(f))
}

// noReset says on a page of its own that a link does not work.
func (h *Handlers) noReset(c echo.Context, err error) error {
	f := h.Said(c, err)
	if f == nil || f.Kind != fault.NotFound {
		return err
	}
	return h.Page(c, web.Bits{Status: http.StatusNotFound, Title: "New password"}, views.ResetClosed(f.Message))
}

// resetPassword sets the password and lets him sign in with it: the link alone is no second factor.
func (h *Handlers) resetPassword(c echo.Context) error {
	f, err := web.Bind[views.ResetForm](c)
	if err != nil {
		return err
	}
	ctx, token := c.Request().Context(), db.HashKey(f.Token)
	u, err := h.Store.ResetByToken(ctx, token, h.Now())
	if err != nil {
		return h.noReset(c, err)
	}
	least := web.MinPassword
	if u.SecondFactor {
		least = web.MinWithCode
	}
	hash, err := h.newHashOf(ctx, least, f.Password, u.Email, u.Name)
	if err == nil {
		actor := model.System("password reset")
		actor.Address, actor.RequestID = web.Address(c), web.RequestID(c)
		err = h.Store.Write(ctx, actor, func(tx *db.Tx) error {
			_, err := tx.ResetPassword(token, hash)
			return err
		})
	}
	if fields, ok := h.Fields(c, err); ok {
		f.Error = fields["password"]
		return h.resetPage(c, http.StatusUnprocessableEntity, u, f)
	}
	if err != nil {
		return h.noReset(c, err)
	}
	return h.Done(c, href.Login(), "Your password is changed, and you are signed out everywhere. Sign in with the new one.")
}
