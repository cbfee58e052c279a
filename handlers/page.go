package handlers

import (
	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/views/href"
	"waybill/views/ui"
)

// write makes a change in the name of whoever asks.
func (h *Handlers) write(c echo.Context, change func(tx *db.Tx) error) error {
	return h.Store.Write(c.Request().Context(), h.Actor(c), change)
}

// may reports whether whoever asks holds the right: for what a page shows. Routes are guarded by their table.
func (h *Handlers) may(c echo.Context, right model.Right) bool { return h.Actor(c).Rights.Has(right) }

func crumb(label, url string) ui.Crumb { return ui.Crumb{Label: label, URL: url} }

// named is the crumb of something that people gave a name.
func named(name, url string) ui.Crumb { return ui.Crumb{Label: name, URL: url, Own: true} }

// under is the way to the page called name, below parent.
func under(parent ui.Crumb, name string) []ui.Crumb { return []ui.Crumb{parent, {Label: name}} }

// underNamed is the way to the page of something that people gave a name.
func underNamed(parent ui.Crumb, name string) []ui.Crumb { return []ui.Crumb{parent, named(name, "")} }

// pages are the URLs of the next page of this list and of its first one, with the filters kept; "" where there is none.
func pages(c echo.Context, cursor string) (next, first string) {
	q, path := c.QueryParams(), c.Request().URL.Path
	if q.Get("cursor") != "" {
		q.Del("cursor")
		first = href.WithValues(path, q)
	}
	if cursor != "" {
		q.Set("cursor", cursor)
		next = href.WithValues(path, q)
	}
	return next, first
}
