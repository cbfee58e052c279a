package handlers

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

func (h *Handlers) settingRoutes() []web.Route {
	view, manage := model.Settings.View(), model.Settings.Manage()
	return []web.Route{
		web.Get(view, href.Settings(), h.showSettings),
		web.Get(view, href.StorageSettings(), h.showStorage),
		web.Post(manage, href.StorageSettings(), h.updateStorage),
		web.Get(view, href.FeatureSettings(), h.showFeatures),
		web.Post(manage, href.FeatureSettings(), h.updateFeatures),
		web.Get(view, href.ReceiverPage(), h.showReceiver),
	}
}

var settingsCrumb = crumb("Settings", href.Settings())

func (h *Handlers) showSettings(c echo.Context) error {
	p := views.SettingsProps{Use: h.o.Jobs.House().Use(), Blocked: views.Said(h.Reader(c), h.o.Jobs.House().Blocked())}
	var err error
	if p.Storage, err = h.o.Jobs.House().Policy(c.Request().Context()); err != nil {
		return err
	}
	network, _, err := h.o.Jobs.Network(c.Request().Context())
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	p.Proxy, p.Rules = network.ProxyURL, len(around.Network)+len(h.o.Jobs.FixedRules())
	if p.Export, err = h.Store.ExportSettings(c.Request().Context()); err != nil {
		return err
	}
	if p.Files, err = h.Store.UploadSettings(c.Request().Context()); err != nil {
		return err
	}
	if p.Features, err = h.Store.Features(c.Request().Context()); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: "Settings", Section: "settings"}, views.Settings(p))
}

func (h *Handlers) showStorage(c echo.Context) error {
	s, err := h.o.Jobs.House().Policy(c.Request().Context())
	if err != nil {
		return err
	}
	form := views.StorageForm{Version: s.Version, RowDays: strconv.Itoa(s.RowDays), BodyDays: strconv.Itoa(s.BodyDays), BudgetMiB: strconv.Itoa(int(s.Budget >> 20)), MinFreeMiB: strconv.Itoa(int(s.MinFree >> 20))}
	return h.storagePage(c, http.StatusOK, form, views.Problems{})
}

// chartDays is how many days the chart of the disk shows, growthOver how many its growth is taken from.
const (
	chartDays  = 30
	growthOver = 7
)

func (h *Handlers) storagePage(c echo.Context, status int, form views.StorageForm, problems views.Problems) error {
	ctx, house := c.Request().Context(), h.o.Jobs.House()
	day := func(n int) time.Time { return h.Now().Add(-time.Duration(n) * 24 * time.Hour) }
	p := views.StorageProps{Form: form, Problems: problems, Fixed: house.Fixed(), Blocked: views.Said(h.Reader(c), house.Blocked()), CanEdit: h.may(c, model.Settings.Manage()), Now: h.Now()}
	var err error
	if p.Use, err = h.Store.DiskUse(ctx); err != nil {
		return err
	}
	if p.Policy, err = house.Policy(ctx); err != nil {
		return err
	}
	if p.Uses, err = h.Store.DiskUses(ctx, day(chartDays)); err != nil {
		return err
	}
	lately := p.Uses
	for len(lately) > 0 && lately[0].At.Before(day(growthOver)) {
		lately = lately[1:]
	}
	p.Growth = model.Growth(append(lately[:len(lately):len(lately)], p.Use))
	written, err := h.Store.Written(ctx, day(p.Policy.BodyDays), 20)
	if err != nil {
		return err
	}
	for _, w := range written {
		p.Written = append(p.Written, views.WrittenShare{DestinationChoice: views.DestinationChoice{ID: w.ID, Name: w.Name, Connection: w.Connection}, Bytes: w.Bytes})
	}
	if p.Expired, err = h.Store.Expired(ctx, day(chartDays)); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Status: status, Title: "Storage", Section: "settings", Crumbs: under(settingsCrumb, "Storage")}, views.Storage(p))
}

func (h *Handlers) updateStorage(c echo.Context) error {
	f, err := web.Bind[views.StorageForm](c)
	if err != nil {
		return err
	}
	var bad fault.Check
	n := model.Storage{RowDays: number(&bad, "row_days", f.RowDays), BodyDays: number(&bad, "body_days", f.BodyDays),
		Budget: int64(number(&bad, "budget_mib", f.BudgetMiB)) << 20, MinFree: int64(number(&bad, "min_free_mib", f.MinFreeMiB)) << 20, Version: f.Version}
	if err = bad.Err(); err == nil {
		err = h.o.Jobs.UpdateStorage(c.Request().Context(), h.Actor(c), n)
	}
	if p, status, ok := h.wrong(c, err, href.StorageSettings()); ok {
		return h.storagePage(c, status, f, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.StorageSettings(), "Saved. What is too old now goes within minutes.")
}
