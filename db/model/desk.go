package model

import (
	"time"

	"waybill/db/fault"
)

// TemplateVersion is a template that a destination has had. It came with Version of the destination and stayed until the next.
type TemplateVersion struct {
	Version  int64
	Template string
	By       string // name of who saved it, "" = not known
	At       time.Time
}

// MaxTemplateVersions is how many templates of a destination are kept.
const MaxTemplateVersions = 50

// SavedFilterID names a filter that somebody keeps.
type SavedFilterID string // flt_

func NewSavedFilterID(now time.Time) SavedFilterID { return SavedFilterID(newID("flt_", now)) }

// SavedFilter is a filter of the list of deliveries that somebody keeps under a name. Everybody may use a shared one;
// its owner alone may remove it.
type SavedFilter struct {
	ID        SavedFilterID
	UserID    UserID
	Owner     string // joined name
	Name      string // unique for its owner
	Query     string // as it stands in the address, without "?"
	Shared    bool
	CreatedAt time.Time
}

// Clean puts what was typed into its stored form.
func (f *SavedFilter) Clean() { f.Name = clean(f.Name) }

// Check lists what is wrong with the filter.
func (f SavedFilter) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, f.Name)
	if len(f.Query) > 2000 {
		bad.Add("query", "This filter is too long to be kept.")
	}
	return bad.Fields()
}

// MaxSavedFilters is how many one person may keep.
const MaxSavedFilters = 50

// PulseHours is how far back a pulse goes.
const PulseHours = 24

// Pulse is how much went to a destination in each of the last hours, the last being the present one, and how much of it failed
// for good in all.
type Pulse struct {
	Hours  [PulseHours]int64
	Failed int64
	// Retried are attempts after which another one was planned; most of them got no answer, or one that told of trouble.
	Retried int64
}

// Add puts what went to another destination beside it.
func (p *Pulse) Add(o Pulse) {
	for i, n := range o.Hours {
		p.Hours[i] += n
	}
	p.Failed, p.Retried = p.Failed+o.Failed, p.Retried+o.Retried
}

// Sum is how much went in all.
func (p Pulse) Sum() (n int64) {
	for _, x := range p.Hours {
		n += x
	}
	return n
}
