package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

// deletion is the question before a thing is deleted, and what a yes does.
type deletion struct {
	views.DeleteProps
	section string                         // key of the navigation item
	above   []ui.Crumb                     // the way to the thing; afterwards one is where its last crumb leads
	needs   func(*views.DeleteProps) error // adds what is in the way; nil: nothing can be
	drop    func(tx *db.Tx, force bool) error
	by      func(force bool) error // in place of drop, where one write is not enough
}

// question is what is asked, with what is in the way.
func (d deletion) question() (views.DeleteProps, error) {
	if d.needs == nil {
		return d.DeleteProps, nil
	}
	p := d.DeleteProps
	err := d.needs(&p)
	return p, err
}

// deletes are the page that asks before a thing is deleted, and what deletes it; find is the thing that a request names.
func deletes[T any](h *Handlers, right model.Right, path string, find func(echo.Context) (T, error), of func(echo.Context, T) deletion) []web.Route {
	ask := func(c echo.Context) error {
		x, err := find(c)
		if err != nil {
			return err
		}
		return h.ask(c, http.StatusOK, of(c, x), "")
	}
	do := func(c echo.Context) error {
		x, err := find(c)
		if err != nil {
			return err
		}
		return h.drop(c, of(c, x))
	}
	return []web.Route{web.Get(right, path, ask), web.Post(right, path, do)}
}

// ask shows the question; conflict is why the first try was refused.
func (h *Handlers) ask(c echo.Context, status int, d deletion, conflict string) error {
	p, err := d.question()
	if err != nil {
		return err
	}
	p.Conflict = conflict
	way := append(d.above[:len(d.above):len(d.above)], named(p.Name, p.Cancel), ui.Crumb{Label: "Delete"})
	return h.Page(c, web.Bits{Status: status, Title: h.T(c, "Delete {name}", "name", p.Name), Section: d.section, Crumbs: way}, views.Delete(p))
}

func (h *Handlers) drop(c echo.Context, d deletion) error {
	force := typed(c, "force") == "true"
	by := d.by
	if by == nil {
		by = func(force bool) error { return h.write(c, func(tx *db.Tx) error { return d.drop(tx, force) }) }
	}
	err := by(force)
	if words, yes := h.inTheWay(c, err); yes {
		return h.ask(c, http.StatusConflict, d, words)
	}
	if err != nil {
		return err
	}
	return h.Done(c, d.above[len(d.above)-1].URL, h.T(c, "{name} is deleted.", "name", d.Name))
}

// inTheWay reports whether err says that a thing is in use, and in which words.
func (h *Handlers) inTheWay(c echo.Context, err error) (words string, yes bool) {
	f := h.Said(c, err)
	if f == nil || f.Kind != fault.Conflict {
		return "", false
	}
	return f.Message, true
}

// needsOf are users of something as links.
func needsOf(list []db.Use) []views.Need {
	out := make([]views.Need, len(list))
	for i, u := range list {
		out[i] = useNeed(u)
	}
	return out
}

func useNeed(u db.Use) views.Need {
	switch u.Kind {
	case "connection":
		return views.Need{Kind: "Connection", Name: u.Name, URL: href.Connection(u.ID)}
	case "destination":
		return views.Need{Kind: "Destination", Name: u.Name, URL: href.Destination(u.ID)}
	case "action":
		return views.Need{Kind: "Action", Name: u.Name, URL: href.Action(u.ID)}
	case "integration":
		return views.Need{Kind: "Integration", Name: u.Name, URL: href.Integration(u.ID)}
	case "workflow":
		return views.Need{Kind: "Workflow", Name: u.Name, URL: href.Workflow(u.ID)}
	case "user":
		return views.Need{Kind: "User", Name: u.Name, URL: href.User(u.ID)}
	case "invitation":
		return views.Need{Kind: "Invitation", Name: u.Name, URL: href.Users()}
	}
	return views.Need{Kind: strings.ToUpper(u.Kind[:1]) + u.Kind[1:], Name: u.Name}
}

// actionNeeds are the actions that stand in the way of deleting something, as links.
func actionNeeds(list []model.Action) []views.Need {
	var out []views.Need
	for _, a := range list {
		out = append(out, views.Need{Kind: "Action", Name: a.Name, URL: href.Action(a.ID)})
	}
	return out
}

// open counts the deliveries to these destinations that are not settled, as far as people read on.
func (h *Handlers) open(ctx context.Context, destinations ...model.DestID) (int, error) {
	if len(destinations) == 0 {
		return 0, nil
	}
	targets := make([]model.TargetID, len(destinations))
	for i, id := range destinations {
		targets[i] = model.TargetID(id)
	}
	n, err := h.Store.Unsettled(ctx, targets...)
	return int(n), err
}
