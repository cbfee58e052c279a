package handlers

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

// Everybody sees and revokes the keys that act as himself; other people's, and making keys, need the rights.
func (h *Handlers) keyRoutes() []web.Route {
	return []web.Route{
		web.Get(model.SignedIn, href.APIKeys(), h.listAPIKeys),
		web.Get(model.APIKeys.Manage(), href.NewAPIKey(), h.newAPIKey),
		web.Post(model.APIKeys.Manage(), href.APIKeys(), h.createAPIKey),
		web.Get(model.SignedIn, href.APIKey(href.Pattern), h.showAPIKey),
		web.Post(model.APIKeys.Manage(), href.APIKey(href.Pattern), h.updateAPIKey),
		web.Post(model.APIKeys.Manage(), href.RotateAPIKey(href.Pattern), h.rotateAPIKey),
		web.Get(model.SignedIn, href.RevokeAPIKey(href.Pattern), h.askRevokeAPIKey),
		web.Post(model.SignedIn, href.RevokeAPIKey(href.Pattern), h.revokeAPIKey),
	}
}

func (h *Handlers) listAPIKeys(c echo.Context) error {
	me, _ := h.User(c)
	props := views.APIKeysProps{CanEdit: h.may(c, model.APIKeys.Manage()), Self: me.ID, Now: h.Now()}
	var err error
	var next string
	if props.All = h.may(c, model.APIKeys.View()); props.All {
		props.Keys, next, err = h.Store.APIKeys(c.Request().Context(), db.Page{Cursor: c.QueryParam("cursor")})
		props.Next, props.First = pages(c, next)
	} else {
		props.Keys, err = h.ownKeys(c, me.ID)
	}
	if err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: "API keys", Section: "api-keys"}, views.APIKeys(props))
}

// ownKeys are all keys that act as one user.
func (h *Handlers) ownKeys(c echo.Context, id model.UserID) ([]model.APIKey, error) {
	var own []model.APIKey
	for cursor := ""; ; {
		keys, next, err := h.Store.APIKeys(c.Request().Context(), db.Page{Limit: db.MaxPage, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if k.UserID == id {
				own = append(own, k)
			}
		}
		if cursor = next; next == "" {
			return own, nil
		}
	}
}

func (h *Handlers) newAPIKey(c echo.Context) error {
	me, _ := h.User(c)
	return h.apiKeyForm(c, http.StatusOK, views.NewAPIKeyProps{Form: views.APIKeyForm{UserID: string(me.ID)}})
}

func (h *Handlers) apiKeyForm(c echo.Context, status int, p views.NewAPIKeyProps) error {
	users, _, err := h.Store.Users(c.Request().Context(), "", db.Page{Limit: db.MaxPage})
	if err != nil {
		return err
	}
	for _, u := range users {
		if !u.Disabled && h.Actor(c).Rights.Lacks(u.Rights()) == "" {
			p.Users = append(p.Users, u)
		}
	}
	bits := web.Bits{Status: status, Title: "New API key", Section: "api-keys", Crumbs: under(crumb("API keys", href.APIKeys()), "New API key")}
	return h.Page(c, bits, views.NewAPIKey(p))
}

// createAPIKey leads to the page of the key, which shows it this once.
func (h *Handlers) createAPIKey(c echo.Context) error {
	f, err := keyForm(c)
	if err != nil {
		return err
	}
	text, hash, hint := db.NewKey()
	var id model.APIKeyID
	key := model.APIKey{Name: f.Name, UserID: model.UserID(f.UserID), Hint: hint, Rights: f.Rights}
	if days, err := strconv.Atoi(f.Days); err == nil && days > 0 && days <= 3650 {
		key.ExpiresAt = h.Now().AddDate(0, 0, days)
	}
	if err = f.check(); err == nil {
		err = h.write(c, func(tx *db.Tx) error {
			made := key
			err := tx.CreateAPIKey(&made, hash)
			id = made.ID
			return err
		})
	}
	if fields, ok := h.Fields(c, err); ok {
		return h.apiKeyForm(c, http.StatusUnprocessableEntity, views.NewAPIKeyProps{Form: f.APIKeyForm, Errors: fields})
	}
	if err != nil {
		return err
	}
	return h.keyMade(c, id, text)
}

// keyMade leads to the page that shows a new key.
func (h *Handlers) keyMade(c echo.Context, id model.APIKeyID, text model.Secret) error {
	h.newKeys.put(id, h.Session(c).ID, text, h.Now())
	return web.Redirect(c, href.APIKey(id))
}

// keyInput is the form of a key, with the rights gathered from its boxes.
type keyInput struct{ views.APIKeyForm }

func keyForm(c echo.Context) (keyInput, error) {
	f, err := web.Bind[views.APIKeyForm](c)
	if f.Scope == "some" {
		for _, x := range f.Boxes {
			f.Rights = append(f.Rights, model.Right(x))
		}
	}
	return keyInput{f}, err
}

// check complains about a key that would be limited to nothing, since that is stored as no limit.
func (f keyInput) check() error {
	if f.Scope != "some" || len(f.Rights) > 0 {
		return nil
	}
	return fault.Refused(fault.Complaint("rights", "Choose at least one right, or all."))
}

func (h *Handlers) showAPIKey(c echo.Context) error {
	k, err := h.ownKey(c, model.APIKeys.View())
	if err != nil {
		return err
	}
	p := views.APIKeyProps{Form: formOf(k)}
	if c.Request().Method == http.MethodGet {
		p.Made = h.newKeys.take(k.ID, h.Session(c).ID, h.Now()).Reveal()
	}
	return h.apiKeyPage(c, http.StatusOK, k, p)
}

func formOf(k model.APIKey) views.APIKeyForm {
	f := views.APIKeyForm{Name: k.Name, Rights: k.Rights, Version: k.Version, Days: "keep"}
	if len(k.Rights) > 0 {
		f.Scope = "some"
	}
	return f
}

func (h *Handlers) apiKeyPage(c echo.Context, status int, k model.APIKey, p views.APIKeyProps) error {
	_, u, err := h.Store.APIKeyOwner(c.Request().Context(), k.ID)
	if err != nil {
		return err
	}
	me, _ := h.User(c)
	p.Key, p.User, p.Now, p.Self = k, u, h.Now(), me.ID == u.ID
	p.CanEdit, p.SeesUser = h.may(c, model.APIKeys.Manage()), h.may(c, model.Users.View())
	p.Lacks = string(h.Actor(c).Rights.Lacks(everything(u)))
	return h.Page(c, web.Bits{Status: status, Title: k.Name, Section: "api-keys", Crumbs: underNamed(crumb("API keys", href.APIKeys()), k.Name)}, views.APIKey(p))
}

func (h *Handlers) updateAPIKey(c echo.Context) error {
	f, err := keyForm(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	old, err := h.Store.APIKey(ctx, web.ID[model.APIKeyID](c))
	if err != nil {
		return err
	}
	k := old
	k.Name, k.Rights, k.Version = f.Name, f.Rights, f.Version
	if days, err := strconv.Atoi(f.Days); err == nil && days > 0 && days <= 3650 {
		k.ExpiresAt = h.Now().AddDate(0, 0, days)
	} else if f.Days == "" {
		k.ExpiresAt = time.Time{}
	}
	if err = f.check(); err == nil {
		err = h.write(c, func(tx *db.Tx) error { changed := k; return tx.UpdateAPIKey(&changed) })
	}
	if p, status, ok := h.wrong(c, err, href.APIKey(old.ID)); ok {
		if status == http.StatusConflict {
			f.Version = old.Version
		}
		return h.apiKeyPage(c, status, old, views.APIKeyProps{Form: f.APIKeyForm, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.APIKey(k.ID), h.T(c, "{name} is saved.", "name", k.Name))
}

// rotateAPIKey leads to the page of the key, which shows the new one this once.
func (h *Handlers) rotateAPIKey(c echo.Context) error {
	id := web.ID[model.APIKeyID](c)
	overlap, err := time.ParseDuration(typed(c, "overlap"))
	if err != nil {
		overlap = 24 * time.Hour
	}
	text, hash, hint := db.NewKey()
	if err := h.write(c, func(tx *db.Tx) error { return tx.RotateAPIKey(id, hash, hint, tx.Now().Add(overlap)) }); err != nil {
		return err
	}
	return h.keyMade(c, id, text)
}

// ownKey is the key of the route, if it is one's own or one may see them all; else it is as good as absent.
func (h *Handlers) ownKey(c echo.Context, right model.Right) (model.APIKey, error) {
	k, err := h.Store.APIKey(c.Request().Context(), web.ID[model.APIKeyID](c))
	if err != nil {
		return k, err
	}
	if me, _ := h.User(c); k.UserID != me.ID && !h.may(c, right) {
		if h.may(c, model.APIKeys.View()) {
			return k, fault.Missing(string(right))
		}
		return k, fault.Absent("API key")
	}
	return k, nil
}

func (h *Handlers) askRevokeAPIKey(c echo.Context) error {
	k, err := h.ownKey(c, model.APIKeys.Manage())
	if err != nil {
		return err
	}
	bits := web.Bits{Title: h.T(c, "Revoke {name}", "name", k.Name), Section: "api-keys", Crumbs: underNamed(crumb("API keys", href.APIKeys()), k.Name)}
	return h.Page(c, bits, views.RevokeAPIKey(k))
}

func (h *Handlers) revokeAPIKey(c echo.Context) error {
	k, err := h.ownKey(c, model.APIKeys.Manage())
	if err != nil {
		return err
	}
	if err := h.write(c, func(tx *db.Tx) error { return tx.RevokeAPIKey(k.ID) }); err != nil {
		return err
	}
	return h.Done(c, href.APIKeys(), h.T(c, "{name} is revoked.", "name", k.Name))
}
