package handlers

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) savedRoutes() []web.Route {
	return []web.Route{
		web.Post(model.Deliveries.View(), href.SavedFilters(), h.saveFilter),
		web.Post(model.Deliveries.View(), href.DropFilter(href.Pattern), h.dropFilter),
	}
}

// filterKeys are what a kept filter may hold.
var filterKeys = []string{"status", "destination_id", "event_id", "event", "run_id", "lane", "interrupted", "from", "to"}

// filterQuery is what of a query filters deliveries, in one order: the same filter is the same text.
func filterQuery(q url.Values) string {
	kept := url.Values{}
	for _, k := range filterKeys {
		if v := q.Get(k); v != "" {
			kept.Set(k, v)
		}
	}
	return kept.Encode()
}

// savedFilters are those that whoever asks may use.
func (h *Handlers) savedFilters(c echo.Context) (views.SavedFilters, error) {
	me, _ := h.User(c)
	list, err := h.Store.SavedFilters(c.Request().Context(), me.ID)
	return views.SavedFilters{List: list, Me: me.ID, Query: filterQuery(c.QueryParams())}, err
}

// postedFilter is the filter that a form carries, and the list with it.
func postedFilter(c echo.Context) (query, list string) {
	q, err := url.ParseQuery(typed(c, "query"))
	if err != nil {
		return "", href.Deliveries()
	}
	return filterQuery(q), href.WithValues(href.Deliveries(), q)
}

func (h *Handlers) saveFilter(c echo.Context) error {
	me, _ := h.User(c)
	query, list := postedFilter(c)
	f := model.SavedFilter{UserID: me.ID, Name: typed(c, "name"), Query: query, Shared: typed(c, "shared") == "true"}
	f.Clean()
	var bad fault.Check
	if bad.Join("", f.Check()); query == "" {
		bad.Add("query", "Nothing is filtered: choose a status, a destination or a time first.")
	}
	err := bad.Err()
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.SaveFilter(&f) })
	}
	if err != nil {
		return err
	}
	return h.Done(c, list, h.T(c, "The filter is kept as “{name}”.", "name", f.Name))
}

func (h *Handlers) dropFilter(c echo.Context) error {
	me, _ := h.User(c)
	_, list := postedFilter(c)
	err := h.write(c, func(tx *db.Tx) error {
		return tx.DropFilter(web.ID[model.SavedFilterID](c), me.ID)
	})
	if err != nil {
		return err
	}
	return h.Done(c, list, "The filter is forgotten. The deliveries stay.")
}
