package web

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// visitor is somebody who is signed in.
type visitor struct {
	session model.Session
	user    model.User
	rights  model.Rights
}

const (
	visitorKey = "visitor" // in echo's context and in the values of a gorilla session
	signInKey  = "sign_in" // model.Session that is to be made by Save
)

// sessionStore keeps sessions as rows: it implements gorilla's Store, with a cookie that holds nothing but a random
// token, of which only the hash is stored. It needs no codec: there is nothing in the cookie to read or to forge.
type sessionStore struct {
	store  *db.Store
	now    func() time.Time
	secure bool
}

// name of the cookie. Behind HTTPS it is bound to this host by its prefix.
func (s *sessionStore) name() string {
	if s.secure {
		return "__Host-waybill"
	}
	return "waybill"
}

// Get is the session of this request, read once.
func (s *sessionStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New reads the session that the request's cookie names; with no valid one it is a new, empty session.
func (s *sessionStore) New(r *http.Request, name string) (*sessions.Session, error) {
	out := sessions.NewSession(s, name)
	out.IsNew = true
	out.Options = &sessions.Options{Path: "/", MaxAge: int(model.SessionLife.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure || OverHTTPS(r)}
	cookie, _ := r.Cookie(name) // nil when there is none
	if cookie == nil || cookie.Value == "" {
		return out, nil
	}
	session, user, err := s.store.SessionByToken(r.Context(), db.HashKey(cookie.Value), s.now())
	if fault.Is(err, fault.SignedOut) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("read the session: %w", err)
	}
	out.IsNew = false
	out.ID = string(session.ID)
	out.Values[visitorKey] = &visitor{session: session, user: user, rights: user.Rights()}
	return out, nil
}

// Save makes the row of a session that signs somebody in, or ends it when MaxAge is negative.
func (s *sessionStore) Save(r *http.Request, w http.ResponseWriter, out *sessions.Session) error {
	if out.Options.MaxAge < 0 {
		http.SetCookie(w, sessions.NewCookie(out.Name(), "", out.Options))
		return nil
	}
	made, ok := out.Values[signInKey].(signIn)
	if !ok {
		return nil
	}
	token := rand.Text() + rand.Text()
	err := s.store.Write(r.Context(), made.actor, func(tx *db.Tx) error {
		if made.instead != "" {
			if err := tx.EndSession(made.instead); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		row := made.session
		return tx.CreateSession(&row, db.HashKey(token))
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, sessions.NewCookie(out.Name(), token, out.Options))
	return nil
}

type signIn struct {
	session model.Session
	actor   model.Actor
	instead model.SessionID // the session that this one follows, ended with it
}

// visitor is who is signed in, nil when nobody is.
func (w *Web) visitor(c echo.Context) (*visitor, error) {
	if v, ok := c.Get(visitorKey).(*visitor); ok {
		return v, nil
	}
	s, err := w.sessions.Get(c.Request(), w.cookieName())
	if err != nil {
		return nil, err
	}
	v, _ := s.Values[visitorKey].(*visitor)
	c.Set(visitorKey, v)
	if v == nil {
		return nil, nil
	}
	if err := w.Store.SeenSession(c.Request().Context(), v.session, w.Now()); err != nil {
		w.Log.Warn("session not marked as used", "request_id", RequestID(c), "err", err)
	}
	return v, nil
}

func (w *Web) cookieName() string { return w.sessions.(*sessionStore).name() }

// User is who is signed in; on a route with a right there is always one.
func (w *Web) User(c echo.Context) (model.User, bool) {
	v, err := w.visitor(c)
	if err != nil || v == nil {
		return model.User{}, false
	}
	return v.user, true
}

// Session is the row behind the request's cookie; its zero value when signed out.
func (w *Web) Session(c echo.Context) model.Session {
	v, err := w.visitor(c)
	if err != nil || v == nil {
		return model.Session{}
	}
	return v.session
}

// SignIn makes a new session for u and ends the one that the browser had.
func (w *Web) SignIn(c echo.Context, u model.User) error {
	s, err := w.sessions.Get(c.Request(), w.cookieName())
	if err != nil {
		return err
	}
	made := signIn{actor: model.Actor{Kind: model.ActorUser, UserID: u.ID, Name: u.Name, Address: Address(c), RequestID: RequestID(c), Rights: u.Rights()}}
	made.session = model.Session{UserID: u.ID, Agent: c.Request().UserAgent(), Address: Address(c)}
	if v, _ := s.Values[visitorKey].(*visitor); v != nil {
		made.instead = v.session.ID
	}
	s.Values[signInKey] = made
	return s.Save(c.Request(), c.Response())
}

// SignOut ends the session and its cookie.
func (w *Web) SignOut(c echo.Context) error {
	s, err := w.sessions.Get(c.Request(), w.cookieName())
	if err != nil {
		return err
	}
	if id := w.Session(c).ID; id != "" {
		err := w.Store.Write(c.Request().Context(), w.Actor(c), func(tx *db.Tx) error { return tx.EndSession(id) })
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	s.Options.MaxAge = -1
	c.Set(visitorKey, (*visitor)(nil))
	return s.Save(c.Request(), c.Response())
}
