package handlers

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) loginRoutes() []web.Route {
	return append(h.resetRoutes(),
		web.Get(web.Public, href.Login(), h.showLogin),
		web.Post(web.Public, href.Login(), h.login),
		web.Get(model.SignedIn, href.SignedInAgain(), h.SignedInAgain),
		web.Get(web.Public, href.HasSession(), h.HasSession),
		web.Get(web.Public, href.LoginCode(), h.showLoginCode),
		web.Post(web.Public, href.LoginCode(), h.loginCode),
		web.Post(model.SignedIn, href.Logout(), h.logout),
		web.Get(web.Public, href.Setup(), h.showSetup),
		web.Post(web.Public, href.Setup(), h.doSetup),
	)
}

func (h *Handlers) showLogin(c echo.Context) error {
	next := web.SafeNext(c.QueryParam("next"))
	if _, in := h.User(c); in {
		return c.Redirect(http.StatusSeeOther, next)
	}
	return h.loginPage(c, http.StatusOK, views.LoginForm{Next: next})
}

func (h *Handlers) loginPage(c echo.Context, status int, f views.LoginForm) error {
	var err error
	if f.Mail, err = h.mails(c); err != nil {
		return err
	}
	users, err := h.Store.CountUsers(c.Request().Context())
	if err != nil {
		return err
	}
	f.Nobody, f.Ended = users == 0, h.SessionEnded(c)
	return h.Page(c, web.Bits{Status: status, Title: "Sign in"}, views.Login(f))
}

func (h *Handlers) login(c echo.Context) error {
	f, err := web.Bind[views.LoginForm](c)
	if err != nil {
		return err
	}
	f.Next = web.SafeNext(f.Next)
	user, err := h.authenticate(c, f.Email, f.Password)
	if fault.Is(err, fault.SignedOut) {
		f.Problem = h.Said(c, err).Message
		return h.loginPage(c, http.StatusUnprocessableEntity, f)
	}
	if fault.Is(err, fault.Throttled) {
		f.Problem = h.Said(c, err).Message
		c.Response().Header().Set("Retry-After", strconv.Itoa(fault.Of(err).RetryAfter))
		return h.loginPage(c, http.StatusTooManyRequests, f)
	}
	if err != nil {
		return err
	}
	if user.SecondFactor {
		if err := h.KeepStep(c, user); err != nil {
			return err
		}
		return web.Redirect(c, href.LoginCodeThen(f.Next))
	}
	if err := h.SignIn(c, user); err != nil {
		return err
	}
	return web.Redirect(c, f.Next)
}

func (h *Handlers) logout(c echo.Context) error {
	if err := h.SignOut(c); err != nil {
		return err
	}
	return h.Done(c, href.Login(), "You are signed out.")
}

// setupLink guards the page that makes the first administrator: its token lives in memory and works once.
type setupLink struct {
	mu    sync.Mutex
	token string // "" = closed
}

func (s *setupLink) open() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = rand.Text()
	return s.token
}

func (s *setupLink) fits(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
}

// take closes the link if token fits it, so that one of two who come at once gets through; put opens it again.
func (s *setupLink) take(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	fits := s.token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
	if fits {
		s.token = ""
	}
	return fits
}

func (s *setupLink) put(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

func (h *Handlers) showSetup(c echo.Context) error {
	token := c.QueryParam("token")
	if !h.setup.fits(token) {
		return h.setupClosed(c)
	}
	return h.setupPage(c, http.StatusOK, views.SetupForm{Token: token})
}

func (h *Handlers) setupClosed(c echo.Context) error {
	return h.Page(c, web.Bits{Status: http.StatusNotFound, Title: "Setup"}, views.SetupClosed())
}

func (h *Handlers) setupPage(c echo.Context, status int, f views.SetupForm) error {
	key, err := h.Key(c.Request().Context())
	if err != nil {
		return err
	}
	if strings.HasSuffix(key.Where, db.KeyFile) {
		f.KeyAt = key.Where
	}
	return h.Page(c, web.Bits{Status: status, Title: "Setup"}, views.Setup(f))
}

// doSetup makes the first administrator, who is then signed in.
func (h *Handlers) doSetup(c echo.Context) error {
	f, err := web.Bind[views.SetupForm](c)
	if err != nil {
		return err
	}
	if !h.setup.take(f.Token) {
		return h.setupClosed(c)
	}
	u := model.User{Name: f.Name, Email: f.Email, Roles: []string{model.Administrator}}
	err = h.createFirst(c, &u, f.Password)
	if err != nil {
		h.setup.put(f.Token)
	}
	if fields, ok := h.Fields(c, err); ok {
		f.Errors = fields
		return h.setupPage(c, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	if err := h.SignIn(c, u); err != nil {
		return err
	}
	return h.Done(c, href.Home(), "Your account is ready.")
}

func (h *Handlers) createFirst(c echo.Context, u *model.User, password string) error {
	ctx := c.Request().Context()
	n, err := h.Store.CountUsers(ctx)
	if err == nil && n > 0 {
		err = fault.New(fault.Conflict, "Somebody was added meanwhile by a command; sign in with that account.")
	}
	if err != nil {
		return err
	}
	hash, err := h.newHash(ctx, password, u.Email, u.Name)
	if err != nil {
		return err
	}
	actor := model.System("setup link")
	actor.Address, actor.RequestID = web.Address(c), web.RequestID(c)
	return h.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.CreateUser(u, hash) })
}

// newHash checks a new password and hashes it; about are words that it must not consist of.
func (h *Handlers) newHash(ctx context.Context, password string, about ...string) (string, error) {
	return h.newHashOf(ctx, web.MinPassword, password, about...)
}

func (h *Handlers) newHashOf(ctx context.Context, least int, password string, about ...string) (string, error) {
	if weak := web.WeakFor(least, password, about...); weak != nil {
		f := fault.New(fault.Invalid, "This password will not do.")
		f.Fields = []fault.Field{fault.Complaint("password", "%s", weak)}
		return "", f
	}
	return h.Passwords.Hash(ctx, password)
}

// authenticate is the user with this address and password; else SignedOut, which does not say what was wrong, or
// Throttled. At most two run at a time, so that guesses sent all at once are counted before the next are tried.
func (h *Handlers) authenticate(c echo.Context, email, password string) (model.User, error) {
	ctx := c.Request().Context()
	select {
	case h.door <- struct{}{}:
		defer func() { <-h.door }()
	case <-ctx.Done():
		return model.User{}, ctx.Err()
	}
	keys := db.SignInKeys(email, web.Address(c))
	if err := h.throttled(ctx, keys); err != nil {
		return model.User{}, err
	}
	user, hash, err := h.Store.UserByEmail(ctx, email)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return model.User{}, err
	}
	right, err := h.Passwords.Verify(ctx, hash, password)
	if err != nil {
		return model.User{}, err
	}
	actor := model.Actor{Kind: model.ActorSystem, Name: "sign-in", Address: web.Address(c), RequestID: web.RequestID(c)}
	if right && !user.Disabled {
		return user, h.Store.Write(ctx, actor, func(tx *db.Tx) error { return tx.Cleared(keys[0], keys[1:]...) })
	}
	why := "wrong password"
	switch {
	case user.ID == "":
		why = "no such account"
	case user.Disabled:
		why = "account is disabled"
	}
	err = h.Store.Write(ctx, actor, func(tx *db.Tx) error {
		if err := tx.RefuseSession(email, user.ID, why); err != nil {
			return err
		}
		return tx.Failed(keys...)
	})
	if err != nil {
		return model.User{}, err
	}
	return model.User{}, fault.New(fault.SignedOut, "Email or password is wrong.")
}

// throttled is the Throttled fault while one of the keys has to wait.
func (h *Handlers) throttled(ctx context.Context, keys []string) error {
	until, err := h.Store.Throttled(ctx, keys, h.Now())
	if err != nil {
		return err
	}
	if wait := until.Sub(h.Now()); !until.IsZero() && wait > 0 {
		seconds := int(wait.Seconds()) + 1
		f := fault.New(fault.Throttled, "Too many failed tries. Wait %d seconds, then try again.", seconds)
		f.RetryAfter = seconds
		return f
	}
	return nil
}
