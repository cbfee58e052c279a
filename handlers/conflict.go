package handlers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/views"
)

// collision is a form that was saved over a version which its writer had not seen.
type collision struct {
	noun, id string
	saw, now int64                                // versions: of the form, and of what is stored
	diff     []model.Change                       // from what is stored to what was typed
	names    func(echo.Context) map[string]string // of ids that stand in the diff; nil: none do
	expand   func(model.Change) []model.Change    // what a line of the audit log says of the fields in the diff; nil: they are the same
}

// wrongOver is wrong for a form over something that is stored. When somebody else saved meanwhile, the page sets both against each
// other, and saw, the version that the form carries, becomes that of what is stored.
func (h *Handlers) wrongOver(c echo.Context, err error, theirs string, saw *int64, x collision) (p views.Problems, status int, ok bool) {
	p, status, ok = h.wrong(c, err, theirs)
	if p.Theirs == "" {
		return p, status, ok
	}
	x.saw, *saw = *saw, x.now
	if p.Conflict, err = h.conflict(c, x); err != nil {
		h.Log.Warn("two changes could not be compared", "id", x.id, "err", err) // what was typed is not lost by that
	}
	return p, status, ok
}

// conflict sets the typed against the stored, field by field, with what each was when the form was opened.
func (h *Handlers) conflict(c echo.Context, x collision) (*views.Conflict, error) {
	rows, err := h.since(c.Request().Context(), x)
	if err != nil {
		return nil, err
	}
	var names map[string]string
	if x.names != nil {
		names = x.names(c)
	}
	named := func(text string) string { return cmp.Or(names[text], text) }
	out := &views.Conflict{Noun: x.noun, Now: h.Now()}
	base := map[string]string{}
	for _, a := range slices.Backward(rows) { // the oldest change tells what there was before all of them
		for _, ch := range x.of(a.Changes) {
			if _, known := base[ch.Field]; !known {
				base[ch.Field] = ch.Before
			}
		}
	}
	if len(rows) > 0 {
		out.At = rows[0].At
		me := h.Actor(c)
		out.Own = !slices.ContainsFunc(rows, func(a model.Audit) bool { return a.ActorKind != me.Kind || a.ActorID != string(me.UserID) })
		if h.may(c, model.ViewAuditLog) {
			out.By = rows[0].ActorName
		}
	}
	for _, d := range x.diff {
		was, theirs := base[d.Field]
		f := views.ConflictField{Field: d.Field, Stored: named(d.Before), Typed: named(d.After), Whose: views.OnlyMine}
		switch {
		case theirs && was == d.After:
			f.Whose = views.OnlyTheirs
		case theirs:
			f.Whose, f.Was = views.Both, named(was)
		}
		out.Fields = append(out.Fields, f)
	}
	return out, nil
}

// of are the changes of a line of the audit log in the words of the diff.
func (x collision) of(list []model.Change) (out []model.Change) {
	if x.expand == nil {
		return list
	}
	for _, ch := range list {
		out = append(out, x.expand(ch)...)
	}
	return out
}

// since are the changes that were saved after the form was opened, newest first. Each raised the version by one.
func (h *Handlers) since(ctx context.Context, x collision) ([]model.Audit, error) {
	rows, _, err := h.Store.AuditLog(ctx, db.AuditFilter{ObjectID: x.id}, db.Page{Limit: db.MaxPage})
	rows = slices.DeleteFunc(rows, func(a model.Audit) bool {
		return !slices.ContainsFunc([]string{".updated", ".enabled", ".disabled"}, func(s string) bool { return strings.HasSuffix(a.Action, s) })
	})
	return rows[:min(int64(len(rows)), max(0, x.now-x.saw))], err
}
