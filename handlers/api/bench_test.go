package api

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"waybill/jobs"
)

// order is an event of about 1 KiB.
func order(n int) []byte {
	return fmt.Appendf(nil, `{"name":"order.created","subject":"A-%d","data":{"id":"A-%d","total":129.5,"currency":"EUR","customer":{"name":"Ada Lovelace","email":"ada@example.com"},"items":[{"sku":"LAMP-02","quantity":2},{"sku":"CABLE-1M","quantity":5}],"note":"%s"}}`, n, n, strings.Repeat("n", 760))
}

// BenchmarkRead is what reading one event costs by itself.
func BenchmarkRead(b *testing.B) {
	text := order(1)
	h := http.Header{"Content-Type": {"application/json"}}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		f, media, err := formOf(h)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := read(f, false, media, h, text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandler is the whole handler behind its guards, beside BenchmarkCommit: the difference is its own cost.
func BenchmarkHandler(b *testing.B) {
	d := newDesk(b)
	e := echo.New()
	for _, r := range d.table {
		if r.Path == "/api/v1/events" && r.Method == http.MethodPost {
			e.Add(r.Method, r.Path, r.Handler)
		}
	}
	text := order(1)
	b.SetParallelism(64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := httptest.NewRequest(http.MethodPost, "/api/v1/events", bytes.NewReader(text))
			req.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			e.ServeHTTP(w, req)
			if w.Code != http.StatusAccepted {
				b.Error(w.Body)
			}
		}
	})
}

// BenchmarkCommit publishes the same event without a handler.
func BenchmarkCommit(b *testing.B) {
	d := newDesk(b)
	events, err := read(plainJSON, false, "", nil, order(1))
	if err != nil {
		b.Fatal(err)
	}
	actor := d.actor()
	b.SetParallelism(64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := d.jobs.Publish(b.Context(), actor, "", false, []jobs.NewEvent{events[0]})
			if err != nil {
				b.Error(err)
			}
		}
	})
}
