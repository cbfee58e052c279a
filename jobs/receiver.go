package jobs

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// receiver is the built-in receiver: it takes any request and says what came. A path of /status/NNN answers with that
// status, so that failures can be looked at.
func receiver() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		status := http.StatusOK
		if rest, ok := strings.CutPrefix(r.URL.Path, "/status/"); ok {
			if code, err := strconv.Atoi(rest); err == nil && code >= 200 && code <= 599 {
				status = code
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"received": status < 300, "method": r.Method, "path": r.URL.Path,
			"content_type": r.Header.Get("Content-Type"), "bytes": n, "webhook_id": r.Header.Get("Webhook-Id")})
	})
}
