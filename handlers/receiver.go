package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/views"
)

// showReceiver lists what the built-in receiver can do, and plays a schedule against it when one is given.
func (h *Handlers) showReceiver(c echo.Context) error {
	p := views.ReceiverProps{Path: c.QueryParam("path"), Schedule: c.QueryParam("schedule")}
	for _, t := range jobs.ReceiverTricks() {
		p.Tricks = append(p.Tricks, views.ReceiverTrick(t))
	}
	status := http.StatusOK
	if p.Path == "" {
		p.Path, p.Schedule = "fail/3", views.Schedule(model.DefaultSchedule())
	} else if err := h.play(c, &p); err != nil {
		words, bad, ok := h.wrong(c, err, "")
		if !ok {
			return err
		}
		p.Problems, status = words, bad
	}
	return h.Page(c, web.Bits{Status: status, Title: "Test receiver", Section: "settings", Crumbs: under(settingsCrumb, "Test receiver")}, views.ReceiverPage(p))
}

func (h *Handlers) play(c echo.Context, p *views.ReceiverProps) error {
	schedule, err := views.ParseSchedule(p.Schedule)
	if err != nil {
		var bad fault.Check
		bad.Add("retry_schedule", "%s", err)
		return bad.Err()
	}
	list, err := h.o.Jobs.FastForward(c.Request().Context(), p.Path, schedule)
	for _, a := range list {
		p.Played = append(p.Played, views.PlayedAttempt{At: a.At, Wait: a.Wait, Status: a.Status, Error: a.Error, Verdict: a.Verdict})
	}
	return err
}
