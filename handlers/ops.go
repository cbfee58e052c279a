package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/static"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) opsRoutes() []web.Route {
	table := append(append(h.settingRoutes(), h.networkRoutes()...),
		web.Open(http.MethodGet, "/healthz", h.showHealth),
		web.Open(http.MethodGet, "/readyz", h.showReadiness),
		web.Open(http.MethodGet, static.Prefix+"*", echo.WrapHandler(h.o.Files)),
		web.Open(http.MethodGet, "/robots.txt", showRobots),
		web.Open(http.MethodGet, "/.well-known/jwks.json", h.showPublicKeys),
		web.Post(web.Public, href.Theme(), h.SetTheme),
		web.Get(model.Settings.Manage(), href.Components(), h.showComponents),
	)
	if h.o.MetricsHere {
		table = append(table, web.Program(http.MethodGet, model.Settings.View(), "/metrics", echo.WrapHandler(h.Metrics())))
	}
	return table
}

// Metrics answers in Prometheus' text format.
func (h *Handlers) Metrics() http.Handler {
	return promhttp.HandlerFor(h.o.Metrics, promhttp.HandlerOpts{})
}

// showHealth says that the process runs, whatever it can do.
func (h *Handlers) showHealth(c echo.Context) error {
	return c.String(http.StatusOK, "ok\n")
}

// showReadiness says whether calls should be sent here.
func (h *Handlers) showReadiness(c echo.Context) error {
	ctx := c.Request().Context()
	if h.stopping.Load() {
		return c.String(http.StatusServiceUnavailable, "stopping\n")
	}
	if err := h.Store.Ready(ctx); err != nil {
		h.Log.Warn("not ready", "err", err)
		return c.String(http.StatusServiceUnavailable, "the database takes no writes\n")
	}
	if why := h.o.Jobs.House().Blocked(); why != nil {
		return c.String(http.StatusServiceUnavailable, why.String()+"\n")
	}
	key, err := h.Key(ctx)
	if err != nil {
		return err
	}
	if !key.OK {
		return c.String(http.StatusServiceUnavailable, key.Reason+"\n")
	}
	return c.String(http.StatusOK, "ready\n")
}

func showRobots(c echo.Context) error {
	return c.String(http.StatusOK, "User-agent: *\nDisallow: /\n")
}

// showComponents is the gallery of what pages are made of, for those who look after the instance.
func (h *Handlers) showComponents(c echo.Context) error {
	return h.Page(c, web.Bits{Title: "Components"}, ui.Gallery(h.Now()))
}

// showPublicKeys lists the keys by which others check what this instance signs (RFC 7517). They are renewed a day before
// they are used.
func (h *Handlers) showPublicKeys(c echo.Context) error {
	keys, err := h.o.Jobs.PublicKeys(c.Request().Context())
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=3600")
	c.Response().Header().Set("Access-Control-Allow-Origin", "*")
	return c.JSON(http.StatusOK, map[string]any{"keys": keys})
}
