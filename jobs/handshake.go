package jobs

import (
	"fmt"
	"strings"
	"time"

	"waybill/db/model"
	"waybill/jobs/scheme"
)

// endsSoon is how long before an end people are warned of it.
const endsSoon = 30 * 24 * time.Hour

// HandshakeWarnings are what will go wrong, or soon will, in the TLS handshake with a connection's system. shown is the
// credential of its client certificate, zero = none.
func HandshakeWarnings(c model.Connection, shown model.Credential, now time.Time) (out []string) {
	if shown.ID != "" {
		if !strings.HasPrefix(strings.ToLower(c.BaseURL), "https://") {
			out = append(out, "A client certificate can be shown over HTTPS only; requests to this address fail.")
		}
		out = append(out, ending("The client certificate “"+shown.Name+"”", shown.Ends(), now)...)
	}
	for _, x := range scheme.Authorities(c.CA) {
		out = append(out, ending("The private authority “"+x.Subject+"”", x.To, now)...)
	}
	return out
}

func ending(what string, end, now time.Time) []string {
	switch day := end.UTC().Format(time.DateOnly); {
	case end.IsZero() || end.Sub(now) > endsSoon:
		return nil
	case !now.Before(end):
		return []string{fmt.Sprintf("%s ended on %s; put another one in its place.", what, day)}
	default:
		return []string{fmt.Sprintf("%s ends on %s.", what, day)}
	}
}
