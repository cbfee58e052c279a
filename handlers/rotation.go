package handlers

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

// certificates are those of a credential, for its page.
func certificates(x model.Credential) []views.Certificate {
	if x.Type != model.CredentialCertificate {
		return nil
	}
	return shownCertificates(scheme.Certificates(x.Config))
}

func shownCertificates(list []scheme.Certificate) (out []views.Certificate) {
	for _, y := range list {
		out = append(out, views.Certificate{Role: y.Role, Subject: y.Subject, Issuer: y.Issuer, Serial: y.Serial, Key: y.Key, From: y.From, To: y.To})
	}
	return out
}

// platformKey says whose API key a credential stands for, and when it ends.
func (h *Handlers) platformKey(ctx context.Context, p *views.CredentialProps) error {
	k, u, err := h.Store.APIKeyOwner(ctx, model.APIKeyID(p.Credential.Config.Text("api_key_id")))
	if fault.Is(err, fault.NotFound) {
		p.KeyTrouble = texts.ID("The API key that it stands for no longer exists; pick another one.")
		return nil
	}
	if err != nil {
		return err
	}
	p.Key = texts.T(ctx, "{key}, acting as {user}", "key", k.Name, "user", u.Name)
	switch {
	case !k.RevokedAt.IsZero():
		p.KeyTrouble = texts.ID("The API key that it stands for is revoked; pick another one.")
	case !k.Live(h.Now()):
		p.KeyTrouble = texts.ID("The API key that it stands for has expired; pick another one.")
	case u.Disabled:
		p.KeyTrouble = texts.ID("The user of its API key is disabled; requests are refused.")
	}
	return nil
}

// rotationInto adds the change of secret that is under way, and where a new one can be tried.
func (h *Handlers) rotationInto(ctx context.Context, p *views.CredentialProps) error {
	x, err := h.Store.Rotation(ctx, p.Credential.ID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p.Rotation = &x
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	for _, choice := range choices(around) {
		if x := around.Connections[around.Destinations[choice.ID].ConnectionID]; x.CredentialID == p.Credential.ID || x.ClientCertificateID == p.Credential.ID {
			p.Places = append(p.Places, ui.Option{Value: string(choice.ID), Label: choice.Connection + " → " + choice.Name, Own: true})
		}
	}
	return nil
}

// testCredential tries a credential and shows what came of it.
func (h *Handlers) testCredential(c echo.Context) error {
	x, err := h.credential(c)
	if err != nil {
		return err
	}
	t, err := h.o.Jobs.TestCredential(c.Request().Context(), x.ID)
	if err != nil {
		return err
	}
	return h.credentialPage(c, http.StatusOK, x, func(p *views.CredentialProps) { p.Test = credentialTest(t) })
}

func credentialTest(t jobs.CredentialTest) *views.CredentialTest {
	out := &views.CredentialTest{Error: t.Error, Method: t.Method, URL: t.URL, Headers: t.Headers}
	for _, s := range t.Working {
		out.Working = append(out.Working, views.WireStep{Title: s.Title, Text: s.Text})
	}
	if t.Token != nil {
		out.Exchange, out.Life, out.Kept = &t.Token.Exchange, t.Token.Life, t.Token.Kept
	}
	return out
}

func (h *Handlers) newRotation(c echo.Context) error {
	x, err := h.credential(c)
	if err != nil {
		return err
	}
	f := views.CredentialForm{Version: x.Version, Type: string(x.Type), Config: map[string]string{}}
	for name := range x.Config {
		f.Config[name] = x.Config.Text(name)
	}
	return h.rotationForm(c, http.StatusOK, x, views.RotationFormProps{Form: f})
}

func (h *Handlers) rotationForm(c echo.Context, status int, x model.Credential, p views.RotationFormProps) error {
	k, _ := scheme.ByType(x.Type)
	keys, err := h.keyOptions(c)
	if err != nil {
		return err
	}
	p.Credential, p.Kind = x, withKeys(credentialKind(k), keys)
	config := model.Config{}
	for name, v := range p.Form.Config {
		config[name] = v
	}
	p.Wire = h.wire(k.Type, config, x.Stored)
	bits := web.Bits{Status: status, Title: h.T(c, "New secret for {name}", "name", x.Name), Section: "credentials", Crumbs: []ui.Crumb{credentialsCrumb, named(x.Name, href.Credential(x.ID)), {Label: "New secret"}}}
	return h.Page(c, bits, views.RotationForm(p))
}

func (h *Handlers) startRotation(c echo.Context) error {
	old, err := h.credential(c)
	if err != nil {
		return err
	}
	f, x, secrets, err := h.credentialTyped(c, old)
	x.Name, x.Description, x.Drop = old.Name, old.Description, nil
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.StartRotation(x, secrets) })
	}
	k, _ := scheme.ByType(old.Type)
	if p, status, ok := h.wrong(c, fieldsUnder(err, k, "config."), href.Credential(old.ID)); ok {
		if p.Theirs != "" {
			f.Version = old.Version
		}
		return h.rotationForm(c, status, old, views.RotationFormProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Credential(old.ID), "The new secret is stored beside the one in use. Try it on a destination.")
}

// tryRotation makes one real exchange with the secret that waits, and shows it.
func (h *Handlers) tryRotation(c echo.Context) error {
	x, err := h.credential(c)
	if err != nil {
		return err
	}
	a, err := h.o.Jobs.TryRotation(c.Request().Context(), h.Actor(c), x.ID, model.DestID(typed(c, "destination_id")), jobs.SampleEvent(h.Now()))
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.credentialPage(c, status, x, func(v *views.CredentialProps) { v.Problems = p })
	}
	if words, yes := h.inTheWay(c, err); yes {
		return h.gone(c, x, words)
	}
	if err != nil {
		return err
	}
	return h.credentialPage(c, http.StatusOK, x, func(p *views.CredentialProps) { p.Trial, p.Place = &a, typed(c, "destination_id") })
}

// gone says that somebody else was quicker.
func (h *Handlers) gone(c echo.Context, x model.Credential, words string) error {
	h.Flash(c, ui.Warn, words)
	return web.Redirect(c, href.Credential(x.ID))
}

// rotationStep does something with the secret that is not in use.
func (h *Handlers) rotationStep(c echo.Context, done string, step func(*db.Tx, model.CredentialID) error) error {
	x, err := h.credential(c)
	if err != nil {
		return err
	}
	err = h.write(c, func(tx *db.Tx) error { return step(tx, x.ID) })
	if words, yes := h.inTheWay(c, err); yes {
		return h.gone(c, x, words)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Credential(x.ID), done)
}

func (h *Handlers) applyRotation(c echo.Context) error {
	return h.rotationStep(c, h.T(c, "The new secret is in use everywhere."), (*db.Tx).ApplyRotation)
}

func (h *Handlers) rollBackRotation(c echo.Context) error {
	return h.rotationStep(c, h.T(c, "The former secret is in use again."), (*db.Tx).RollBackRotation)
}

func (h *Handlers) dropRotation(c echo.Context) error {
	return h.rotationStep(c, h.T(c, "The secret that was not in use is gone."), (*db.Tx).DropRotation)
}

// credentialsEnding are the credentials that have ended or will within 30 days, those that end first first.
func (h *Handlers) credentialsEnding(ctx context.Context) ([]views.Finding, error) {
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return nil, err
	}
	list := slices.SortedFunc(maps.Values(around.Credentials), func(a, b model.Credential) int { return a.Ends().Compare(b.Ends()) })
	var out []views.Finding
	for _, x := range list {
		if e := views.Expiry(ctx, x, h.Now()); e.Text != "" {
			out = append(out, views.Finding{Tone: e.Tone, Text: texts.T(ctx, "Credential {name}: {ending}.", "name", x.Name, "ending", e.Text), Label: "Open it", URL: href.Credential(x.ID)})
		}
	}
	return out, nil
}

// authoritiesEnding are the private authorities of connections that have ended or will within 30 days.
func (h *Handlers) authoritiesEnding(ctx context.Context, around db.Routing) (out []views.Finding) {
	for _, x := range around.Connections {
		for _, a := range scheme.Authorities(x.CA) {
			if e := views.Ending(ctx, a.To, h.Now()); e.Text != "" {
				out = append(out, views.Finding{Tone: e.Tone, Text: texts.T(ctx, "Private authority of {name}: {ending}.", "name", x.Name, "ending", e.Text), Label: "Open it", URL: href.Connection(x.ID)})
			}
		}
	}
	slices.SortFunc(out, func(a, b views.Finding) int { return strings.Compare(a.Text, b.Text) })
	return out
}
