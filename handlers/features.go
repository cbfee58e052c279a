package handlers

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) showFeatures(c echo.Context) error {
	x, err := h.Store.Features(c.Request().Context())
	if err != nil {
		return err
	}
	return h.featuresPage(c, http.StatusOK, x, views.Problems{})
}

func (h *Handlers) featuresPage(c echo.Context, status int, x model.Features, problems views.Problems) error {
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	p := views.FeaturesProps{Features: x, Problems: problems, Uses: map[model.Feature]int{}, CanEdit: h.may(c, model.Settings.Manage())}
	for _, x := range around.Connections {
		p.Uses[model.FeatureOf(x.Type)]++
	}
	return h.Page(c, web.Bits{Status: status, Title: "Features", Section: "settings", Crumbs: under(settingsCrumb, "Features")}, views.Features(p))
}

func (h *Handlers) updateFeatures(c echo.Context) error {
	f, err := web.Bind[views.FeaturesForm](c)
	if err != nil {
		return err
	}
	n := model.Features{Version: f.Version, Off: slices.DeleteFunc(model.AllFeatures(), func(x model.Feature) bool { return slices.Contains(f.On, string(x)) })}
	err = h.o.Jobs.UpdateFeatures(c.Request().Context(), h.Actor(c), n)
	if p, status, ok := h.wrong(c, err, href.FeatureSettings()); ok {
		now, err := h.Store.Features(c.Request().Context())
		if err != nil {
			return err
		}
		n.Version = now.Version
		return h.featuresPage(c, status, n, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.FeatureSettings(), "Saved. It holds from now on.")
}
