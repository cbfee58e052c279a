package scheme

import (
	"context"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// bearer is a static token by RFC 6750, 2.1.
func bearer() Kind {
	return Kind{
		Type: model.CredentialBearer, Title: "Bearer token",
		Summary: "A fixed token in the Authorization header.",
		Glyph:   "M15 9a4 4 0 1 1-3.5 5.9L4 22H2v-3l7.1-7.1A4 4 0 0 1 15 9Zm1 3h.01",
		Fields: []model.Field{
			{Name: "token", Label: "Token", Kind: model.FieldSecret, Required: true, Max: 8192, Help: "Only the token; Waybill writes “Bearer” before it."},
		},
		check: func(in typed, bad *fault.Check) {
			token := in.secrets["token"].Reveal()
			switch {
			case len(token) > 7 && strings.EqualFold(token[:7], "bearer "):
				bad.Add("token", "Leave out the word Bearer; Waybill writes it itself.")
			case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
				bad.Add("token", "A token holds visible ASCII characters only, no spaces; was one pasted along?")
			}
		},
		apply: func(_ context.Context, _ *Keeper, req *egress.Request, m Material) (Applied, error) {
			return set(req, "Authorization", "Bearer "+m.Secrets["token"].Reveal())
		},
	}
}
