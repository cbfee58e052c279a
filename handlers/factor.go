package handlers

import (
	"bytes"
	"context"
	"crypto/subtle"
	"image/png"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) factorRoutes() []web.Route {
	return []web.Route{
		web.Get(model.SignedIn, href.SecondFactor(), h.showFactor),
		web.Post(model.SignedIn, href.SecondFactor(), h.beginFactor),
		web.Get(model.SignedIn, href.SecondFactorQR(), h.drawFactor),
		web.Post(model.SignedIn, href.ConfirmSecondFactor(), h.confirmFactor),
		web.Post(model.SignedIn, href.RecoveryCodes(), h.renewCodes),
		web.Post(model.SignedIn, href.RemoveSecondFactor(), h.removeFactor),
	}
}

var accountCrumb = crumb("Account", href.Account())

func (h *Handlers) showFactor(c echo.Context) error {
	return h.factorPage(c, http.StatusOK, views.FactorProps{})
}

func (h *Handlers) factorPage(c echo.Context, status int, p views.FactorProps) error {
	ctx := c.Request().Context()
	u, _ := h.User(c)
	var err error
	if p.Factor, err = h.Store.SecondFactor(ctx, u.ID); err != nil {
		return err
	}
	p.Now, p.Email = h.Now(), u.Email
	if p.Factor.Begun && p.Factor.ConfirmedAt.IsZero() {
		secret, err := h.Store.OpenSecondFactor(ctx, u.ID)
		if err != nil {
			return err
		}
		p.Secret = spaced(secret.Reveal())
	}
	return h.Page(c, web.Bits{Status: status, Title: "Second factor", Crumbs: under(accountCrumb, "Second factor")}, views.Factor(p))
}

// spaced cuts a secret into groups of four, as people type it.
func spaced(s string) string {
	var out []string
	for ; len(s) > 4; s = s[4:] {
		out = append(out, s[:4])
	}
	return strings.Join(append(out, s), " ")
}

// known asks for the password before something that a stolen session must not do. The message is "" when it is right.
func (h *Handlers) known(c echo.Context, password string) (wrong string, err error) {
	u, _ := h.User(c)
	_, err = h.authenticate(c, u.Email, password)
	switch {
	case fault.Is(err, fault.SignedOut):
		return h.T(c, "This is not your current password."), nil
	case fault.Is(err, fault.Throttled):
		return h.Said(c, err).Message, nil
	}
	return "", err
}

func (h *Handlers) beginFactor(c echo.Context) error {
	wrong, err := h.known(c, typed(c, "current"))
	if err != nil {
		return err
	}
	if wrong != "" {
		return h.factorPage(c, http.StatusUnprocessableEntity, views.FactorProps{Errors: map[string]string{"current": wrong}})
	}
	u, _ := h.User(c)
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Waybill", AccountName: u.Email})
	if err != nil {
		return err
	}
	secret := model.Secret(key.Secret())
	if err := h.write(c, func(tx *db.Tx) error { return tx.BeginSecondFactor(u.ID, secret) }); err != nil {
		return err
	}
	return web.Redirect(c, href.SecondFactor())
}

// drawFactor is the QR code of a second factor that is being added; one that is active is never shown again.
func (h *Handlers) drawFactor(c echo.Context) error {
	ctx := c.Request().Context()
	u, _ := h.User(c)
	if u.SecondFactor {
		return fault.Absent("QR code")
	}
	secret, err := h.Store.OpenSecondFactor(ctx, u.ID)
	if err != nil {
		return err
	}
	issuer := "Waybill (" + h.BaseURL.Host + ")"
	key, err := otp.NewKeyFromURL("otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(u.Email) + "?issuer=" + url.QueryEscape(issuer) + "&secret=" + secret.Reveal())
	if err != nil {
		return err
	}
	image, err := key.Image(232, 232)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := png.Encode(&out, image); err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "image/png", out.Bytes())
}

func (h *Handlers) confirmFactor(c echo.Context) error {
	u, _ := h.User(c)
	step, err := h.checkCode(c, u, typed(c, "code"), 0)
	if f := h.Said(c, err); f != nil && (f.Kind == fault.SignedOut || f.Kind == fault.Throttled) {
		return h.factorPage(c, http.StatusUnprocessableEntity, views.FactorProps{Errors: map[string]string{"code": f.Message}})
	}
	if err != nil {
		return err
	}
	codes, hashes := db.NewCodes(u.ID)
	if err := h.write(c, func(tx *db.Tx) error { return tx.ConfirmSecondFactor(u.ID, step, hashes) }); err != nil {
		return err
	}
	return h.factorPage(c, http.StatusCreated, views.FactorProps{Codes: codes, Added: true})
}

func (h *Handlers) renewCodes(c echo.Context) error {
	wrong, err := h.known(c, typed(c, "current"))
	if err != nil {
		return err
	}
	if wrong != "" {
		return h.factorPage(c, http.StatusUnprocessableEntity, views.FactorProps{Errors: map[string]string{"codes": wrong}})
	}
	u, _ := h.User(c)
	codes, hashes := db.NewCodes(u.ID)
	if err := h.write(c, func(tx *db.Tx) error { return tx.RenewRecoveryCodes(u.ID, hashes) }); err != nil {
		return err
	}
	return h.factorPage(c, http.StatusCreated, views.FactorProps{Codes: codes})
}

// removeFactor asks for the password, and for a new one when that is too short to stand alone.
func (h *Handlers) removeFactor(c echo.Context) error {
	ctx, current, next := c.Request().Context(), typed(c, "current"), typed(c, "password")
	u, _ := h.User(c)
	wrong, err := h.known(c, current)
	if err != nil {
		return err
	}
	problem := func(field, words string) error {
		return h.factorPage(c, http.StatusUnprocessableEntity, views.FactorProps{Errors: map[string]string{field: words}, Short: !web.LongEnough(current, web.MinPassword)})
	}
	if wrong != "" {
		return problem("remove", wrong)
	}
	hash := ""
	if next != "" || !web.LongEnough(current, web.MinPassword) {
		if hash, err = h.newHash(ctx, next, u.Email, u.Name); err != nil {
			fields, ok := h.Fields(c, err)
			if !ok {
				return err
			}
			return problem("password", h.T(c, "Your password alone is too short.")+" "+fields["password"])
		}
	}
	keep := h.Session(c).ID
	err = h.write(c, func(tx *db.Tx) error {
		if err := tx.DropSecondFactor(u.ID); err != nil || hash == "" {
			return err
		}
		return tx.SetPassword(u.ID, hash, keep)
	})
	if err != nil {
		return err
	}
	return h.Done(c, href.Account(), "The second factor is removed: the password alone signs you in.")
}

// checkCode is the period of a code that is right now and not used up, with one period of grace either way for clocks that
// differ (RFC 6238 5.2). Failures count against the account and the network.
func (h *Handlers) checkCode(c echo.Context, u model.User, code string, after int64) (int64, error) {
	ctx := c.Request().Context()
	keys := factorKeys(u.ID, web.Address(c))
	if err := h.throttled(ctx, keys); err != nil {
		return 0, err
	}
	secret, err := h.Store.OpenSecondFactor(ctx, u.ID)
	if err != nil {
		return 0, err
	}
	step, err := rightStep(secret, code, h.Now())
	if err != nil {
		return 0, err
	}
	if step <= after {
		return 0, h.failed(ctx, c, u, keys)
	}
	return step, nil
}

// rightStep is the period whose code this is, 0 when it is none of those around now.
func rightStep(secret model.Secret, code string, now time.Time) (int64, error) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	found := int64(0)
	for _, shift := range []time.Duration{-period, 0, period} {
		at := now.Add(shift)
		want, err := totp.GenerateCode(secret.Reveal(), at)
		if err != nil {
			return 0, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = at.Unix() / int64(period.Seconds())
		}
	}
	return found, nil
}

// period is how long a code lives.
const period = 30 * time.Second

func factorKeys(id model.UserID, address string) []string {
	return []string{"factor:" + string(id), db.NetworkKey(address)}
}

// failed counts a wrong code.
func (h *Handlers) failed(ctx context.Context, c echo.Context, u model.User, keys []string) error {
	actor := model.Actor{Kind: model.ActorSystem, Name: "sign-in", Address: web.Address(c), RequestID: web.RequestID(c)}
	err := h.Store.Write(ctx, actor, func(tx *db.Tx) error {
		if err := tx.RefuseSession(u.Email, u.ID, "wrong code"); err != nil {
			return err
		}
		return tx.Failed(keys...)
	})
	if err != nil {
		return err
	}
	return fault.New(fault.SignedOut, "This code is wrong, or was used already. Enter the one that your app shows now.")
}

func (h *Handlers) showLoginCode(c echo.Context) error {
	next := web.SafeNext(c.QueryParam("next"))
	if _, in := h.User(c); in {
		return c.Redirect(http.StatusSeeOther, next)
	}
	if _, ok := h.Step(c); !ok {
		return h.tooLate(c, next)
	}
	return h.codePage(c, http.StatusOK, views.CodeForm{Next: next})
}

// tooLate begins signing in anew: no password was shown, or not lately.
func (h *Handlers) tooLate(c echo.Context, next string) error {
	return h.loginPage(c, http.StatusUnprocessableEntity, views.LoginForm{Next: next, Problem: h.T(c, "Enter your password again: that was too long ago, or the account was changed meanwhile.")})
}

func (h *Handlers) codePage(c echo.Context, status int, f views.CodeForm) error {
	key, err := h.Key(c.Request().Context())
	if err != nil {
		return err
	}
	f.Locked = !key.OK
	return h.Page(c, web.Bits{Status: status, Title: "Sign in"}, views.LoginCode(f))
}

// loginCode takes a code of the app or a recovery code, whichever it looks like. Like passwords, codes are tried two at a
// time at most, so that guesses sent all at once are counted before the next are tried.
func (h *Handlers) loginCode(c echo.Context) error {
	f, err := web.Bind[views.CodeForm](c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	f.Next = web.SafeNext(f.Next)
	u, ok := h.Step(c)
	if !ok {
		return h.tooLate(c, f.Next)
	}
	select {
	case h.door <- struct{}{}:
		defer func() { <-h.door }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := h.enter(c, u, f.Code); err != nil {
		x := h.Said(c, err)
		if x == nil || x.Kind != fault.SignedOut && x.Kind != fault.Throttled && x.Kind != fault.Unavailable {
			return err
		}
		f.Problem = x.Message
		if x.RetryAfter > 0 {
			c.Response().Header().Set("Retry-After", strconv.Itoa(x.RetryAfter))
		}
		status := web.Status(x.Kind)
		if x.Kind == fault.SignedOut {
			status = http.StatusUnprocessableEntity
		}
		return h.codePage(c, status, f)
	}
	h.DropStep(c)
	if err := h.SignIn(c, u); err != nil {
		return err
	}
	return web.Redirect(c, f.Next)
}

// enter is nil when the code is right; it is used up then.
func (h *Handlers) enter(c echo.Context, u model.User, code string) error {
	ctx := c.Request().Context()
	keys := factorKeys(u.ID, web.Address(c))
	actor := model.Actor{Kind: model.ActorUser, UserID: u.ID, Name: u.Name, Address: web.Address(c), RequestID: web.RequestID(c), Rights: model.Rights{}}
	use := func(tx *db.Tx) error { return tx.UseRecoveryCode(u.ID, db.HashCode(u.ID, code)) }
	if digits := strings.ReplaceAll(strings.TrimSpace(code), " ", ""); len(digits) == 6 {
		factor, err := h.Store.SecondFactor(ctx, u.ID)
		if err != nil {
			return err
		}
		step, err := h.checkCode(c, u, code, factor.LastStep)
		if err != nil {
			return err
		}
		use = func(tx *db.Tx) error { return tx.UseStep(u.ID, step) }
	} else if err := h.throttled(ctx, keys); err != nil {
		return err
	}
	err := h.Store.Write(ctx, actor, func(tx *db.Tx) error {
		if err := use(tx); err != nil {
			return err
		}
		return tx.Cleared(keys[0], keys[1:]...)
	})
	if fault.Is(err, fault.SignedOut) {
		return h.failed(ctx, c, u, keys)
	}
	return err
}
