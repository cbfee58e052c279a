package scheme

import (
	"context"
	"encoding/base64"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// basic is RFC 7617, with UTF-8 as its charset.
func basic() Kind {
	pair := func(m Material) string { return m.Config.Text("username") + ":" + m.Secrets["password"].Reveal() }
	sent := func(m Material) string { return base64.StdEncoding.EncodeToString([]byte(pair(m))) }
	return Kind{
		Type: model.CredentialBasic, Title: "User name and password", Weak: true,
		Summary: "HTTP Basic (RFC 7617). The weaker choice: the password goes along with every request. Prefer a token where the other side offers one.",
		Glyph:   "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7 8a7 7 0 0 1 14 0",
		Fields: []model.Field{
			{Name: "username", Label: "User name", Kind: model.FieldText, Required: true, Max: 255, Placeholder: "waybill", Help: "Without a colon."},
			{Name: "password", Label: "Password", Kind: model.FieldSecret, Required: true, Max: 1024, Help: "Of an account that may do nothing else."},
		},
		check: func(in typed, bad *fault.Check) {
			if strings.Contains(in.config.Text("username"), ":") {
				bad.Add("username", "A user name cannot hold a colon: it is what parts name and password (RFC 7617).")
			}
		},
		apply: func(_ context.Context, _ *Keeper, req *egress.Request, m Material) (Applied, error) {
			return set(req, "Authorization", "Basic "+sent(m))
		},
		derived: func(m Material) []string { return []string{pair(m), sent(m)} },
	}
}
