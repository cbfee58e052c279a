package scheme

import (
	"context"
	"net/http"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// header is a name and a value, as many API keys are sent.
func header() Kind {
	return Kind{
		Type: model.CredentialHeader, Title: "Header",
		Summary: "A header of your choice with a secret value, such as X-Api-Key.",
		Glyph:   "M4 6h16M4 12h10M4 18h7",
		Fields: []model.Field{
			{Name: "header_name", Label: "Header name", Kind: model.FieldText, Required: true, Max: 200, Placeholder: "X-Api-Key", Help: "As the other side’s documentation names it; capitals do not matter."},
			{Name: "header_value", Label: "Value", Kind: model.FieldSecret, Required: true, Max: 8192, Help: "All that stands after the colon, a word such as “Token” included."},
		},
		check: func(in typed, bad *fault.Check) {
			name, value := in.config.Text("header_name"), in.secrets["header_value"].Reveal()
			if words := egress.CheckHeader(name, ""); words != nil {
				bad.Add("header_name", "%s", words)
			} else if Owned(name) {
				bad.Add("header_name", "Waybill sets %s itself.", http.CanonicalHeaderKey(name))
			}
			if value != strings.TrimSpace(value) {
				bad.Add("header_value", "The value begins or ends with a space; was it pasted along?")
			}
		},
		apply: func(_ context.Context, _ *Keeper, req *egress.Request, m Material) (Applied, error) {
			return set(req, m.Config.Text("header_name"), m.Secrets["header_value"].Reveal())
		},
	}
}

// Owned reports whether a header belongs to the message and cannot be set by hand: its type, and what identifies and
// signs it.
func Owned(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Content-Type", idHeader, timeHeader, signatureHeader:
		return true
	}
	return false
}
