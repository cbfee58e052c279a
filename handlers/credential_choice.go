package handlers

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/scheme"
	"waybill/views"
)

// credentialChoices fills p in for whoever asks: what can be picked, what can be made in place, and what goes on the
// wire. inBody allows what only the body of a step webhook can carry.
func (h *Handlers) credentialChoices(c echo.Context, p *views.ChooseCredentialProps, inBody bool) error {
	if h.may(c, model.Credentials.View()) {
		around, err := h.Store.Routing(c.Request().Context())
		if err != nil {
			return err
		}
		p.Credentials = slices.SortedFunc(maps.Values(around.Credentials), func(a, b model.Credential) int { return strings.Compare(a.Name, b.Name) })
		p.Credentials = slices.DeleteFunc(p.Credentials, func(x model.Credential) bool { return x.Type == model.CredentialClientSecret && !inBody })
	}
	if h.may(c, model.Credentials.Manage()) {
		kinds, err := h.credentialKinds(c)
		if err != nil {
			return err
		}
		p.Kinds = slices.DeleteFunc(kinds, func(k views.Kind) bool { return k.Body && !inBody })
	}
	p.Choice.Type = cmp.Or(p.Choice.Type, string(model.CredentialBearer))
	p.Wires = map[string][]views.WireStep{}
	for _, k := range p.Kinds {
		config := model.Config{}
		for _, f := range k.Fields {
			config[f.Name] = p.Choice.Typed[k.Type+"."+f.Name]
		}
		p.Wires[k.Type] = h.wire(model.CredentialType(k.Type), config, nil)
	}
	return nil
}

// wire is what a credential of these settings puts on the wire; have names the secrets that are typed or stored.
func (h *Handlers) wire(t model.CredentialType, config model.Config, have []string) []views.WireStep {
	var out []views.WireStep
	for _, s := range h.o.Jobs.CredentialSample(t, config, have) {
		out = append(out, views.WireStep{Title: s.Title, Text: s.Text})
	}
	return out
}

// chosen is the credential that a form asks for: one that is stored, or one to be stored with it.
type chosen struct {
	prefix string
	id     model.CredentialID
	made   *newCredential // nil = none is made
}

// chosenCredential reads the part of a form that views.ChooseCredential draws. was is the credential that is carried so
// far, named what the new one is called unless it has a name. Complaints go to bad, under the names of the inputs; an
// error is a right that is missing.
func (h *Handlers) chosenCredential(c echo.Context, prefix string, was model.CredentialID, named string, bad *fault.Check) (views.CredentialChoice, chosen, error) {
	ch := views.CredentialChoice{Use: typed(c, prefix+"auth"), ID: typed(c, prefix+"credential_id"), Name: typed(c, prefix+"credential_name"), Type: typed(c, prefix+"credential_type")}
	out := chosen{prefix: prefix}
	switch ch.Use {
	case "pick":
		if out.id = model.CredentialID(ch.ID); out.id == "" {
			bad.Add(prefix+"credential_id", "Choose a credential, or “Carry no credential”.")
		}
		if out.id != was && !h.may(c, model.Credentials.View()) {
			return ch, out, fault.Missing(string(model.Credentials.View()))
		}
	case "new":
		if !h.may(c, model.Credentials.Manage()) {
			return ch, out, fault.Missing(string(model.Credentials.Manage()))
		}
		out.made = readNewCredential(c, prefix, &ch)
		out.made.Name = cmp.Or(out.made.Name, named, "Credential")
		if f := fault.Of(out.made.check(h, prefix)); f != nil {
			bad.Join("", f.Fields)
		}
	case "keep":
		out.id = was
	}
	return ch, out, nil
}

// store stores the credential that is made in place, if one is, and gives the id of the one to carry.
func (x chosen) store(tx *db.Tx) (model.CredentialID, error) {
	if x.made == nil {
		return x.id, nil
	}
	n := x.made.Credential
	err := tx.CreateCredential(&n, x.made.secrets)
	f := fault.Of(err)
	switch {
	case f != nil && f.Code == "duplicate_name":
		var bad fault.Check
		bad.Add(x.prefix+"credential_name", "%s", f.Words())
		return "", bad.Err()
	case f != nil && f.Kind == fault.Invalid:
		return "", fieldsUnder(err, x.made.kind, x.prefix+views.CredentialInput(string(n.Type), ""))
	}
	return n.ID, err
}

// newCredential is a credential that is made together with something that uses it.
type newCredential struct {
	model.Credential
	secrets model.Secrets
	kind    scheme.Kind
}

// readNewCredential reads it from the form, and keeps in ch what is not secret.
func readNewCredential(c echo.Context, prefix string, ch *views.CredentialChoice) *newCredential {
	k, _ := scheme.ByType(model.CredentialType(ch.Type))
	n := &newCredential{kind: k, Credential: model.Credential{Name: ch.Name, Type: model.CredentialType(ch.Type)}}
	var plain map[string]string
	plain, n.Config, n.secrets = typedSecrets(c, k, prefix+views.CredentialInput(ch.Type, ""))
	ch.Typed = map[string]string{}
	for name, v := range plain {
		ch.Typed[ch.Type+"."+name] = v
	}
	return n
}

// check gives the complaints the names of the form's inputs.
func (n *newCredential) check(h *Handlers, prefix string) error {
	err := fieldsUnder(h.o.Jobs.CheckCredential(&n.Credential, n.secrets), n.kind, prefix+views.CredentialInput(string(n.Type), ""))
	f := fault.Of(err)
	if f == nil {
		return err
	}
	var bad fault.Check
	for _, x := range f.Fields {
		switch x.Name {
		case "name", "type", "description":
			x.Name = prefix + "credential_" + x.Name
		}
		bad.Add(x.Name, "%s", x.Words())
	}
	return bad.Err()
}

// showSample is what goes on the wire for what is typed. The secrets themselves are not looked at, only which there are.
func (h *Handlers) showSample(c echo.Context) error {
	k, ok := scheme.ByType(model.CredentialType(c.QueryParam("kind")))
	if !ok {
		return fault.Absent("kind of credential")
	}
	_, config, secrets := typedSecrets(c, k, c.QueryParam("prefix"))
	have := slices.Collect(maps.Keys(secrets))
	if id := c.QueryParam("id"); id != "" {
		stored, err := h.Store.Credential(c.Request().Context(), model.CredentialID(id))
		if err != nil {
			return err
		}
		have = append(have, stored.Stored...)
	}
	steps := h.wire(k.Type, config, have)
	bits := web.Bits{Title: "What goes on the wire", Section: "credentials", Crumbs: under(credentialsCrumb, "What goes on the wire")}
	return h.Page(c, bits, views.WirePage(k.Title, views.WireID(string(k.Type), c.QueryParam("prefix")), steps))
}
