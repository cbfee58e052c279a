package handlers

import (
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/texts"
)

// proofs are how a connection's requests prove who sends them: what they carry, and what is shown in the handshake.
type proofs struct {
	chosen
	shown chosen
}

// storeAll stores what is made in place, and gives x the ids.
func (p proofs) storeAll(tx *db.Tx, x *model.Connection) (err error) {
	if x.CredentialID, err = p.store(tx); err != nil {
		return err
	}
	x.ClientCertificateID, err = p.shown.store(tx)
	return err
}

// certificateChoices fills in the part of a connection's form that is about TLS.
func (h *Handlers) certificateChoices(c echo.Context, p *views.ConnectionFormProps) error {
	p.Authorities = shownCertificates(scheme.Authorities(p.Form.CA))
	if w := p.Problems.Of("client_certificate_id"); w != "" {
		delete(p.Problems.Fields, "client_certificate_id")
		p.Problems.Fields[views.ShownCertificate+"auth"] = w
	}
	p.Certificate = views.ChooseCredentialProps{Prefix: views.ShownCertificate, Legend: "Client certificate", NoneLabel: "Show none of its own",
		NoneHint: texts.ID("A client certificate that is chosen above is shown all the same."), Choice: p.Form.Certificate, Problems: p.Problems}
	p.Certificate.Choice.Type = string(model.CredentialCertificate)
	if err := h.credentialChoices(c, &p.Certificate, false); err != nil {
		return err
	}
	p.Certificate.Credentials = slices.DeleteFunc(p.Certificate.Credentials, func(x model.Credential) bool { return x.Type != model.CredentialCertificate })
	p.Certificate.Kinds = slices.DeleteFunc(p.Certificate.Kinds, func(k views.Kind) bool { return k.Type != string(model.CredentialCertificate) })
	return nil
}

// chosenCertificate reads which certificate x shows.
func (h *Handlers) chosenCertificate(c echo.Context, old, x model.Connection, bad *fault.Check) (views.CredentialChoice, chosen, error) {
	name := strings.Join(strings.Fields(x.Name), " ")
	if name != "" {
		name += " certificate"
	}
	return h.chosenCredential(c, views.ShownCertificate, old.ClientCertificateID, name, bad)
}

// choiceOf is how a form begins for a credential that is stored, "" = none.
func (h *Handlers) choiceOf(c echo.Context, id model.CredentialID) views.CredentialChoice {
	switch {
	case id == "":
		return views.CredentialChoice{Use: "none"}
	case h.may(c, model.Credentials.View()):
		return views.CredentialChoice{Use: "pick", ID: string(id)}
	}
	return views.CredentialChoice{Use: "keep", ID: string(id)}
}
