package jobs

import (
	"context"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/filter"
)

// Bounds of trying a filter.
const (
	tried    = 50   // events that it is tried on
	lookedAt = 1000 // newest events among which a pattern finds them
)

// Tried is one stored event and what a filter says of it.
type Tried struct {
	Event model.Event // with its data
	OK    bool
	Why   string       // the values that said no; "" when it holds
	Error *fault.Words // what went wrong, nil = nothing
}

// Trial is a filter tried on the newest events whose name fits a pattern, newest first.
type Trial struct {
	Items []Tried
	Sent  int // for how many it holds
}

// Try runs a filter over the newest stored events that fit the pattern. The error is the Invalid fault when the filter is none.
func (s *Service) Try(ctx context.Context, pattern, source string) (Trial, error) {
	p, problem := filter.Compile(source)
	if problem != nil {
		var bad fault.Check
		bad.Add("filter", "Line %d, column %d: %s", problem.Line, problem.Column, problem.Words)
		return Trial{}, bad.Err()
	}
	events, err := s.Recent(ctx, pattern, tried)
	if err != nil {
		return Trial{}, err
	}
	var out Trial
	for _, e := range events {
		x := Tried{Event: e}
		ok, shown, err := p.Eval(filter.NewEnv(e))
		x.OK, x.Why = ok, shown
		if err != nil {
			x.Error = fault.WordsOf(err)
		}
		if ok {
			out.Sent++
		}
		out.Items = append(out.Items, x)
	}
	return out, nil
}

// Recent are the newest events that fit a pattern ("" = all) and whose data is still stored, at most so many.
func (s *Service) Recent(ctx context.Context, pattern string, most int) (out []model.Event, err error) {
	f := db.EventFilter{}
	if model.CheckPattern(pattern) == "" && !isPattern(pattern) {
		f.Name = pattern
	}
	page := db.Page{Limit: min(2*most, db.MaxPage)}
	for seen := 0; seen < lookedAt && len(out) < most; {
		list, next, err := s.o.Store.Events(ctx, f, page)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if len(out) == most || pattern != "" && !model.Matches(pattern, e.Name) {
				continue
			}
			whole, err := s.o.Store.Event(ctx, e.ID)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return nil, err
			}
			if whole.Data != nil {
				out = append(out, whole)
			}
		}
		if page.Cursor = next; next == "" {
			break
		}
		seen += len(list)
	}
	return out, nil
}

func isPattern(name string) bool {
	for _, r := range name {
		if r == '*' {
			return true
		}
	}
	return false
}
