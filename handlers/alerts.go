package handlers

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

func (h *Handlers) alertRoutes() []web.Route {
	view, manage := model.Settings.View(), model.Settings.Manage()
	return append([]web.Route{
		web.Get(view, href.Alerts(), h.listAlerts),
		web.Get(view, href.AlertHistory(), h.listAlertHistory),
		web.Get(manage, href.NewAlert(), h.newAlert),
		web.Post(manage, href.Alerts(), h.createAlert),
		web.Get(view, href.AlertRule(href.Pattern), h.showAlert),
		web.Post(manage, href.AlertRule(href.Pattern), h.updateAlert),
		web.Post(manage, href.TestAlert(href.Pattern), h.testAlert),
		web.Post(manage, href.SnoozeAlert(href.Pattern), h.snoozeAlert),
		web.Post(manage, href.ToggleAlert(href.Pattern), h.toggleAlert),
		web.Get(view, href.MailSettings(), h.showMail),
		web.Post(manage, href.MailSettings(), h.updateMail),
		web.Post(manage, href.TestMail(), h.testMail),
	}, deletes(h, manage, href.DeleteAlert(href.Pattern), h.alertRule, alertDeletion)...)
}

var alertsCrumb = crumb("Alerts", href.Alerts())

// shownPast is how many alerts of the past the page of rules shows.
const shownPast = 10

func (h *Handlers) listAlerts(c echo.Context) error {
	ctx := c.Request().Context()
	p := views.AlertsProps{CanEdit: h.may(c, model.Settings.Manage()), Now: h.Now()}
	var next string
	var err error
	if p.Rules, next, err = h.Store.AlertRules(ctx, db.Page{Cursor: c.QueryParam("cursor")}); err != nil {
		return err
	}
	if p.Open, err = h.Store.OpenAlerts(ctx); err != nil {
		return err
	}
	past, _, err := h.Store.Alerts(ctx, db.AlertFilter{}, db.Page{Limit: 5 * shownPast})
	if err != nil {
		return err
	}
	for _, a := range past {
		if !a.EndedAt.IsZero() && len(p.Past) < shownPast {
			p.Past = append(p.Past, a)
		}
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	p.Destinations = choices(around)
	if p.Untold, err = h.untold(c, around); err != nil {
		return err
	}
	p.Next, p.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Alerts", Section: "settings", Crumbs: under(settingsCrumb, "Alerts")}, views.Alerts(p))
}

// untold is why people do not hear of alerts: letters that do not go out, and destinations of rules that are off.
func (h *Handlers) untold(c echo.Context, around db.Routing) (out []views.Finding, err error) {
	ctx := h.Reader(c)
	stuck, err := h.Store.StuckMails(ctx, h.Now())
	if err != nil {
		return nil, err
	}
	if n := len(stuck); n > 0 {
		words := texts.N(ctx, int64(n), "{n} letter has not gone out for {time}: {error}", "{n} letters have not gone out for {time}: {error}", "n", ui.Number(ctx, n),
			"time", ui.Lasted(ctx, h.Now().Sub(stuck[0].CreatedAt)), "error", stuck[n-1].LastError)
		out = append(out, views.Finding{Tone: ui.Bad, Text: words, Label: "Mail", URL: href.MailSettings()})
	}
	rules, err := h.Store.EveryAlertRule(ctx)
	if err != nil {
		return nil, err
	}
	telling := map[model.DestID]int{}
	for _, r := range rules {
		if r.Enabled {
			telling[r.DestinationID]++
		}
	}
	for _, d := range choices(around) {
		if n := telling[d.ID]; n > 0 && d.Off != "" {
			words := texts.N(ctx, int64(n), "{n} alert rule tells {name}, which is switched off: its messages are held.", "{n} alert rules tell {name}, which is switched off: their messages are held.",
				"n", ui.Number(ctx, n), "name", d.Connection+" → "+d.Name)
			out = append(out, views.Finding{Tone: ui.Warn, Text: words, Label: "Open it", URL: href.Destination(d.ID)})
		}
	}
	return out, nil
}

func (h *Handlers) listAlertHistory(c echo.Context) error {
	list, next, err := h.Store.Alerts(c.Request().Context(), db.AlertFilter{RuleID: model.AlertRuleID(c.QueryParam("rule_id"))}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	p := views.AlertHistoryProps{Items: list, Now: h.Now()}
	p.Next, p.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Alert history", Section: "settings", Crumbs: []ui.Crumb{settingsCrumb, alertsCrumb, {Label: "History"}}}, views.AlertHistory(p))
}

func (h *Handlers) newAlert(c echo.Context) error {
	t, ok := model.AlertTypeOf(model.AlertKind(c.QueryParam("kind")))
	if !ok {
		return h.Page(c, web.Bits{Title: "New alert", Section: "settings", Crumbs: []ui.Crumb{settingsCrumb, alertsCrumb, {Label: "New"}}}, views.NewAlertChoice())
	}
	r := model.AlertRule{Kind: t.Kind, Name: h.T(c, t.Title), Enabled: true, Scope: c.QueryParam("scope")}
	r.Clean()
	return h.alertForm(c, http.StatusOK, r, alertTyped(r), views.Problems{})
}

// alertTyped is a rule as its form shows it.
func alertTyped(r model.AlertRule) views.AlertForm {
	return views.AlertForm{Version: r.Version, Kind: string(r.Kind), Name: r.Name, Scope: r.Scope, Threshold: strconv.Itoa(r.Threshold), WindowMinutes: strconv.Itoa(r.WindowMinutes),
		Least: strconv.Itoa(r.Least), Emails: strings.Join(r.Emails, ", "), DestinationID: string(r.DestinationID), Enabled: r.Enabled}
}

func (h *Handlers) alertForm(c echo.Context, status int, saved model.AlertRule, f views.AlertForm, problems views.Problems) error {
	ctx := c.Request().Context()
	p := views.AlertFormProps{ID: saved.ID, Saved: saved, Form: f, Problems: problems, CanEdit: h.may(c, model.Settings.Manage()), Delete: alertDeletion(c, saved).DeleteProps, Now: h.Now()}
	p.Type, _ = model.AlertTypeOf(model.AlertKind(f.Kind))
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	p.Destinations = choices(around)
	if p.Type.Scope == "endpoint" {
		list, _, err := h.Store.InboundEndpoints(ctx, db.InboundFilter{}, db.Page{Limit: db.MaxPage})
		if err != nil {
			return err
		}
		for _, e := range list {
			p.Endpoints = append(p.Endpoints, ui.Option{Value: string(e.ID), Label: e.Name, Own: true})
		}
	}
	m, err := h.Store.Mail(ctx)
	if err != nil {
		return err
	}
	p.Mail = m.Host != ""
	bits := web.Bits{Status: status, Title: "New alert", Section: "settings", Crumbs: []ui.Crumb{settingsCrumb, alertsCrumb, {Label: "New"}}}
	if saved.ID != "" {
		bits.Title, bits.Crumbs = saved.Name, []ui.Crumb{settingsCrumb, alertsCrumb, named(saved.Name, "")}
		open, err := h.Store.OpenAlerts(ctx)
		if err != nil {
			return err
		}
		for _, a := range open {
			if a.RuleID == saved.ID {
				p.Open = append(p.Open, a)
			}
		}
	}
	return h.Page(c, bits, views.EditAlert(p))
}

// typedAlert is the posted form and the rule that it describes over old.
func (h *Handlers) typedAlert(c echo.Context, old model.AlertRule) (views.AlertForm, model.AlertRule, error) {
	f, err := web.Bind[views.AlertForm](c)
	if err != nil {
		return f, old, err
	}
	var bad fault.Check
	r := old
	r.Version, r.Name, r.Scope, r.DestinationID, r.Enabled = f.Version, f.Name, f.Scope, model.DestID(f.DestinationID), f.Enabled
	if old.ID == "" {
		r.Kind = model.AlertKind(f.Kind)
	} else {
		f.Kind = string(old.Kind)
	}
	r.Threshold, r.WindowMinutes, r.Least = number(&bad, "threshold", f.Threshold), number(&bad, "window_minutes", f.WindowMinutes), number(&bad, "least", f.Least)
	r.Emails = strings.FieldsFunc(f.Emails, func(x rune) bool { return strings.ContainsRune(",; \n\r\t", x) })
	return f, r, both(h.o.Jobs.CheckAlertRule(c.Request().Context(), &r), bad.Err())
}

func (h *Handlers) createAlert(c echo.Context) error {
	f, r, err := h.typedAlert(c, model.AlertRule{})
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateAlertRule(&r) })
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.alertForm(c, status, model.AlertRule{}, f, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.AlertRule(r.ID), h.T(c, "{name} is created. Send a test to see that its messages arrive.", "name", r.Name))
}

func (h *Handlers) alertRule(c echo.Context) (model.AlertRule, error) {
	return h.Store.AlertRule(c.Request().Context(), web.ID[model.AlertRuleID](c))
}

func (h *Handlers) showAlert(c echo.Context) error {
	r, err := h.alertRule(c)
	if err != nil {
		return err
	}
	return h.alertForm(c, http.StatusOK, r, alertTyped(r), views.Problems{})
}

func (h *Handlers) updateAlert(c echo.Context) error {
	old, err := h.alertRule(c)
	if err != nil {
		return err
	}
	f, r, err := h.typedAlert(c, old)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateAlertRule(&r) })
	}
	clash := collision{noun: "alert", id: string(old.ID), now: old.Version, diff: db.AlertRuleDiff(old, r)}
	if p, status, ok := h.wrongOver(c, err, href.AlertRule(old.ID), &f.Version, clash); ok {
		return h.alertForm(c, status, old, f, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.AlertRule(r.ID), h.T(c, "{name} is saved.", "name", r.Name))
}

// changeAlert changes one thing of a rule as it stands.
func (h *Handlers) changeAlert(c echo.Context, words func(model.AlertRule) string, change func(r *model.AlertRule)) error {
	r, err := h.alertRule(c)
	if err != nil {
		return err
	}
	change(&r)
	if err := h.write(c, func(tx *db.Tx) error { return tx.UpdateAlertRule(&r) }); err != nil {
		return err
	}
	return h.Done(c, href.AlertRule(r.ID), words(r))
}

func (h *Handlers) toggleAlert(c echo.Context) error {
	return h.changeAlert(c, func(r model.AlertRule) string {
		if r.Enabled {
			return h.T(c, "{name} is on.", "name", r.Name)
		}
		return h.T(c, "{name} is off. Nobody is told.", "name", r.Name)
	}, func(r *model.AlertRule) { r.Enabled = switchedOn(c) })
}

// longestSnooze is in minutes.
const longestSnooze = 90 * 24 * 60

func (h *Handlers) snoozeAlert(c echo.Context) error {
	n, err := strconv.Atoi(typed(c, "value"))
	if err != nil || n < 0 || n > longestSnooze {
		return fault.New(fault.Invalid, "A snooze lasts between one minute and 90 days.")
	}
	return h.changeAlert(c, func(r model.AlertRule) string {
		if r.SnoozedUntil.IsZero() {
			return h.T(c, "{name} tells again.", "name", r.Name)
		}
		return h.T(c, "{name} is snoozed for {time}.", "name", r.Name, "time", ui.Lasted(h.Reader(c), time.Duration(n)*time.Minute))
	}, func(r *model.AlertRule) {
		if r.SnoozedUntil = (time.Time{}); n > 0 {
			r.SnoozedUntil = h.Now().Add(time.Duration(n) * time.Minute)
		}
	})
}

func (h *Handlers) testAlert(c echo.Context) error {
	r, err := h.alertRule(c)
	if err != nil {
		return err
	}
	if err := h.o.Jobs.TestAlertRule(c.Request().Context(), h.Actor(c), r.ID); err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	to := choice(around, around.Destinations[r.DestinationID])
	if r.DestinationID == "" || to.Off == "" {
		return h.Done(c, href.AlertRule(r.ID), h.T(c, "A test of “{name}” is on its way.", "name", r.Name))
	}
	words := h.T(c, "The message to {name} is held until it is switched on.", "name", to.Connection+" → "+to.Name)
	if len(r.Emails) > 0 {
		words = h.T(c, "A test of “{name}” is on its way by email.", "name", r.Name) + " " + words
	}
	h.Flash(c, ui.Warn, words)
	return web.Redirect(c, href.AlertRule(r.ID))
}

func alertDeletion(_ echo.Context, r model.AlertRule) deletion {
	return deletion{section: "settings", above: []ui.Crumb{settingsCrumb, alertsCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteAlertRule(r.ID) },
		DeleteProps: views.DeleteProps{Noun: "alert", Name: r.Name, Action: href.DeleteAlert(r.ID), Cancel: href.AlertRule(r.ID),
			Consequence: "Nobody is told any more. What it found stays in the history. This cannot be undone."}}
}
