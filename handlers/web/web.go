// Package web is what every handler leans on: the route table and its rights, who is asking (session or API key),
// pages in their layout, forms, flash messages, and the one place where an error becomes an answer.
//
// It knows no noun: those are in handlers and handlers/api, its neighbours above. Below it are views, and the store
// for sessions and keys. It refuses to serve a route that names no right, and to change anything for a page that
// comes from another site.
package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"waybill/db"
	"waybill/db/model"
	"waybill/views"
)

// Options are what main knows and handlers need.
type Options struct {
	Store   *db.Store
	Assets  views.AssetURLs
	Now     func() time.Time
	Log     *slog.Logger
	BaseURL *url.URL // public URL; https makes cookies secure and sends HSTS
	Version string
	Proxies Proxies
	// Platform reads a token of a platform key: the API key that it stands for, and the depth of the events that it
	// publishes. nil = no such tokens are accepted.
	Platform func(ctx context.Context, token string) (model.APIKeyID, int, error)
	Nav      func(model.Rights) []views.NavGroup                           // the navigation for somebody with these rights
	Counts   func(context.Context, model.Rights) map[string]views.NavCount // beside its pages, by their keys; nil = none
	// Tasks counts what waits for somebody; nil = nothing is counted.
	Tasks func(context.Context, model.User) views.NavCount
}

// Web is the ground under all handlers. It is safe for concurrent use.
type Web struct {
	Options
	Passwords *Passwords

	sessions sessions.Store
	flashes  *securecookie.SecureCookie
	steps    *securecookie.SecureCookie // sign-ins that wait for a code
	clocks   *securecookie.SecureCookie // what Seal signs
	keys     *keyCache
	key      keyState
	origins  *http.CrossOriginProtection
	secure   bool

	strangers *strangers
}

// New makes a Web.
func New(o Options) (*Web, error) {
	w := &Web{Options: o, Passwords: NewPasswords(), origins: http.NewCrossOriginProtection(), secure: o.BaseURL.Scheme == "https"}
	if err := w.origins.AddTrustedOrigin(o.BaseURL.Scheme + "://" + o.BaseURL.Host); err != nil {
		return nil, fmt.Errorf("trust the base URL: %w", err)
	}
	w.strangers = newStrangers()
	w.clocks = securecookie.New([]byte(rand.Text()), nil).MaxAge(0)
	w.sessions = &sessionStore{store: o.Store, now: o.Now, secure: w.secure}
	w.flashes = securecookie.New([]byte(rand.Text()), nil).MaxAge(60)
	w.steps = securecookie.New([]byte(rand.Text()+rand.Text()), nil).MaxAge(stepSeconds)
	w.keys = &keyCache{store: o.Store, now: o.Now, log: o.Log, platform: o.Platform, known: map[string]*knownKey{}}
	return w, nil
}
