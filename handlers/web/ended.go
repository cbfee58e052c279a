package web

import (
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

// SessionEnded reports whether the browser still carries the cookie of a session that has ended.
func (w *Web) SessionEnded(c echo.Context) bool {
	cookie, _ := c.Cookie(w.cookieName()) // nil when there is none
	_, in := w.User(c)
	return !in && cookie != nil && cookie.Value != ""
}

// signedOut answers whoever may not go on without a session, so that nothing that he typed is lost: a page that stands open
// is told and stays, a form that was sent comes back, and who only looks goes to the sign-in page and from there to what was
// to be seen.
func (w *Web) signedOut(c echo.Context) error {
	r := c.Request()
	switch {
	case Htmx(c):
		return w.toastEnded(c)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		url := href.Login()
		if at := r.URL.RequestURI(); at != "/" {
			url = href.LoginThen(at)
		}
		return c.Redirect(http.StatusSeeOther, url)
	case r.URL.Path == href.Logout():
		return c.Redirect(http.StatusSeeOther, href.Login())
	}
	return w.strangers.mind(func(c echo.Context) error {
		return w.Page(c, Bits{Status: http.StatusUnauthorized, Title: "Nothing was saved"}, views.SessionEnded(w.sentAgain(c)))
	})(c) // nobody knows whose body it is
}

// toastEnded tells a page that is open already.
func (w *Web) toastEnded(c echo.Context) error {
	event, err := json.Marshal(map[string]any{"toast": map[string]string{"tone": "bad", "url": href.SignedInAgain(), "label": w.T(c, "Sign in"),
		"text": w.T(c, "Your session has ended. What you typed stays here: sign in in another tab, then go on.")}})
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("HX-Reswap", "none")
	h.Set("HX-Trigger", ascii(event))
	return c.NoContent(http.StatusUnauthorized)
}

// mostKept bounds the form that is given back, in bytes.
const mostKept = 512 << 10

// sentAgain is the form that was posted, to be sent once more. Secrets are not given back, nor are files: a form with such
// a thing has to be sent from where it was filled in.
func (w *Web) sentAgain(c echo.Context) views.SessionEndedProps {
	r := c.Request()
	var p views.SessionEndedProps
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil && r.ContentLength != 0 || r.ContentLength < 0 || r.ContentLength > mostKept {
		return p
	}
	if _, err := c.FormParams(); err != nil {
		return p
	}
	form := r.PostForm // without the query, which the address repeats
	if r.MultipartForm != nil {
		form = r.MultipartForm.Value
		for _, files := range r.MultipartForm.File {
			p.Secrets = p.Secrets || slices.ContainsFunc(files, func(f *multipart.FileHeader) bool { return f.Filename != "" })
		}
	}
	for _, name := range form[ui.SecretFields] {
		p.Secrets = p.Secrets || strings.TrimSpace(strings.Join(form[name], "")) != ""
	}
	if p.Secrets {
		return p
	}
	p.Action, p.Multipart = r.URL.RequestURI(), kind == "multipart/form-data"
	for name, values := range form {
		for _, v := range values {
			p.Fields = append(p.Fields, ui.Pair{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(p.Fields, func(a, b ui.Pair) int { return strings.Compare(a.Name, b.Name) })
	return p
}

// HasSession tells a page that is about to send a form whether there is somebody to send it: 204, or 200 when signed out.
func (w *Web) HasSession(c echo.Context) error {
	if _, in := w.User(c); !in {
		return c.String(http.StatusOK, "signed out\n")
	}
	return c.NoContent(http.StatusNoContent)
}

// SignedInAgain is where the sign-in of another tab ends.
func (w *Web) SignedInAgain(c echo.Context) error {
	return w.PageOutside(c, Bits{Title: "Signed in"}, views.SignedInAgain())
}
