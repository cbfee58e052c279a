package model

import (
	"strings"
	"time"

	"waybill/db/fault"
)

// ParseTime reads a time as RFC 3339 5.6 has it, to the letter: T and Z in either case, two digits for each part, a point before
// the fraction, an offset of less than a day. (Package time takes one digit for an hour, commas, and offsets beyond a day.)
// Leap seconds are refused, and so is what falls outside the years 1 to 9999 in UTC, which could not be written again.
func ParseTime(text string) (time.Time, *fault.Words) {
	const form = "2006-01-02T15:04:05"
	if len(text) <= len(form) || !digitsAs(text[:len(form)], form) {
		return time.Time{}, notRFC3339()
	}
	zone := strings.TrimLeft(text[len(form)+1:], "0123456789") // after the fraction, when there is one
	switch fraction := text[len(form)] == '.'; {
	case !fraction:
		zone = text[len(form):]
	case len(zone) == len(text)-len(form)-1:
		return time.Time{}, notRFC3339()
	}
	offset := len(zone) == len("+00:00") && (zone[0] == '+' || zone[0] == '-') && digitsAs(zone[1:], "00:00") && zone[1:3] < "24" && zone[4:] < "60"
	if !offset && zone != "Z" && zone != "z" {
		return time.Time{}, notRFC3339()
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil {
		return time.Time{}, notRFC3339()
	}
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return time.Time{}, fault.Say("A time of the years 1 to 9999 in UTC.")
	}
	return t, nil
}

func notRFC3339() *fault.Words {
	return fault.Say("A time as in RFC 3339, for instance 2030-01-31T12:00:00Z.")
}

// digitsAs reports whether text has digits where form has them, and in all other places what form has, in either case.
func digitsAs(text, form string) bool {
	for i := range len(form) {
		digit := form[i] >= '0' && form[i] <= '9'
		if digit && (text[i] < '0' || text[i] > '9') || !digit && text[i] != form[i] && (form[i] != 'T' || text[i] != 't') {
			return false
		}
	}
	return true
}
