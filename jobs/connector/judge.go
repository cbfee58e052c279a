package connector

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// MaxRetryAfter caps how long the other side may ask us to wait.
const MaxRetryAfter = 24 * time.Hour

// Verdict is what an answer means for the delivery (SEMANTICS 4).
type Verdict struct {
	Success    bool
	Retry      bool          // trying again can help
	RetryAfter time.Duration // not before this long from now; 0 = the schedule alone decides
	Disable    bool          // the other side wants no more messages: switch the destination off
	// Renew says that the token was not accepted although the status did not say so: it is dropped, and one more exchange
	// made at once, as after a 401.
	Renew bool
	// Each is what became of each record of a request, in their order; nil = all of them as above.
	Each  []Verdict
	Class model.ErrorClass
	// Words say what went wrong, or of one record that was taken what became of it; they may quote the answer, so redact them.
	Words string
	// Follow is set, with Success, when the other side only took the message: it is asked later what became of it.
	Follow *model.Follow
}

// Judge reads an answer of the connection's system.
func Judge(a Answer) Verdict {
	if k, ok := ByType(a.Connection.Type); ok && k.judge != nil {
		return k.judge(a)
	}
	return judgeHTTP(a)
}

// Overrule is v where people decided otherwise about its status: that it is worth another attempt, or that it is not.
func (v Verdict) Overrule(x egress.Exchange, on []model.RetryOn, now time.Time) Verdict {
	if v.Success || v.Class != model.ClassStatus {
		return v
	}
	for _, o := range on {
		retry, named := o.Of(x.Status)
		if !named {
			continue
		}
		if v.Retry, v.Disable, v.RetryAfter = retry, false, 0; retry {
			v.RetryAfter = retryAfter(x.Header.Get("Retry-After"), now)
		}
		v.Words = "Answered " + statusText(x.Status) + advice(x, v)
		break
	}
	return v
}

// JudgeError says what it means that there was no answer, or none that is whole: only what our own rules or settings
// stopped is final.
func JudgeError(err error) Verdict {
	var e *egress.Error
	if !errors.As(err, &e) {
		return Verdict{Retry: true, Class: model.ClassBroken, Words: "The exchange failed."}
	}
	final := e.Class == model.ClassRefused || e.Class == model.ClassSetup || e.Class == model.ClassTemplate
	return Verdict{Retry: !final, Class: e.Class, Words: e.Message}
}

// judgeHTTP goes by the status alone.
func judgeHTTP(a Answer) Verdict {
	x, v := a.Exchange, Verdict{Class: model.ClassStatus}
	s := x.Status
	switch {
	case s >= 200 && s < 300:
		return Verdict{Success: true}
	case s == 408 || s == 425 || s == 429 || (s >= 500 && s < 600):
		v.Retry, v.RetryAfter = true, retryAfter(x.Header.Get("Retry-After"), a.Now)
	case s == http.StatusGone:
		v.Disable = true
	}
	v.Words = "Answered " + statusText(s) + advice(x, v)
	return v
}

func statusText(s int) string {
	if t := http.StatusText(s); t != "" {
		return fmt.Sprintf("%d %s", s, t)
	}
	return strconv.Itoa(s)
}

// spell writes a time to wait for people: whole hours and minutes as such.
func spell(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= 2*time.Hour && d%time.Hour == 0 {
		return strconv.Itoa(int(d/time.Hour)) + " h"
	}
	if d >= 2*time.Minute && d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + " min"
	}
	return strconv.Itoa(int(d/time.Second)) + " s"
}

// advice ends the sentence with what a person can do about it.
func advice(x egress.Exchange, v Verdict) string {
	switch s := x.Status; {
	case s == http.StatusNotModified:
		return ". That is an answer to a question whether something changed; what receives messages answers 200 to 299."
	case s >= 300 && s < 400:
		if to := oneLine(x.Header.Get("Location")); to != "" {
			return " and points to " + to + " (Location). Redirects are not followed; put the final address into the connection or destination."
		}
		return ". Redirects are not followed; put the final address into the connection or destination."
	case v.RetryAfter > 0:
		return " and asks to wait " + spell(v.RetryAfter) + "."
	case s == 401 || s == 403:
		return ". Check the credential of the connection and what it may do."
	case s == 404 || s == 405:
		return ". Check base URL, path and method."
	case s == 410 && v.Disable:
		return ": the other side wants no more messages, so the destination is switched off."
	case s == 413:
		return ". The body is too large for the other side."
	case s == 415:
		return ". Check the content type of the destination."
	}
	return "."
}

func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return s
}

// retryAfter reads RFC 9110, 10.2.3: seconds or a date; 0 when absent, past or unreadable.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}
