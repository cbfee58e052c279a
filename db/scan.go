package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"waybill/db/fault"
)

// querier is what reading needs: the reader pool of a Store, or the open transaction of a Tx.
type querier interface {
	prepare(query string) (*sql.Stmt, error)
	context() context.Context
}

// row is *sql.Row or *sql.Rows.
type row interface{ Scan(dest ...any) error }

// all runs query and scans every row.
func all[T any](q querier, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	return until(q, scan, func(T) bool { return false }, query, args...)
}

// until is all that ends early: when full says so after a row, the rest is left.
func until[T any](q querier, scan func(row) (T, error), full func(T) bool, query string, args ...any) ([]T, error) {
	st, err := q.prepare(query)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(q.context(), args...)
	if err != nil {
		return nil, sorted(err)
	}
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, sorted(err)
		}
		if out = append(out, v); full(v) {
			return out, nil
		}
	}
	return out, sorted(rows.Err())
}

// one runs query and scans its only row; without one it is the NotFound fault of noun.
func one[T any](q querier, noun string, scan func(row) (T, error), query string, args ...any) (T, error) {
	var none T
	st, err := q.prepare(query)
	if err != nil {
		return none, err
	}
	v, err := scan(st.QueryRowContext(q.context(), args...))
	if errors.Is(err, sql.ErrNoRows) {
		return none, fault.Absent(noun)
	}
	if err != nil {
		return none, sorted(err)
	}
	return v, nil
}

// text and number scan rows of one column.
func text[T ~string](r row) (T, error) {
	var s string
	err := r.Scan(&s)
	return T(s), err
}

func number(r row) (int64, error) {
	var n sql.NullInt64
	err := r.Scan(&n)
	return n.Int64, err
}

// ms stores a time as unix milliseconds, the zero time as 0.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// null stores the zero time as NULL.
func null(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// at scans what ms or null stored.
type at struct{ *time.Time }

func (a at) Scan(v any) error {
	n, ok := v.(int64)
	if v != nil && !ok {
		return fmt.Errorf("time is stored as %T", v)
	}
	if *a.Time = (time.Time{}); n != 0 {
		*a.Time = time.UnixMilli(n).UTC()
	}
	return nil
}

// encode stores a value as JSON text.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // our own types, always encodable
	}
	return string(b)
}

// decode scans what encode stored; "" leaves the zero value.
type decode struct{ into any }

func (d decode) Scan(v any) error {
	switch s := v.(type) {
	case nil:
		return nil
	case string:
		if s == "" {
			return nil
		}
		return json.Unmarshal([]byte(s), d.into)
	case []byte:
		return json.Unmarshal(s, d.into)
	}
	return fmt.Errorf("JSON is stored as %T", v)
}

// schedule scans what list stored: an empty one is nil.
type schedule struct{ into *[]int }

func (s schedule) Scan(v any) error {
	*s.into = nil
	if err := (decode{s.into}).Scan(v); err != nil {
		return err
	}
	if len(*s.into) == 0 {
		*s.into = nil
	}
	return nil
}

// list stores numbers as JSON, none of them as [].
func list(n []int) string {
	if n == nil {
		return "[]"
	}
	return encode(n)
}

// statements prepares each query once for one database handle.
type statements struct {
	mu   sync.RWMutex
	made map[string]*sql.Stmt
	prep func(query string) (*sql.Stmt, error)
}

func (s *statements) get(query string) (*sql.Stmt, error) {
	s.mu.RLock()
	st := s.made[query]
	s.mu.RUnlock()
	if st != nil {
		return st, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.made[query]; st != nil {
		return st, nil
	}
	st, err := s.prep(query)
	if err != nil {
		return nil, sorted(fmt.Errorf("prepare %.60q: %w", query, err))
	}
	if s.made == nil {
		s.made = map[string]*sql.Stmt{}
	}
	s.made[query] = st
	return st, nil
}
