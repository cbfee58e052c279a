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

// Everybody sees and revokes the keys that act as himself; other people's, and making keys, need the rights.
func (h *Handlers) keyRoutes() []web.Route {
	return []web.Route{
		web.Get(model.SignedIn, href.APIKeys(), h.listAPIKeys),
		web.Get(model.APIKeys.Manage(), href.NewAPIKey(), h.newAPIKey),
		web.Post(model.APIKeys.Manage(), href.APIKeys(), h.createAPIKey),
		web.Get(model.SignedIn, href.RevokeAPIKey(href.Pattern), h.askRevokeAPIKey),
		web.Post(model.SignedIn, href.RevokeAPIKey(href.Pattern), h.revokeAPIKey),
	}
}

func (h *Handlers) listAPIKeys(c echo.Context) error {
	return h.apiKeysPage(c, http.StatusOK, "")
}

func (h *Handlers) apiKeysPage(c echo.Context, status int, made model.Secret) error {
	me, _ := h.User(c)
	props := views.APIKeysProps{CanEdit: h.may(c, model.APIKeys.Manage()), Self: me.ID, Made: made.Reveal(), Now: h.Now()}
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
	return h.Page(c, web.Bits{Status: status, Title: "API keys", Section: "api-keys"}, views.APIKeys(props))
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

// createAPIKey answers with the key itself, this once, and therefore with a page and not with a redirect.
func (h *Handlers) createAPIKey(c echo.Context) error {
	f, err := web.Bind[views.APIKeyForm](c)
	if err != nil {
		return err
	}
	text, hash, hint := db.NewKey()
	key := model.APIKey{Name: f.Name, UserID: model.UserID(f.UserID), Hint: hint}
	if days, err := strconv.Atoi(f.Days); err == nil && days > 0 && days <= 3650 {
		key.ExpiresAt = h.Now().AddDate(0, 0, days)
	}
	err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { made := key; return tx.CreateAPIKey(&made, hash) })
	if fields, ok := web.Fields(err); ok {
		return h.apiKeyForm(c, http.StatusUnprocessableEntity, views.NewAPIKeyProps{Form: f, Errors: fields})
	}
	if err != nil {
		return err
	}
	return h.apiKeysPage(c, http.StatusCreated, text)
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
	bits := web.Bits{Title: "Revoke " + k.Name, Section: "api-keys", Crumbs: under(crumb("API keys", href.APIKeys()), k.Name)}
	return h.Page(c, bits, views.RevokeAPIKey(k))
}

func (h *Handlers) revokeAPIKey(c echo.Context) error {
	k, err := h.ownKey(c, model.APIKeys.Manage())
	if err != nil {
		return err
	}
	if err := h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.RevokeAPIKey(k.ID) }); err != nil {
		return err
	}
	return h.Done(c, href.APIKeys(), k.Name+" is revoked.")
}
