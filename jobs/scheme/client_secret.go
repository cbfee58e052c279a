package scheme

import (
	"context"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// clientSecret goes into the JSON body of step webhooks, as "client_secret"; whoever builds that body opens it. It is
// put on no other request.
func clientSecret() Kind {
	return Kind{
		Type: model.CredentialClientSecret, Title: "Client secret in the message", Body: true,
		Summary: "A text that the receiver compares. It stands in the JSON body of step webhooks as client_secret; nothing else can carry it.",
		Glyph:   "M4 5h16v11H9l-5 4V5Zm4 5h.01M12 10h.01M16 10h.01",
		Fields: []model.Field{{Name: "secret", Label: "Client secret", Kind: model.FieldSecret, Required: true, Max: 250,
			Help: "At most 250 characters. Stored and shown messages hold ••• in its place."}},
		apply: func(context.Context, *Keeper, *egress.Request, Material) (Applied, error) {
			return Applied{}, unusable("A client secret goes into the body of step webhooks; no other request can carry it. Choose another credential.")
		},
	}
}
