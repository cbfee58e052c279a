package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

// mostFile bounds a file with records, in bytes; some room is left for what stands around it.
const mostFile = 64<<20 + 64<<10

func (h *Handlers) audienceRoutes() []web.Route {
	view, manage := model.Workflows.View(), model.Workflows.Manage()
	return append([]web.Route{
		web.Get(view, href.Audiences(), h.listAudiences),
		web.Get(manage, href.NewAudience(), h.newAudience),
		web.Post(manage, href.Audiences(), h.createAudience).Up(mostFile),
		web.Get(view, href.Audience(href.Pattern), h.showAudience),
		web.Get(manage, href.EditAudience(href.Pattern), h.editAudience),
		web.Post(manage, href.Audience(href.Pattern), h.updateAudience),
		web.Post(manage, href.AudienceRecords(href.Pattern), h.addRecords).Up(mostFile),
	}, deletes(h, manage, href.DeleteAudience(href.Pattern), h.audience, h.audienceDeletion)...)
}

var audiencesCrumb = crumb("Audiences", href.Audiences())

func (h *Handlers) listAudiences(c echo.Context) error {
	q := c.QueryParam("q")
	list, next, err := h.Store.Audiences(c.Request().Context(), db.AudienceFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	props := views.AudiencesProps{Items: list, Query: q, CanEdit: h.may(c, model.Workflows.Manage()), Now: h.Now()}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Audiences", Section: "audiences"}, views.Audiences(props))
}

func (h *Handlers) newAudience(c echo.Context) error {
	return h.audienceForm(c, http.StatusOK, views.AudienceFormProps{})
}

func (h *Handlers) audienceForm(c echo.Context, status int, p views.AudienceFormProps) error {
	bits := web.Bits{Status: status, Title: "New audience", Section: "audiences", Crumbs: under(audiencesCrumb, "New")}
	if p.ID != "" {
		bits.Title, bits.Crumbs = h.T(c, "Edit {name}", "name", p.Saved), []ui.Crumb{audiencesCrumb, named(p.Saved, href.Audience(p.ID)), {Label: "Edit"}}
	}
	return h.Page(c, bits, views.EditAudience(p))
}

// audienceTyped is the posted form and the audience that it describes over old.
func (h *Handlers) audienceTyped(c echo.Context, old model.Audience) (views.AudienceForm, model.Audience, error) {
	f, err := web.Bind[views.AudienceForm](c)
	if err != nil {
		return f, old, err
	}
	a := old
	a.Version, a.Name, a.Description, a.SubjectField = f.Version, f.Name, f.Description, f.SubjectField
	return f, a, h.o.Jobs.CheckAudience(&a)
}

// records are those of the posted file, none when there is no file.
func (h *Handlers) records(c echo.Context) ([]json.RawMessage, error) {
	f, ok := h.File(c, "file")
	if !ok {
		return nil, nil
	}
	return jobs.ReadMembers(f)
}

func (h *Handlers) createAudience(c echo.Context) error {
	f, a, err := h.audienceTyped(c, model.Audience{})
	list, bad := h.records(c)
	ctx, n := c.Request().Context(), int64(0)
	if err = both(err, bad); err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateAudience(&a) })
	}
	if err == nil {
		n, err = h.o.Jobs.AddMembers(ctx, h.Actor(c), a.ID, list, false)
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.audienceForm(c, status, views.AudienceFormProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Audience(a.ID), h.T(c, "{name} is created, with {records}.", "name", a.Name, "records", ui.Many(h.Reader(c), n, "record")))
}

func (h *Handlers) audience(c echo.Context) (model.Audience, error) {
	return h.Store.Audience(c.Request().Context(), web.ID[model.AudienceID](c))
}

func (h *Handlers) showAudience(c echo.Context) error {
	a, err := h.audience(c)
	if err != nil {
		return err
	}
	return h.audiencePage(c, http.StatusOK, a, views.Problems{})
}

// shownRecords is how many records a page shows.
const shownRecords = 25

func (h *Handlers) audiencePage(c echo.Context, status int, a model.Audience, bad views.Problems) error {
	from, _ := strconv.ParseInt(c.QueryParam("cursor"), 10, 64) // anything else is the beginning
	from = max(0, min(from, a.Count))
	end := min(from+shownRecords, a.Count)
	list, err := h.Store.Members(c.Request().Context(), a.ID, a.Generation, from, end)
	if err != nil {
		return err
	}
	props := views.AudienceProps{Audience: a, Members: list, From: from, Problems: bad, Delete: h.audienceDeletion(c, a).DeleteProps, CanEdit: h.may(c, model.Workflows.Manage()), Now: h.Now()}
	next := ""
	if end < a.Count {
		next = strconv.FormatInt(end, 10)
	}
	props.Next, props.First = pages(c, next)
	start := views.AudienceStartProps{Chosen: typed(c, "workflow_id"), Rate: typed(c, "rate"), Problems: bad}
	if props.Runs, props.Start, err = h.overAudience(c, a, start); err != nil {
		return err
	}
	bits := web.Bits{Status: status, Title: a.Name, Section: "audiences", Crumbs: underNamed(audiencesCrumb, a.Name)}
	return h.Page(c, bits, views.Audience(props))
}

func (h *Handlers) editAudience(c echo.Context) error {
	a, err := h.audience(c)
	if err != nil {
		return err
	}
	f := views.AudienceForm{Version: a.Version, Name: a.Name, Description: a.Description, SubjectField: a.SubjectField}
	p := views.AudienceFormProps{ID: a.ID, Saved: a.Name, Form: f}
	first, err := h.Store.Members(c.Request().Context(), a.ID, a.Generation, 0, min(1, a.Count))
	if err != nil {
		return err
	}
	for _, m := range first {
		for _, b := range views.TreeOf(m.Data) {
			p.Columns = append(p.Columns, b.Name)
		}
	}
	return h.audienceForm(c, http.StatusOK, p)
}

func (h *Handlers) updateAudience(c echo.Context) error {
	old, err := h.audience(c)
	if err != nil {
		return err
	}
	f, a, err := h.audienceTyped(c, old)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateAudience(&a) })
	}
	clash := collision{noun: "audience", id: string(old.ID), now: old.Version, diff: db.AudienceDiff(old, a)}
	if p, status, ok := h.wrongOver(c, err, href.EditAudience(old.ID), &f.Version, clash); ok {
		return h.audienceForm(c, status, views.AudienceFormProps{ID: old.ID, Saved: old.Name, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Audience(a.ID), h.T(c, "{name} is saved.", "name", a.Name))
}

// addRecords takes a file with records.
func (h *Handlers) addRecords(c echo.Context) error {
	a, err := h.audience(c)
	if err != nil {
		return err
	}
	list, err := h.records(c)
	if err == nil && len(list) == 0 {
		var bad fault.Check
		bad.Add("file", "Choose a file with at least one record.")
		err = bad.Err()
	}
	var n int64
	if err == nil {
		n, err = h.o.Jobs.AddMembers(c.Request().Context(), h.Actor(c), a.ID, list, typed(c, "replace") == "true")
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.audiencePage(c, status, a, p)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Audience(a.ID), h.T(c, "{records} stored; {name} holds {n} now.", "records", ui.Many(h.Reader(c), int64(len(list)), "record"), "name", a.Name, "n", ui.Number(h.Reader(c), n)))
}

func (h *Handlers) audienceDeletion(c echo.Context, a model.Audience) deletion {
	words := h.T(c, "Deleted with it: {records}. Runs that were started for them go on. This cannot be undone.", "records", ui.Many(h.Reader(c), a.Count, "record"))
	return deletion{section: "audiences", above: []ui.Crumb{audiencesCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteAudience(a.ID, false) },
		needs: func(p *views.DeleteProps) error {
			users, err := h.Store.AudienceUsage(c.Request().Context(), a.ID)
			p.Needs = needsOf(users)
			return err
		},
		DeleteProps: views.DeleteProps{Noun: "audience", Name: a.Name, Action: href.DeleteAudience(a.ID), Cancel: href.Audience(a.ID), Consequence: words}}
}
