package db

import (
	"strconv"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
)

// Page asks for one page of a list. Lists are newest first and page by key, never by offset.
type Page struct {
	Limit  int    // 0 = 50; at most 200
	Cursor string // "" = the first page; else as the page before gave it
}

// MaxPage is the longest page.
const MaxPage = 200

// After is the key that the page before ended with, as an argument of a query: an id of this kind ("evt_"), or a whole number with
// kind "". nil is the first page. It refuses what no such list gives: that would show a wrong page, or the first one for ever.
func (p Page) After(kind string) (any, error) {
	if p.Cursor == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(p.Cursor, 10, 64)
	if kind == "" && err == nil && n >= 0 && strconv.FormatInt(n, 10) == p.Cursor {
		return n, nil
	}
	if kind != "" && model.IsID(kind, p.Cursor) {
		return p.Cursor, nil
	}
	return nil, notOurs()
}

func notOurs() error {
	return fault.Refused(fault.Complaint("cursor", "This cursor is not one of ours: begin again with the first page."))
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return 50
	}
	return min(p.Limit, MaxPage)
}

// query is a SELECT that grows by conditions; the set of texts it can take is small, so each is prepared once.
type query struct {
	head  string
	where []string
	args  []any
}

func selecting(head string) *query { return &query{head: head} }

// and adds a condition with its arguments when on.
func (q *query) and(on bool, condition string, args ...any) {
	if on {
		q.where, q.args = append(q.where, condition), append(q.args, args...)
	}
}

func (q *query) sql(tail string) string {
	if len(q.where) == 0 {
		return q.head + tail
	}
	return q.head + " WHERE " + strings.Join(q.where, " AND ") + tail
}

// keyed is what a list is sorted by: a column of ids of one kind, or of whole numbers with kind "".
type keyed struct{ column, kind string }

// page runs q for one page, by descending key, and gives the cursor of the next one, "" at the end.
func page[T any](r querier, q *query, p Page, key keyed, scan func(row) (T, error), cursor func(T) string) ([]T, string, error) {
	last, err := p.After(key.kind)
	if err != nil {
		return nil, "", err
	}
	q.and(last != nil, key.column+" < ?", last)
	items, err := all(r, scan, q.sql(" ORDER BY "+key.column+" DESC LIMIT +?"), append(q.args, p.limit()+1)...)
	if err != nil || len(items) <= p.limit() {
		return items, "", err
	}
	items = items[:p.limit()]
	return items, cursor(items[len(items)-1]), nil
}
