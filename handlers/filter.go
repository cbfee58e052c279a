package handlers

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/filter"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
)

func (h *Handlers) filterRoutes() []web.Route {
	return []web.Route{
		web.Post(model.Connections.Manage(), href.TryFilter(), h.tryFilter),
		web.Post(model.Connections.Manage(), href.TryFilterOf(href.Pattern), h.tryFilter),
	}
}

// shownTried is how many of the events that a filter was tried on are listed.
const shownTried = 12

// storedFilter is how a stored filter is first shown: as rows when they can say it.
func storedFilter(text string) views.FilterProps {
	p := views.FilterProps{Mode: views.FilterAll, Join: "and", Expression: text}
	if text == "" {
		return p
	}
	p.Mode = views.FilterExpression
	if rows, ok := filter.RowsOf(text); ok {
		p.Mode, p.Join, p.Rows = views.FilterRows, rows.Join, rowsShown(rows)
	} else {
		p.TooMuch = true
	}
	return p
}

func rowsShown(r filter.Rows) []views.FilterRow {
	var out []views.FilterRow
	for _, x := range r.List {
		out = append(out, views.FilterRow{Field: x.Field, Op: x.Op, Value: x.Value})
	}
	return out
}

// typedFilter reads the filter of a posted form: text is what it comes to. The form holds both ways of writing it, and what they
// said when it was drawn; so it shows which of them was changed since, and the other follows. A form that names no way has an
// expression alone.
func typedFilter(f views.ActionForm) (p views.FilterProps, text string, err error) {
	p = views.FilterProps{Mode: f.FilterMode, Join: "and", Rows: rowsTyped(f), Expression: strings.TrimSpace(strings.ReplaceAll(f.Filter, "\r\n", "\n"))}
	if f.FilterJoin == "or" {
		p.Join = "or"
	}
	sync := strings.ReplaceAll(f.FilterSync, "\r\n", "\n")
	written, wrongRow := expressionOf(p)
	switch p.Mode {
	case views.FilterAll:
		return p, "", nil
	case views.FilterRows:
		if f.FilterWas == views.FilterExpression && wrongRow < 0 && written == normal(sync) {
			follow(&p)
			written, wrongRow = expressionOf(p)
		}
		if p.TooMuch = p.TooMuch && len(p.Rows) == 0; !p.TooMuch && wrongRow < 0 {
			p.Expression = written
		}
		return p, written, checkRows(&p, wrongRow)
	}
	p.Mode = views.FilterExpression
	if f.FilterWas == views.FilterRows && wrongRow < 0 && p.Expression == sync {
		p.Expression = written
	}
	follow(&p)
	return p, p.Expression, nil
}

// follow makes the rows say what the expression says.
func follow(p *views.FilterProps) {
	rows, ok := filter.RowsOf(p.Expression)
	p.Rows, p.TooMuch = rowsShown(rows), !ok && p.Expression != ""
	if ok {
		p.Join = rows.Join
	}
}

// expressionOf writes the rows as an expression; wrong is the index of a row that is none, -1 without one.
func expressionOf(p views.FilterProps) (text string, wrong int) {
	rows := filter.Rows{Join: p.Join}
	for _, r := range p.Rows {
		rows.List = append(rows.List, filter.Row{Field: r.Field, Op: r.Op, Value: r.Value})
	}
	return rows.Expression()
}

// normal is an expression as rows write it, "" when they cannot.
func normal(text string) string {
	rows, _ := filter.RowsOf(text)
	out, _ := rows.Expression()
	return out
}

func rowsTyped(f views.ActionForm) []views.FilterRow {
	var out []views.FilterRow
	for i, field := range f.FilterFields {
		row := views.FilterRow{Field: strings.TrimSpace(field), Op: "eq"}
		if i < len(f.FilterOps) {
			row.Op = f.FilterOps[i]
		}
		if i < len(f.FilterValues) {
			row.Value = f.FilterValues[i]
		}
		if row.Field+strings.TrimSpace(row.Value) != "" {
			out = append(out, row)
		}
	}
	return out
}

// checkRows complains about rows that are no conditions, and about none at all.
func checkRows(p *views.FilterProps, wrong int) error {
	var bad fault.Check
	switch {
	case len(p.Rows) == 0:
		p.RowsError = texts.ID("Add a condition, or choose “Every such event”.")
		bad.Add("filter_mode", "%s", p.RowsError)
	case wrong >= 0:
		p.Rows[wrong].Error = texts.ID("Name a field of the event, such as event.data.total.")
		bad.Add("filter_mode", "%s", p.Rows[wrong].Error)
	}
	return bad.Err()
}

// filterAround adds what the builder offers: operators, and fields that recent events have.
func (h *Handlers) filterAround(c echo.Context, p *views.FilterProps, id model.ActionID) error {
	for _, o := range filter.Ops() {
		p.Ops = append(p.Ops, views.FilterOp{Name: o.Name, Words: o.Words})
	}
	p.URL = href.TryFilter()
	if id != "" {
		p.URL = href.TryFilterOf(id)
	}
	if !h.may(c, model.Events.View()) {
		return nil
	}
	list, err := h.o.Jobs.Recent(c.Request().Context(), "", hinted)
	p.Fields = fieldHints(list)
	return err
}

// hinted is of how many events the fields are offered.
const hinted = 20

// tryFilter works out what is typed and shows the form again with what it would do; htmx takes the part that it asked for.
func (h *Handlers) tryFilter(c echo.Context) error {
	props := views.ActionFormProps{}
	if id := web.ID[model.ActionID](c); id != "" {
		a, err := h.Store.Action(c.Request().Context(), id)
		if err != nil {
			return err
		}
		props.ID, props.Saved = a.ID, a.Name
	}
	f, err := web.Bind[views.ActionForm](c)
	if err != nil {
		return err
	}
	p, text, _ := typedFilter(f) // what is wrong is shown beside it
	if err := h.try(c, &p, f.Event, text); err != nil {
		return err
	}
	if web.Htmx(c) { // nobody asked yet: a way of writing was chosen, and its rows are still to come
		p.RowsError = ""
	}
	props.Form, props.Filter, props.Typed = f, p, true
	return h.actionForm(c, http.StatusOK, props)
}

// try runs the filter over recent events, as far as whoever asks may see them.
func (h *Handlers) try(c echo.Context, p *views.FilterProps, pattern, text string) error {
	if !h.may(c, model.Events.View()) || p.Mode == views.FilterRows && p.RowsError != "" {
		return nil
	}
	pattern = strings.TrimSpace(pattern)
	found, err := h.o.Jobs.Try(c.Request().Context(), pattern, text)
	if bad, _, ok := h.wrong(c, err, ""); ok {
		p.Error = bad.Of("filter")
		return nil
	}
	if err != nil {
		return err
	}
	out := &views.Trial{Pattern: pattern, All: len(found.Items), Sent: found.Sent, Now: h.Now()}
	for _, x := range found.Items[:min(shownTried, len(found.Items))] {
		out.Items = append(out.Items, views.TrialItem{ID: x.Event.ID, Name: x.Event.Name, Subject: x.Event.Subject, At: x.Event.CreatedAt, OK: x.OK, Error: x.Error != nil, Why: cmp.Or(views.Said(h.Reader(c), x.Error), x.Why)})
	}
	p.Trial = out
	return nil
}

// withProblem puts the complaint about the filter where it is written.
func withProblem(p views.FilterProps, problems views.Problems) views.FilterProps {
	p.Error = problems.Of("filter")
	if p.Mode == views.FilterRows && p.Error != "" && p.RowsError == "" {
		p.RowsError = p.Error
	}
	return p
}
