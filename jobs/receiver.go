package jobs

import (
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ReceiverTrick is one way in which the built-in receiver misbehaves, for trying settings.
type ReceiverTrick struct {
	Path  string // an example, below http://receiver.waybill.internal
	Title string
	Text  string
}

// ReceiverTricks lists what the built-in receiver can do.
func ReceiverTricks() []ReceiverTrick {
	return []ReceiverTrick{
		{"anything", "Takes it", "Answers 200 and says what came."},
		{"status/503", "Answers with a status", "Any status from 200 to 599."},
		{"slow/5", "Answers late", "After so many seconds, at most 300; longer than the timeout is no answer."},
		{"fail/3", "Fails at first", "503 for the first three attempts of each message, then 200."},
		{"busy/60", "Asks for patience", "429 with Retry-After of so many seconds, once for each message, then 200."},
		{"cut", "Cuts the connection", "No answer at all."},
		{"huge/10", "Answers at length", "So many MiB, at most 64; the first 64 KiB are kept."},
		{"endless", "Never stops answering", "Until the timeout."},
		{"gone", "Is gone for good", "410, which switches the destination off."},
		{"redirect", "Points elsewhere", "302; redirects are never followed."},
		{"tls", "Has a wrong certificate", "The handshake fails, as with a certificate that nobody trusts."},
	}
}

// receiverState is what the built-in receiver remembers.
type receiverState struct {
	mu   sync.Mutex
	seen map[string]int // attempts by path and message
}

// mostSeen bounds what the receiver remembers; beyond it, it forgets all.
const mostSeen = 10000

// receiver is the built-in receiver. It takes any request and says what came, unless its path asks for something worse.
func receiver() http.Handler {
	s := &receiverState{seen: map[string]int{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		kind, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		rest, _, _ = strings.Cut(rest, "/")
		number, err := strconv.Atoi(rest)
		if err != nil || number < 0 {
			number = 0
		}
		s.answer(w, r, kind, number, n)
	})
}

func (s *receiverState) answer(w http.ResponseWriter, r *http.Request, kind string, number int, bytes int64) {
	status := http.StatusOK
	switch kind {
	case "status":
		if number >= 200 && number <= 599 {
			status = number
		}
	case "slow":
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Duration(min(number, 300)) * time.Second):
		}
	case "fail":
		if s.attempt(r) <= number {
			status = http.StatusServiceUnavailable
		}
	case "busy":
		if s.attempt(r) == 1 {
			status = http.StatusTooManyRequests
			w.Header().Set("Retry-After", strconv.Itoa(number))
		}
	case "gone":
		status = http.StatusGone
	case "redirect":
		status = http.StatusFound
		w.Header().Set("Location", "http://receiver.waybill.internal/")
	case "cut":
		panic(http.ErrAbortHandler)
	case "tls":
		panic(x509.UnknownAuthorityError{})
	case "huge", "endless":
		s.flood(w, r, kind == "endless", min(number, 64))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"received": status < 300, "method": r.Method, "path": r.URL.Path,
		"content_type": r.Header.Get("Content-Type"), "bytes": bytes, "webhook_id": r.Header.Get("Webhook-Id")})
}

// attempt counts the attempts of a message at this path.
func (s *receiverState) attempt(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) >= mostSeen {
		clear(s.seen)
	}
	key := r.URL.Path + " " + r.Header.Get("Webhook-Id")
	s.seen[key]++
	return s.seen[key]
}

// flood writes many MiB, or goes on until nobody listens.
func (s *receiverState) flood(w http.ResponseWriter, r *http.Request, endless bool, mib int) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	line := []byte(strings.Repeat("a lot of text ", 4096/14) + "\n")
	for n := 0; endless || n < mib<<20; n += len(line) {
		if r.Context().Err() != nil {
			return
		}
		if _, err := w.Write(line); err != nil {
			return
		}
		if endless {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Millisecond):
			}
		}
	}
}
