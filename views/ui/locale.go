package ui

import (
	"context"
	"strconv"
	"strings"
	"time"

	"waybill/views/texts"
)

// Format is how one reader has dates and numbers written. Its zero value is the plain form: 2026-11-21 14:03:05 UTC, 2,481.
type Format struct {
	Locale string         // one of Locales; "" = plain
	Zone   *time.Location // nil = UTC
}

// Locale is one way of writing dates and numbers.
type Locale struct {
	Tag     string // BCP 47, as browsers know it
	Label   string
	date    string // layout of a date
	between string // date and time
	clock   string // layout of a time of day, to the second
	group   string // between thousands
	decimal string // before the parts of one
}

// Locales are those that can be chosen.
func Locales() []Locale {
	return []Locale{
		{"en-GB", texts.ID("English (United Kingdom)"), "2 Jan 2006", ", ", "15:04:05", ",", "."},
		{"en-US", texts.ID("English (United States)"), "Jan 2, 2006", ", ", "3:04:05 PM", ",", "."},
		{"de-DE", texts.ID("German"), "02.01.2006", ", ", "15:04:05", ".", ","},
		{"fr-FR", texts.ID("French"), "02/01/2006", " ", "15:04:05", "\u202f", ","},
		{"es-ES", texts.ID("Spanish"), "2/1/2006", ", ", "15:04:05", ".", ","},
		{"it-IT", texts.ID("Italian"), "2/1/2006", ", ", "15:04:05", ".", ","},
		{"ja-JP", texts.ID("Japanese"), "2006/01/02", " ", "15:04:05", ",", "."},
		{"nl-NL", texts.ID("Dutch"), "2-1-2006", ", ", "15:04:05", ".", ","},
		{"pl-PL", texts.ID("Polish"), "2.01.2006", ", ", "15:04:05", "\u00a0", ","},
		{"pt-BR", texts.ID("Portuguese (Brazil)"), "02/01/2006", ", ", "15:04:05", ".", ","},
		{"sv-SE", texts.ID("Swedish, ISO 8601"), "2006-01-02", " ", "15:04:05", "\u00a0", ","},
	}
}

// LocaleOf is the locale with this tag, or the first with its language; ok is false when there is none.
func LocaleOf(tag string) (l Locale, ok bool) {
	language, _, _ := strings.Cut(tag, "-")
	for _, x := range Locales() {
		if strings.EqualFold(x.Tag, tag) {
			return x, true
		}
		if own, _, _ := strings.Cut(x.Tag, "-"); !ok && strings.EqualFold(own, language) {
			l, ok = x, true
		}
	}
	return l, ok
}

// Accepted is the tag of the first locale in an Accept-Language header that is known here, "" for none.
func Accepted(header string) string {
	for part := range strings.SplitSeq(header, ",") {
		tag, _, _ := strings.Cut(part, ";")
		if l, ok := LocaleOf(strings.TrimSpace(tag)); ok {
			return l.Tag
		}
	}
	return ""
}

type formatKey struct{}

// WithFormat gives a page its reader's format.
func WithFormat(ctx context.Context, f Format) context.Context {
	return context.WithValue(ctx, formatKey{}, f)
}

// In is the format of the page that is being written.
func In(ctx context.Context) Format {
	f, _ := ctx.Value(formatKey{}).(Format)
	return f
}

// Moment is a time in full, to the second, in the reader's zone; empty for the zero time. The zone is named where it is UTC.
func (f Format) Moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	l := f.locale()
	return f.write(t, l.date+l.between+l.clock) + f.suffix()
}

// Minute is a time to the minute: Moment without seconds.
func (f Format) Minute(t time.Time) string {
	l := f.locale()
	return f.write(t, l.date+l.between+l.minutes()) + f.suffix()
}

// Day is a date.
func (f Format) Day(t time.Time) string { return f.write(t, f.locale().date) }

// ShortDay is a date without its year, for labels of a chart.
func (f Format) ShortDay(t time.Time) string {
	if _, ok := LocaleOf(f.Locale); !ok {
		return f.write(t, "2 Jan")
	}
	layout := strings.TrimSuffix(strings.TrimPrefix(f.locale().date, "2006"), "2006")
	if strings.HasSuffix(layout, ".") {
		return f.write(t, layout)
	}
	return f.write(t, strings.Trim(layout, ", /-"))
}

// Axis is a time of day as charts have it, in 24 hours and without the zone, which stands beside them.
func (f Format) Axis(t time.Time) string { return f.write(t, "15:04") }

// Clock is a time of day, to the minute.
func (f Format) Clock(t time.Time) string { return f.write(t, f.locale().minutes()) + f.suffix() }

// Hours is a stretch within a day or so: "14:00–15:00".
func (f Format) Hours(from, to time.Time) string {
	layout := f.locale().minutes()
	return f.write(from, layout) + "–" + f.write(to, layout) + f.suffix()
}

func (f Format) write(t time.Time, layout string) string {
	if t.IsZero() {
		return ""
	}
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format(layout)
}

// suffix names the zone where the reader might think of another.
func (f Format) suffix() string {
	if f.Zone == nil {
		return " UTC"
	}
	return ""
}

func (f Format) locale() Locale {
	l, ok := LocaleOf(f.Locale)
	if !ok {
		return Locale{date: time.DateOnly, between: " ", clock: time.TimeOnly, group: ",", decimal: "."}
	}
	return l
}

func (l Locale) minutes() string { return strings.Replace(l.clock, ":05", "", 1) }

// Decimal is a number with so many places after its point.
func (f Format) Decimal(n float64, places int) string {
	l := f.locale()
	s := strconv.FormatFloat(n, 'f', places, 64)
	if l.decimal == "." {
		return s
	}
	return strings.Replace(s, ".", l.decimal, 1)
}

// Count is a number with its thousands separated as the reader is used to.
func (f Format) Count(n int64) string {
	digits, sign := strconv.FormatInt(n, 10), ""
	if n < 0 {
		digits, sign = digits[1:], "-"
	}
	group := f.locale().group
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + group + digits[i:]
	}
	return sign + digits
}

// Example is how this locale writes, for a list to choose from.
func (l Locale) Example(now time.Time) string {
	f := Format{Locale: l.Tag, Zone: time.UTC}
	return f.Moment(now) + "; " + f.Count(12345)
}

// KnownZone reports whether name is an IANA time zone.
func KnownZone(name string) bool {
	if name == "" || name == "Local" || strings.ContainsAny(name, `\`) || len(name) > 64 {
		return false
	}
	if _, err := strconv.Atoi(name); err == nil {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

// Zones are time zones to choose from; any other that exists can be typed.
func Zones() []string {
	return strings.Fields(`UTC Africa/Cairo Africa/Johannesburg Africa/Lagos Africa/Nairobi America/Anchorage America/Argentina/Buenos_Aires America/Bogota America/Chicago
America/Denver America/Halifax America/Lima America/Los_Angeles America/Mexico_City America/New_York America/Phoenix America/Santiago America/Sao_Paulo America/Toronto
America/Vancouver Asia/Bangkok Asia/Dhaka Asia/Dubai Asia/Hong_Kong Asia/Jakarta Asia/Jerusalem Asia/Karachi Asia/Kolkata Asia/Kuala_Lumpur Asia/Manila Asia/Riyadh
Asia/Seoul Asia/Shanghai Asia/Singapore Asia/Taipei Asia/Tehran Asia/Tokyo Atlantic/Reykjavik Australia/Adelaide Australia/Brisbane Australia/Perth Australia/Sydney
Europe/Amsterdam Europe/Athens Europe/Berlin Europe/Brussels Europe/Bucharest Europe/Copenhagen Europe/Dublin Europe/Helsinki Europe/Istanbul Europe/Kyiv Europe/Lisbon
Europe/London Europe/Madrid Europe/Moscow Europe/Oslo Europe/Paris Europe/Prague Europe/Rome Europe/Stockholm Europe/Vienna Europe/Warsaw Europe/Zurich
Pacific/Auckland Pacific/Honolulu`)
}
