package views

import (
	"context"
	"math"
	"strconv"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/views/texts"
	"waybill/views/ui"
)

// Schedule writes a retry schedule for people: "0 s, 5 s, 1 m, 2 h". ParseSchedule reads what it writes.
func Schedule(seconds []int) string {
	parts := make([]string, len(seconds))
	for i, s := range seconds {
		parts[i] = wait(s)
	}
	return strings.Join(parts, ", ")
}

// together is a schedule whose numbers stay beside their units where a line breaks.
func together(schedule string) string {
	return strings.ReplaceAll(strings.ReplaceAll(schedule, " ", "\u00a0"), ",\u00a0", ", ")
}

// wait writes seconds in the largest unit that they are a whole number of; up to two days as hours.
func wait(s int) string {
	switch {
	case s >= 2*86400 && s%86400 == 0:
		return itoa(s/86400) + " d"
	case s >= 3600 && s%3600 == 0:
		return itoa(s/3600) + " h"
	case s >= 60 && s%60 == 0:
		return itoa(s/60) + " m"
	}
	return itoa(s) + " s"
}

var unitSeconds = map[string]int{
	"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60,
	"h": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400, "week": 604800, "weeks": 604800,
	"sekunde": 1, "sekunden": 1, "minuten": 60, "std": 3600, "stunde": 3600, "stunden": 3600, "tag": 86400, "tage": 86400, "tagen": 86400,
	"woche": 604800, "wochen": 604800,
}

// ParseSchedule reads waits that are parted by commas, semicolons or line breaks; a wait is a whole number and a unit
// (s, m, h, d), seconds without one. The error is a sentence for the person who typed it. Nothing typed is nil.
func ParseSchedule(text string) ([]int, error) {
	var out []int
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		digits := strings.TrimRight(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
		unit, known := unitSeconds[strings.ToLower(strings.TrimSpace(part[len(digits):]))]
		n, err := strconv.Atoi(digits)
		if err != nil || !known || n < 0 || n > 1e7 {
			return nil, fault.Say("“%s” is no wait. Write a number and a unit, parted by commas: 0 s, 5 s, 1 m, 2 h, 1 d.", part)
		}
		out = append(out, n*unit)
	}
	return out, nil
}

// scheduleHint says what a schedule amounts to.
func scheduleHint(ctx context.Context, text string) string {
	rule := texts.ID("The wait before each attempt, counted from the end of the one before; as many attempts as there are waits.")
	seconds, err := ParseSchedule(text)
	if err != nil || len(seconds) == 0 {
		return rule
	}
	total := 0
	for _, s := range seconds {
		total += s
	}
	attempts := ui.Many(ctx, len(seconds), "attempt")
	return say(ctx, "{rule} This is {attempts} over about {time}.", "rule", say(ctx, rule), "attempts", attempts, "time", about(ctx, total))
}

func about(ctx context.Context, s int) string {
	switch {
	case s >= 2*86400:
		return ui.Many(ctx, (s+43200)/86400, "day")
	case s >= 2*3600:
		return ui.Many(ctx, (s+1800)/3600, "hour")
	case s >= 120:
		return ui.Many(ctx, (s+30)/60, "minute")
	}
	return ui.Many(ctx, s, "second")
}

var retryOnHint = texts.ID("Codes and ranges, with ! those that are not tried again. What is not named is judged as usual: 408, 425, 429 and 500-599 are tried again, 410 switches the destination off.")

// inherited is the schedule that holds when the destination has none of its own.
func (p DestinationProps) inherited() []int {
	return model.Destination{}.Schedule(p.Connection.Connection)
}

// retryOn is what holds when the destination says nothing of its own.
func (p DestinationProps) retryOn() string {
	if on := p.Connection.RetryOn; on != "" {
		return string(on)
	}
	return "500-599, !501"
}

func (p DestinationProps) scheduleHint(ctx context.Context) string {
	if strings.TrimSpace(p.Form.RetrySchedule) == "" {
		return say(ctx, "Empty: as the connection says.") + " " + scheduleHint(ctx, Schedule(p.inherited()))
	}
	return scheduleHint(ctx, p.Form.RetrySchedule)
}

// Units of a rate.
const (
	perSecond = "second"
	perMinute = "minute"
)

var rateUnits = []ui.Option{{Value: perSecond, Label: "a second"}, {Value: perMinute, Label: "a minute"}}

// Rate writes messages a second as a number and its unit; "" is no limit. ParseRate reads what it writes.
func Rate(perSec float64) (text, unit string) {
	whole := func(f float64) bool { return math.Abs(f-math.Round(f)) < 1e-9 }
	switch {
	case perSec == 0:
		return "", perSecond
	case !whole(perSec) && whole(perSec*60):
		return strconv.FormatFloat(math.Round(perSec*60), 'f', -1, 64), perMinute
	case perSec < 1:
		return strconv.FormatFloat(perSec*60, 'g', 6, 64), perMinute
	}
	return strconv.FormatFloat(perSec, 'f', -1, 64), perSecond
}

// ParseRate reads a rate; nothing typed is 0, no limit. The error is a sentence for the person who typed it.
func ParseRate(text, unit string) (perSec float64, err error) {
	text = strings.Replace(strings.TrimSpace(text), ",", ".", 1)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0) || math.IsInf(n, 0) {
		return 0, fault.Say("A number greater than 0, such as 5 or 0.5, or nothing for no limit.")
	}
	if unit == perMinute {
		n /= 60
	}
	return n, nil
}

// rateWords is a rate as a person says it.
func rateWords(ctx context.Context, perSec float64) string {
	text, unit := Rate(perSec)
	if text == "" {
		return say(ctx, "No limit")
	}
	if unit == perMinute {
		return say(ctx, "{n} a minute", "n", text)
	}
	return say(ctx, "{n} a second", "n", text)
}
