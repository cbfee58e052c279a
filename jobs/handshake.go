package jobs

import (
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/scheme"
)

// endsSoon is how long before an end people are warned of it.
const endsSoon = 30 * 24 * time.Hour

// HandshakeWarnings are what will go wrong, or soon will, in the TLS handshake with a connection's system. shown is the
// credential of its client certificate, zero = none.
func HandshakeWarnings(c model.Connection, shown model.Credential, now time.Time) (out []*fault.Words) {
	if shown.ID != "" {
		if !strings.HasPrefix(strings.ToLower(c.BaseURL), "https://") {
			out = append(out, fault.Say("A client certificate can be shown over HTTPS only; requests to this address fail."))
		}
		out = append(out, ending(fault.Say("The client certificate “%s”", shown.Name), shown.Ends(), now)...)
	}
	for _, x := range scheme.Authorities(c.CA) {
		out = append(out, ending(fault.Say("The private authority “%s”", x.Subject), x.To, now)...)
	}
	return out
}

func ending(what *fault.Words, end, now time.Time) []*fault.Words {
	switch day := end.UTC().Format(time.DateOnly); {
	case end.IsZero() || end.Sub(now) > endsSoon:
		return nil
	case !now.Before(end):
		return []*fault.Words{fault.Say("%s ended on %s; put another one in its place.", what, day)}
	default:
		return []*fault.Words{fault.Say("%s ends on %s.", what, day)}
	}
}
