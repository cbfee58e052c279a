package model

import (
	"time"

	"waybill/db/fault"
)

// Storage says how long and how much is kept. Bodies go before rows, the oldest first; what is not settled stays.
type Storage struct {
	RowDays  int       // events, deliveries and attempts
	BodyDays int       // the data of events and the bodies of attempts
	Budget   int64     // bytes of the database in all
	MinFree  int64     // bytes of the disk that must be free, else nothing is accepted
	Changed  time.Time // zero = never
	Version  int64
}

// DefaultStorage are the limits of SEMANTICS 9.
func DefaultStorage() Storage {
	return Storage{RowDays: 30, BodyDays: 7, Budget: 10 << 30, MinFree: 64 << 20}
}

// Fits is s for a disk of that size: where nobody set how much must be free, a small disk need not keep all of it.
func (s Storage) Fits(disk int64, fixed Storage) Storage {
	if s.Version == 0 && fixed.MinFree == 0 && disk > 0 {
		s.MinFree = min(s.MinFree, disk/20)
	}
	return s
}

// Over is s with what fixed says (0 = nothing) in its place: the environment of the server wins.
func (s Storage) Over(fixed Storage) Storage {
	if fixed.RowDays > 0 {
		s.RowDays = fixed.RowDays
	}
	if fixed.BodyDays > 0 {
		s.BodyDays = fixed.BodyDays
	}
	if fixed.Budget > 0 {
		s.Budget = fixed.Budget
	}
	if fixed.MinFree > 0 {
		s.MinFree = fixed.MinFree
	}
	if fixed.RowDays > 0 {
		s.BodyDays = min(s.BodyDays, s.RowDays)
	}
	return s
}

// Check lists what is wrong.
func (s Storage) Check() []fault.Field {
	var bad fault.Check
	if s.RowDays < 1 || s.RowDays > 3650 {
		bad.Add("row_days", "Between 1 and 3,650 days.")
	}
	if s.BodyDays < 1 || s.BodyDays > 3650 {
		bad.Add("body_days", "Between 1 and 3,650 days.")
	} else if s.BodyDays > s.RowDays {
		bad.Add("body_days", "Contents cannot be kept longer than the history that they belong to (%d days).", s.RowDays)
	}
	if s.Budget < 100<<20 || s.Budget > 1<<50 {
		bad.Add("budget_mib", "At least 100 MiB.")
	}
	if s.MinFree < 16<<20 || s.MinFree > 1<<50 {
		bad.Add("min_free_mib", "At least 16 MiB.")
	}
	return bad.Fields()
}

// DiskUse is how much of the disk the database takes.
type DiskUse struct {
	At    time.Time
	Used  int64 // bytes that hold something, the log of writes included
	File  int64 // bytes of the file
	Spare int64 // bytes of the file that hold nothing
	Log   int64 // bytes of the log of writes (WAL)
	Free  int64 // bytes of the disk that are free
	Disk  int64 // bytes of the disk in all
}

// Growth is how many bytes a day were added between the first and the last of uses (oldest first), over at least a day; 0 when unknown.
func Growth(uses []DiskUse) int64 {
	if len(uses) < 2 {
		return 0
	}
	a, b := uses[0], uses[len(uses)-1]
	span := b.At.Sub(a.At)
	if span < 6*time.Hour {
		return 0
	}
	return int64(float64(b.Used-a.Used) / span.Hours() * 24)
}

// StoredBytes is what attempts wrote, a Rollup's What; by hour.
const StoredBytes = "bytes"

// Expired is a delivery that was held for too long and therefore cancelled, a Rollup's What.
const Expired = "expired"

// OlderSecret is a signing secret that was replaced and still signs until then.
type OlderSecret struct {
	Secret Secret
	Until  time.Time
}
