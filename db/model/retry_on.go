package model

import (
	"strconv"
	"strings"
)

// RetryOn says which answers are worth another attempt and which are not: codes and ranges by commas, "!" for those that
// end the delivery, such as "500-599, !501". The last one that names a code decides; a code that none names is judged as usual.
type RetryOn string

// Clean is s as it is stored.
func (s RetryOn) Clean() RetryOn {
	var out []string
	for part := range strings.SplitSeq(string(s), ",") {
		if part = strings.ReplaceAll(strings.TrimSpace(part), " ", ""); part != "" {
			out = append(out, part)
		}
	}
	return RetryOn(strings.Join(out, ", "))
}

// Check says what is wrong with s, "" when nothing is.
func (s RetryOn) Check() string {
	if len(s) > 500 {
		return "At most 500 characters."
	}
	for part := range strings.SplitSeq(string(s), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if _, from, to, ok := span(part); !ok || from > to || from < 300 || to > 599 {
			return "Codes and ranges between 300 and 599 by commas, “!” before those that are not tried again: 500-599, !501. This is not one: " + part
		}
	}
	return ""
}

// Of says whether an answer is worth another attempt; named is false when s leaves that to the usual rule.
func (s RetryOn) Of(code int) (retry, named bool) {
	for part := range strings.SplitSeq(string(s), ",") {
		if no, from, to, ok := span(strings.TrimSpace(part)); ok && from <= code && code <= to {
			retry, named = !no, true
		}
	}
	return retry, named
}

func span(part string) (no bool, from, to int, ok bool) {
	part, no = strings.CutPrefix(part, "!")
	first, last, two := strings.Cut(part, "-")
	if !two {
		last = first
	}
	from, err := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	return no, from, to, err == nil && err2 == nil
}
