package handlers

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) credentialRoutes() []web.Route {
	view, manage := model.Credentials.View(), model.Credentials.Manage()
	return append([]web.Route{
		web.Get(view, href.Credentials(), h.listCredentials),
		web.Get(manage, href.NewCredential(), h.pickCredentialType),
		web.Get(manage, href.NewCredentialOf(":type"), h.newCredential),
		web.Post(manage, href.Credentials(), h.createCredential),
		web.Get(view, href.Credential(href.Pattern), h.showCredential),
		web.Get(manage, href.EditCredential(href.Pattern), h.editCredential),
		web.Post(manage, href.Credential(href.Pattern), h.updateCredential),
		web.Post(manage, "/credentials/sample", h.showSample),
		web.Post(manage, href.TestCredential(href.Pattern), h.testCredential),
		web.Get(manage, href.RotateCredential(href.Pattern), h.newRotation),
		web.Post(manage, href.RotateCredential(href.Pattern), h.startRotation),
		web.Post(manage, href.RotationStep(href.Pattern, "try"), h.tryRotation),
		web.Post(manage, href.RotationStep(href.Pattern, "apply"), h.applyRotation),
		web.Post(manage, href.RotationStep(href.Pattern, "rollback"), h.rollBackRotation),
		web.Post(manage, href.RotationStep(href.Pattern, "drop"), h.dropRotation),
	}, deletes(h, manage, href.DeleteCredential(href.Pattern), h.credential, h.credentialDeletion)...)
}

var credentialsCrumb = crumb("Credentials", href.Credentials())

func credentialKind(k scheme.Kind) views.Kind {
	return views.Kind{Type: string(k.Type), Title: k.Title, Summary: k.Summary, Weak: k.Weak, Body: k.Body, Fields: k.Fields}
}

// credentialKinds are the kinds as the forms of whoever asks show them.
func (h *Handlers) credentialKinds(c echo.Context) ([]views.Kind, error) {
	keys, err := h.keyOptions(c)
	var out []views.Kind
	for _, k := range scheme.Kinds() {
		out = append(out, withKeys(credentialKind(k), keys))
	}
	return out, err
}

// withKeys offers API keys in the fields that pick one.
func withKeys(k views.Kind, keys []model.Option) views.Kind {
	k.Fields = slices.Clone(k.Fields)
	for i := range k.Fields {
		if k.Fields[i].Kind == model.FieldAPIKey {
			k.Fields[i].Options = keys
		}
	}
	return k
}

// keyOptions are the API keys that whoever asks may have Waybill act with: nil when he may not see any, else those that
// are live and whose user holds no right that he lacks.
func (h *Handlers) keyOptions(c echo.Context) ([]model.Option, error) {
	if !h.may(c, model.APIKeys.View()) {
		return nil, nil
	}
	ctx, out := c.Request().Context(), []model.Option{}
	rights := h.Actor(c).Rights
	for cursor := ""; ; {
		keys, next, err := h.Store.APIKeys(ctx, db.Page{Limit: db.MaxPage, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if !k.Live(h.Now()) {
				continue
			}
			_, u, err := h.Store.APIKeyOwner(ctx, k.ID)
			if err != nil {
				return nil, err
			}
			if !u.Disabled && rights.Lacks(u.Rights()) == "" {
				out = append(out, model.Option{Value: string(k.ID), Label: k.Name + " · " + u.Name})
			}
		}
		if cursor = next; next == "" {
			return out, nil
		}
	}
}

func (h *Handlers) listCredentials(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParam("q")
	list, next, err := h.Store.Credentials(ctx, db.CredentialFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	props := views.CredentialsProps{Query: q, CanEdit: h.may(c, model.Credentials.Manage()), Now: h.Now()}
	lives, err := h.Store.CredentialLives(ctx)
	if err != nil {
		return err
	}
	for _, x := range list {
		kind, _ := scheme.ByType(x.Type)
		item := views.CredentialItem{Credential: x, Kind: kind.Title, Users: map[string]int{}, Life: lives[x.ID]}
		uses, err := h.Store.CredentialUsage(ctx, x.ID)
		if err != nil {
			return err
		}
		for _, u := range uses {
			item.Users[u.Kind]++
		}
		props.Items = append(props.Items, item)
	}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Credentials", Section: "credentials"}, views.Credentials(props))
}

func (h *Handlers) pickCredentialType(c echo.Context) error {
	bits := web.Bits{Title: "New credential", Section: "credentials", Crumbs: under(credentialsCrumb, "New")}
	kinds, err := h.credentialKinds(c)
	if err != nil {
		return err
	}
	return h.Page(c, bits, views.CredentialTypes(kinds))
}

func (h *Handlers) newCredential(c echo.Context) error {
	return h.credentialForm(c, http.StatusOK, views.CredentialFormProps{Form: views.CredentialForm{Type: c.Param("type")}})
}

// credentialForm shows the form of a credential, as it is typed in p.
func (h *Handlers) credentialForm(c echo.Context, status int, p views.CredentialFormProps) error {
	k, ok := scheme.ByType(model.CredentialType(p.Form.Type))
	if !ok {
		return fault.Absent("kind of credential")
	}
	keys, err := h.keyOptions(c)
	if err != nil {
		return err
	}
	p.Kind = withKeys(credentialKind(k), keys)
	config := model.Config{}
	for name, v := range p.Form.Config {
		config[name] = v
	}
	p.Wire = h.wire(k.Type, config, p.Stored)
	bits := web.Bits{Status: status, Title: "New credential", Section: "credentials", Crumbs: []ui.Crumb{credentialsCrumb, crumb("New", href.NewCredential()), {Label: k.Title}}}
	if p.ID != "" {
		bits.Title, bits.Crumbs = h.T(c, "Edit {name}", "name", p.Saved), []ui.Crumb{credentialsCrumb, named(p.Saved, href.Credential(p.ID)), {Label: "Edit"}}
	}
	return h.Page(c, bits, views.EditCredential(p))
}

// typedSecrets parts the inputs of a kind's fields into settings and secrets; prefix stands before their names.
func typedSecrets(c echo.Context, k scheme.Kind, prefix string) (plain map[string]string, config model.Config, secrets model.Secrets) {
	plain, config, secrets = map[string]string{}, model.Config{}, model.Secrets{}
	for _, f := range k.Fields {
		v := typed(c, prefix+f.Name)
		switch {
		case f.Kind == model.FieldSecret && v != "":
			secrets[f.Name] = model.Secret(v)
		case f.Kind != model.FieldSecret:
			plain[f.Name], config[f.Name] = v, v
		}
	}
	return plain, config, secrets
}

// credentialTyped is the posted form, and the credential with its secrets that it describes over old.
func (h *Handlers) credentialTyped(c echo.Context, old model.Credential) (views.CredentialForm, model.Credential, model.Secrets, error) {
	f, err := web.Bind[views.CredentialForm](c)
	if err != nil {
		return f, old, nil, err
	}
	if old.ID != "" {
		f.Type = string(old.Type)
	}
	k, ok := scheme.ByType(model.CredentialType(f.Type))
	if !ok {
		return f, old, nil, fault.Absent("kind of credential")
	}
	x := old
	x.Name, x.Description, x.Type, x.Version = f.Name, f.Description, k.Type, f.Version
	var secrets model.Secrets
	f.Config, x.Config, secrets = typedSecrets(c, k, "config.")
	x.Drop = c.Request().Form["clear"]
	var bad fault.Check
	x.ExpiresAt = lastDay(&bad, "expires_at", f.ExpiresAt)
	return f, x, secrets, both(h.o.Jobs.CheckCredential(&x, secrets), bad.Err())
}

// lastDay reads a date that was typed, as the end of that day in UTC; empty is none.
func lastDay(bad *fault.Check, field, typed string) time.Time {
	if typed == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, typed)
	if err != nil {
		bad.Add(field, "A date such as 2030-01-31.")
		return time.Time{}
	}
	return t.Add(24*time.Hour - time.Second)
}

// fieldsUnder renames the complaints about the fields of kind k: they stand in inputs whose names begin with prefix.
func fieldsUnder(err error, k scheme.Kind, prefix string) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	var bad fault.Check
	for _, x := range f.Fields {
		name := strings.TrimPrefix(x.Name, "config.")
		for _, field := range k.Fields {
			if field.Name == name {
				x.Name = prefix + name
			}
		}
		bad.Add(x.Name, "%s", x.Words())
	}
	return bad.Err()
}

func (h *Handlers) createCredential(c echo.Context) error {
	f, x, secrets, err := h.credentialTyped(c, model.Credential{})
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.CreateCredential(&x, secrets) })
	}
	k, _ := scheme.ByType(x.Type)
	if p, status, ok := h.wrong(c, fieldsUnder(err, k, "config."), ""); ok {
		return h.credentialForm(c, status, views.CredentialFormProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Credential(x.ID), h.T(c, "{name} is created.", "name", x.Name))
}

func (h *Handlers) credential(c echo.Context) (model.Credential, error) {
	return h.Store.Credential(c.Request().Context(), web.ID[model.CredentialID](c))
}

func (h *Handlers) showCredential(c echo.Context) error {
	x, err := h.credential(c)
	if err != nil {
		return err
	}
	return h.credentialPage(c, http.StatusOK, x, nil)
}

// credentialPage shows a credential; with adds what was just asked for.
func (h *Handlers) credentialPage(c echo.Context, status int, x model.Credential, with func(*views.CredentialProps)) error {
	ctx := c.Request().Context()
	k, _ := scheme.ByType(x.Type)
	props := views.CredentialProps{Credential: x, Kind: credentialKind(k), CanEdit: h.may(c, model.Credentials.Manage()), Now: h.Now()}
	var err error
	if props.Delete, err = h.credentialDeletion(c, x).question(); err != nil {
		return err
	}
	props.Users = props.Delete.Needs
	if props.Life, err = h.Store.CredentialLife(ctx, x.ID); err != nil {
		return err
	}
	if props.Certificates = certificates(x); x.Type == model.CredentialPlatform {
		if err := h.platformKey(h.Reader(c), &props); err != nil {
			return err
		}
	}
	if err := h.rotationInto(ctx, &props); err != nil {
		return err
	}
	if with != nil {
		with(&props)
	}
	return h.Page(c, web.Bits{Status: status, Title: x.Name, Section: "credentials", Crumbs: underNamed(credentialsCrumb, x.Name)}, views.Credential(props))
}

func (h *Handlers) editCredential(c echo.Context) error {
	x, err := h.credential(c)
	if err != nil {
		return err
	}
	f := views.CredentialForm{Version: x.Version, Type: string(x.Type), Name: x.Name, Description: x.Description, Config: map[string]string{}}
	for name := range x.Config {
		f.Config[name] = x.Config.Text(name)
	}
	if !x.ExpiresAt.IsZero() {
		f.ExpiresAt = x.ExpiresAt.Format(time.DateOnly)
	}
	return h.credentialForm(c, http.StatusOK, views.CredentialFormProps{ID: x.ID, Saved: x.Name, Stored: x.Stored, Form: f})
}

func (h *Handlers) updateCredential(c echo.Context) error {
	old, err := h.credential(c)
	if err != nil {
		return err
	}
	f, x, secrets, err := h.credentialTyped(c, old)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error { return tx.UpdateCredential(&x, secrets) })
	}
	k, _ := scheme.ByType(old.Type)
	clash := collision{noun: "credential", id: string(old.ID), now: old.Version, diff: db.CredentialDiff(old, x)}
	if p, status, ok := h.wrongOver(c, fieldsUnder(err, k, "config."), href.EditCredential(old.ID), &f.Version, clash); ok {
		return h.credentialForm(c, status, views.CredentialFormProps{ID: old.ID, Saved: old.Name, Stored: old.Stored, Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Credential(x.ID), h.T(c, "{name} is saved.", "name", x.Name))
}

// credentialDeletion is what deleting a credential means: nothing may use it.
func (h *Handlers) credentialDeletion(c echo.Context, x model.Credential) deletion {
	return deletion{section: "credentials", above: []ui.Crumb{credentialsCrumb}, drop: func(tx *db.Tx, _ bool) error { return tx.DeleteCredential(x.ID) },
		needs: func(p *views.DeleteProps) error {
			users, err := h.Store.CredentialUsage(c.Request().Context(), x.ID)
			p.Needs = needsOf(users)
			return err
		},
		DeleteProps: views.DeleteProps{Noun: "credential", Name: x.Name, Action: href.DeleteCredential(x.ID), Cancel: href.Credential(x.ID),
			Consequence: "Nothing uses it. Its secrets are gone for good."}}
}
