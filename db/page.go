package db

import (
	"strings"

	"waybill/db/fault"
)

// Page asks for one page of a list. Lists are newest first and page by key, never by offset.
type Page struct {
	Limit  int    // 0 = 50; at most 200
	Cursor string // "" = the first page; else as the page before gave it
}

// MaxPage is the longest page.
const MaxPage = 200

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

// page runs q for one page, by descending key, and gives the cursor of the next one, "" at the end.
func page[T any](r querier, q *query, p Page, key string, scan func(row) (T, error), cursor func(T) string) ([]T, string, error) {
	if len(p.Cursor) > 200 {
		return nil, "", fault.New(fault.Invalid, "This cursor is not one of ours.")
	}
	q.and(p.Cursor != "", key+" < ?", p.Cursor)
	items, err := all(r, scan, q.sql(" ORDER BY "+key+" DESC LIMIT +?"), append(q.args, p.limit()+1)...)
	if err != nil || len(items) <= p.limit() {
		return items, "", err
	}
	items = items[:p.limit()]
	return items, cursor(items[len(items)-1]), nil
}
