package db

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// stamp is Now as it comes back from the database.
func (tx *Tx) stamp() time.Time { return time.UnixMilli(tx.now.UnixMilli()).UTC() }

// current is nil when the version that a caller saw is the one that is stored, or 0.
func current(noun string, saw, stored int64) error {
	if saw == 0 || saw == stored {
		return nil
	}
	return fault.New(fault.Stale, "Somebody changed this %s meanwhile: you have version %d, it is at version %d. Load it again and repeat your change.", fault.Noun(noun), saw, stored)
}

// duplicate turns a taken name into a conflict that says so.
func duplicate(err error, noun, name string) error {
	if !taken(err) {
		return err
	}
	return fault.Coded(fault.Conflict, "duplicate_name", "Another %s has the name “%s”.", fault.Noun(noun), name)
}

// complain is the Invalid fault about one field.
func complain(field, format string, args ...any) error {
	var c fault.Check
	c.Add(field, format, args...)
	return c.Err()
}

// has reports whether query, SELECT EXISTS (…), finds something.
func (tx *Tx) has(query string, args ...any) (bool, error) {
	n, err := one(tx, "row", number, query, args...)
	return n != 0, err
}

// orNull stores "" as NULL.
func orNull[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// like is part as it stands in a pattern of LIKE … ESCAPE '\', beside which statements write '%'.
func like(part string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(part)
}

// word is what happened to a thing whose fields changed.
func word(diff []model.Change, enabled bool) string {
	switched := false
	for _, c := range diff {
		switch c.Field {
		case "enabled":
			switched = true
		case "disabled_reason":
		default:
			return "updated"
		}
	}
	if !switched {
		return "updated"
	}
	if enabled {
		return "enabled"
	}
	return "disabled"
}

// The audit log's text of a number that counts from 1, and of a switch of a thing that may not exist.
func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func rateText(r float64) string {
	if r == 0 {
		return ""
	}
	return strconv.FormatFloat(r, 'g', -1, 64)
}

func yes(exists, on bool) string {
	switch {
	case !exists:
		return ""
	case on:
		return "yes"
	}
	return "no"
}

// stamped is the audit log's text of a time, "" for none.
func stamped(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// shown is the audit log's text of a setting, "" when it is absent or null.
func shown(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	}
	return encode(v)
}

// configChanges lists the settings that differ, by name.
func configChanges(prefix string, a, b model.Config) []model.Change {
	names := map[string]bool{}
	for k := range a {
		names[k] = true
	}
	for k := range b {
		names[k] = true
	}
	var out []model.Change
	for _, k := range slices.Sorted(maps.Keys(names)) {
		out = append(out, changes(prefix+k, shown(a[k]), shown(b[k]))...)
	}
	return out
}

// headerText is the audit log's text of a list of headers.
func headerText(list []model.Header) string {
	var b strings.Builder
	for _, h := range list {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// numbersText is the audit log's text of a list of numbers.
func numbersText(list []int) string {
	if len(list) == 0 {
		return ""
	}
	return strings.Trim(fmt.Sprint(list), "[]")
}
