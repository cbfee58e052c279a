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
	Tag   string // BCP 47, as browsers know it
	Label string
	full  string // layout of an exact time
	group string // between thousands
}

// Locales are those that can be chosen.
func Locales() []Locale {
	return []Locale{
		{"en-GB", texts.ID("English (United Kingdom)"), "2 Jan 2006, 15:04:05", ","},
		{"en-US", texts.ID("English (United States)"), "Jan 2, 2006, 3:04:05 PM", ","},
		{"de-DE", texts.ID("German"), "02.01.2006, 15:04:05", "."},
		{"fr-FR", texts.ID("French"), "02/01/2006 15:04:05", "\u202f"},
		{"es-ES", texts.ID("Spanish"), "2/1/2006, 15:04:05", "."},
		{"it-IT", texts.ID("Italian"), "2/1/2006, 15:04:05", "."},
		{"ja-JP", texts.ID("Japanese"), "2006/01/02 15:04:05", ","},
		{"nl-NL", texts.ID("Dutch"), "2-1-2006, 15:04:05", "."},
		{"pl-PL", texts.ID("Polish"), "2.01.2006, 15:04:05", "\u00a0"},
		{"pt-BR", texts.ID("Portuguese (Brazil)"), "02/01/2006, 15:04:05", "."},
		{"sv-SE", texts.ID("Swedish, ISO 8601"), "2006-01-02 15:04:05", "\u00a0"},
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
	zone, suffix := f.Zone, ""
	if zone == nil {
		zone, suffix = time.UTC, " UTC"
	}
	l, ok := LocaleOf(f.Locale)
	if !ok {
		l.full = "2006-01-02 15:04:05"
	}
	return t.In(zone).Format(l.full) + suffix
}

// Count is a number with its thousands separated as the reader is used to.
func (f Format) Count(n int64) string {
	plain := Count(n)
	l, ok := LocaleOf(f.Locale)
	if !ok || l.group == "," {
		return plain
	}
	return strings.ReplaceAll(plain, ",", l.group)
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
