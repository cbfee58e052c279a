package script

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a machine without a zone database still formats dates

	"github.com/dop251/goja"
)

// dateTokens maps the tokens of formatDate to Go's layout. Longer tokens come first.
var dateTokens = []struct{ token, layout string }{
	{"YYYY", "2006"}, {"YY", "06"}, {"MMMM", "January"}, {"MMM", "Jan"}, {"MM", "01"}, {"M", "1"}, {"DD", "02"}, {"D", "2"},
	{"dddd", "Monday"}, {"ddd", "Mon"}, {"HH", "15"}, {"H", ""}, {"hh", "03"}, {"h", "3"}, {"mm", "04"}, {"m", "4"}, {"ss", "05"},
	{"s", "5"}, {"SSS", ""}, {"A", "PM"}, {"a", "pm"}, {"ZZ", "-0700"}, {"Z", "-07:00"},
}

// formatDate writes t by a format of tokens. What is no token stays; so does what stands in [brackets].
func formatDate(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); {
		if format[i] == '[' {
			if n := strings.IndexByte(format[i:], ']'); n > 0 {
				b.WriteString(format[i+1 : i+n])
				i += n + 1
				continue
			}
		}
		token, layout := tokenAt(format[i:])
		switch token {
		case "":
			b.WriteByte(format[i])
			i++
			continue
		case "H":
			b.WriteString(strconv.Itoa(t.Hour()))
		case "SSS":
			b.WriteString(t.Format(".000")[1:])
		default:
			b.WriteString(t.Format(layout))
		}
		i += len(token)
	}
	return b.String()
}

func tokenAt(s string) (token, layout string) {
	for _, t := range dateTokens {
		if strings.HasPrefix(s, t.token) {
			return t.token, t.layout
		}
	}
	return "", ""
}

var dateParts = map[string]string{
	"YYYY": `(?P<year>\d{4})`, "YY": `(?P<short>\d{2})`, "MMMM": `(?P<name>[A-Za-z]+)`, "MMM": `(?P<name>[A-Za-z]{3})`, "MM": `(?P<month>\d{2})`, "M": `(?P<month>\d{1,2})`,
	"DD": `(?P<day>\d{2})`, "D": `(?P<day>\d{1,2})`, "dddd": `[A-Za-z]+`, "ddd": `[A-Za-z]{3}`, "HH": `(?P<hour>\d{2})`, "H": `(?P<hour>\d{1,2})`, "hh": `(?P<hour>\d{2})`,
	"h": `(?P<hour>\d{1,2})`, "mm": `(?P<minute>\d{2})`, "m": `(?P<minute>\d{1,2})`, "ss": `(?P<second>\d{2})`, "s": `(?P<second>\d{1,2})`, "SSS": `(?P<milli>\d{3})`,
	"A": `(?P<half>AM|PM)`, "a": `(?P<half>am|pm)`, "ZZ": `(?P<zone>[+-]\d{4}|Z)`, "Z": `(?P<zone>[+-]\d\d:\d\d|Z)`,
}

// parseDate reads text by a format of tokens; what the format leaves out is the first of its kind.
func parseDate(text, format string, zone *time.Location) (time.Time, bool) {
	if len(format) > 100 || len(text) > 200 {
		return time.Time{}, false
	}
	var pattern strings.Builder
	for i := 0; i < len(format); {
		token, _ := tokenAt(format[i:])
		switch {
		case format[i] == '[' && strings.IndexByte(format[i:], ']') > 0:
			n := strings.IndexByte(format[i:], ']')
			pattern.WriteString(regexp.QuoteMeta(format[i+1 : i+n]))
			i += n + 1
		case token == "":
			pattern.WriteString(regexp.QuoteMeta(format[i : i+1]))
			i++
		default:
			pattern.WriteString(dateParts[token])
			i += len(token)
		}
	}
	re, err := regexp.Compile("^" + pattern.String() + "$")
	if err != nil {
		return time.Time{}, false
	}
	m := re.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, false
	}
	found := map[string]string{}
	for i, name := range re.SubexpNames() {
		if name != "" {
			found[name] = m[i]
		}
	}
	return assembleDate(found, zone)
}

func assembleDate(found map[string]string, zone *time.Location) (time.Time, bool) {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(found[name]); err == nil {
			return n
		}
		return otherwise
	}
	year, month, hour := number("year", 1970), number("month", 1), number("hour", 0)
	if found["short"] != "" {
		year = 2000 + number("short", 0)
	}
	if name := found["name"]; name != "" {
		if month = monthNamed(name); month == 0 {
			return time.Time{}, false
		}
	}
	switch strings.ToLower(found["half"]) {
	case "am":
		hour %= 12
	case "pm":
		hour = hour%12 + 12
	}
	if z := strings.ReplaceAll(found["zone"], ":", ""); z == "Z" {
		zone = time.UTC
	} else if z != "" {
		t, err := time.Parse("-0700", z)
		if err != nil {
			return time.Time{}, false
		}
		zone = t.Location()
	}
	day, minute, second := number("day", 1), number("minute", 0), number("second", 0)
	t := time.Date(year, time.Month(month), day, hour, minute, second, number("milli", 0)*int(time.Millisecond), zone)
	fits := hour < 24 && minute < 60 && second < 60 && month >= 1 && month <= 12 && t.Day() == day
	return t, fits
}

func monthNamed(name string) int {
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(name, m.String()) || strings.EqualFold(name, m.String()[:3]) {
			return int(m)
		}
	}
	return 0
}

// addDate adds whole calendar units in UTC and exact ones otherwise.
func addDate(t time.Time, amount float64, unit string) (time.Time, bool) {
	const limit = 1e15 // ms; some 30,000 years
	exact := map[string]time.Duration{"ms": time.Millisecond, "second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}
	if unit != "ms" {
		unit = strings.TrimSuffix(unit, "s")
	}
	if d, ok := exact[unit]; ok {
		ms := amount * float64(d/time.Millisecond)
		if !(ms > -limit && ms < limit) {
			return t, false
		}
		return time.UnixMilli(t.UnixMilli() + int64(ms)).UTC(), true
	}
	if !(amount > -1e5 && amount < 1e5) {
		return t, false
	}
	months := int(amount)
	switch unit {
	case "year":
		months *= 12
	case "month":
	default:
		return t, false
	}
	t = t.UTC()
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1), true
}

// date reads a Date, milliseconds or text.
func (r *run) date(v goja.Value) time.Time {
	if o, ok := v.(*goja.Object); ok {
		if t, ok := o.Export().(time.Time); ok && o.ClassName() == "Date" {
			return t.UTC()
		}
	}
	if goja.IsNumber(v) {
		return time.UnixMilli(v.ToInteger()).UTC()
	}
	if goja.IsUndefined(v) || goja.IsNull(v) {
		r.throw("the date is missing")
	}
	text := r.text(v)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", time.RFC1123Z, time.RFC1123} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	r.throw("this is not a date: " + strconv.Quote(text[:min(len(text), 60)]))
	return time.Time{}
}

func (r *run) dateOrNow(c goja.FunctionCall) time.Time {
	if len(c.Arguments) == 0 {
		return r.now
	}
	return r.date(c.Argument(0))
}

func (r *run) zone(v goja.Value) *time.Location {
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return time.UTC
	}
	zone, err := time.LoadLocation(v.String())
	if err != nil || v.String() == "Local" {
		r.throw("unknown time zone " + strconv.Quote(v.String()))
	}
	return zone
}

func (r *run) makeDate(t time.Time) goja.Value {
	o, err := r.rt.New(r.rt.Get("Date"), r.rt.ToValue(t.UnixMilli()))
	if err != nil {
		panic(err)
	}
	return o
}

const isoLayout = "2006-01-02T15:04:05.000Z07:00"

func (r *run) helpNow(goja.FunctionCall) goja.Value { return r.makeDate(r.now) }

func (r *run) helpParseDate(c goja.FunctionCall) goja.Value {
	if goja.IsUndefined(c.Argument(1)) {
		return r.makeDate(r.date(c.Argument(0)))
	}
	text, format := r.argument(c, 0, "the text"), r.argument(c, 1, "the format")
	t, ok := parseDate(text, format, r.zone(c.Argument(2)))
	if !ok {
		r.throw(strconv.Quote(text[:min(len(text), 60)]) + " does not fit the format " + strconv.Quote(format[:min(len(format), 100)]))
	}
	return r.makeDate(t)
}

func (r *run) helpFormatDate(c goja.FunctionCall) goja.Value {
	return r.rt.ToValue(formatDate(r.date(c.Argument(0)).In(r.zone(c.Argument(2))), r.argument(c, 1, "the format")))
}

func (r *run) helpAddDate(c goja.FunctionCall) goja.Value {
	unit := r.argument(c, 2, "the unit")
	t, ok := addDate(r.date(c.Argument(0)), c.Argument(1).ToFloat(), unit)
	if !ok {
		r.throw("cannot add this; units are ms, seconds, minutes, hours, days, weeks, months, years")
	}
	return r.makeDate(t)
}

func (r *run) helpISODate(c goja.FunctionCall) goja.Value {
	return r.rt.ToValue(r.dateOrNow(c).UTC().Format(isoLayout))
}

func (r *run) helpUnix(c goja.FunctionCall) goja.Value { return r.rt.ToValue(r.dateOrNow(c).Unix()) }

func (r *run) helpUnixMs(c goja.FunctionCall) goja.Value {
	return r.rt.ToValue(r.dateOrNow(c).UnixMilli())
}

func (r *run) helpFromUnix(c goja.FunctionCall) goja.Value {
	return r.makeDate(time.UnixMilli(int64(c.Argument(0).ToFloat() * 1000)))
}
