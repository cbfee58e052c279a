package handlers

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/connector"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

func (h *Handlers) newConnection(c echo.Context) error {
	t, ok := connector.ByType(model.ConnectionType(c.Param("type")))
	if !ok {
		return fault.Absent("type of connection")
	}
	if err := h.o.Jobs.WantFeature(c.Request().Context(), model.FeatureOf(t.Type)); err != nil {
		return err
	}
	none := views.CredentialChoice{Use: "none"}
	auth := none
	if len(t.Kinds(nil)) > 0 && h.may(c, model.Credentials.Manage()) {
		auth.Use = "new"
	}
	if fit := t.Kinds(nil); len(fit) > 0 && len(t.Preset) > 0 {
		auth.Typed = map[string]string{}
		for field, value := range t.Preset {
			auth.Typed[string(fit[0])+"."+field] = value
		}
	}
	f := views.ConnectionForm{Type: string(t.Type), Auth: auth, Certificate: none, TimeoutSeconds: strconv.Itoa(model.DefaultTimeout), Enabled: true,
		Settings: views.SettingValues(t.Fields, nil)}
	if c.QueryParam("try") != "" {
		f.Name, f.BaseURL = "Built-in receiver", href.Receiver("")
	}
	return h.connectionForm(c, http.StatusOK, views.ConnectionFormProps{Form: f})
}

// connectionForm shows the form of a connection, as it is typed in p.
func (h *Handlers) connectionForm(c echo.Context, status int, p views.ConnectionFormProps) error {
	t, ok := connector.ByType(model.ConnectionType(p.Form.Type))
	if !ok {
		return fault.Absent("type of connection")
	}
	p.Kind, p.Now = connectionKind(t), h.Now()
	p.Auth = views.ChooseCredentialProps{Legend: "Requests to this system", NoneLabel: "Carry no credential", NoneHint: texts.ID("They can still be signed: a setting of each destination."),
		Choice: p.Form.Auth, Problems: p.Problems}
	if err := h.credentialChoices(c, &p.Auth, false); err != nil {
		return err
	}
	narrow(&p.Auth, t)
	if t.NeedsCredential {
		p.Auth.NoneLabel, p.Auth.NoneHint = "", ""
	}
	if err := h.certificateChoices(c, &p); err != nil {
		return err
	}
	if err := h.connectionServants(c, &p); err != nil {
		return err
	}
	network, _, err := h.o.Jobs.Network(c.Request().Context())
	if err != nil {
		return err
	}
	p.Proxied = network.ProxyURL != ""
	bits := web.Bits{Status: status, Title: "New connection", Section: "connections", Crumbs: []ui.Crumb{connectionsCrumb, crumb("New", href.NewConnection()), {Label: t.Title}}}
	if p.ID != "" {
		bits.Title, bits.Crumbs = h.T(c, "Edit {name}", "name", p.Saved), []ui.Crumb{connectionsCrumb, named(p.Saved, href.Connection(p.ID)), {Label: "Edit"}}
	}
	return h.Page(c, bits, views.EditConnection(p))
}

// narrow leaves the credentials that fit a type of connection, and begins with the usual kind.
func narrow(p *views.ChooseCredentialProps, t connector.Type) {
	fit := t.Kinds(nil)
	if fit == nil {
		return
	}
	p.Credentials = slices.DeleteFunc(p.Credentials, func(x model.Credential) bool { return !slices.Contains(fit, x.Type) && string(x.ID) != p.Choice.ID })
	p.Kinds = slices.DeleteFunc(p.Kinds, func(k views.Kind) bool { return !slices.Contains(fit, model.CredentialType(k.Type)) })
	if len(fit) > 0 && !slices.Contains(fit, model.CredentialType(p.Choice.Type)) {
		p.Choice.Type = string(fit[0])
	}
}

// connectionTyped is the posted form, the connection that it describes over old, and the credential that it carries.
func (h *Handlers) connectionTyped(c echo.Context, old model.Connection) (views.ConnectionForm, model.Connection, proofs, error) {
	f, err := web.Bind[views.ConnectionForm](c)
	if err != nil {
		return f, old, proofs{}, err
	}
	var bad fault.Check
	x := old
	x.Name, x.Description, x.BaseURL, x.Type = f.Name, f.Description, f.BaseURL, model.ConnectionType(f.Type)
	x.TimeoutMessage, x.Enabled, x.Version = f.TimeoutMessage, f.Enabled, f.Version
	x.RetryOn, x.CA = model.RetryOn(f.RetryOn), f.CA
	if f.HasDirect {
		x.Direct = f.Direct
	}
	if x.RetrySchedule, err = views.ParseSchedule(f.RetrySchedule); err != nil {
		bad.Add("retry_schedule", "%s", err)
	}
	x.Port, x.TimeoutSeconds = number(&bad, "port", f.Port), number(&bad, "timeout_seconds", f.TimeoutSeconds)
	if old.ID != "" {
		x.Type, f.Type = old.Type, string(old.Type)
	}
	kind, _ := connector.ByType(x.Type)
	f.Settings, x.Settings = typedSettings(c, kind.Fields)
	var auth proofs
	if f.Auth, auth.chosen, err = h.chosenCredential(c, "", old.CredentialID, strings.Join(strings.Fields(x.Name), " "), &bad); err != nil {
		return f, x, auth, err
	}
	if x.CredentialID = auth.id; x.BaseURL == "" && auth.made != nil && auth.made.Type == model.CredentialSecretURL {
		x.BaseURL = scheme.OriginOf(auth.made.secrets["url"])
	}
	if f.Certificate, auth.shown, err = h.chosenCertificate(c, old, x, &bad); err != nil {
		return f, x, auth, err
	}
	x.ClientCertificateID = auth.shown.id
	err = h.o.Jobs.CheckConnection(&x)
	if auth.made != nil { // what is wrong with it stands beside its own fields
		err = without(err, "credential_id")
		if fit := kind.Kinds(x.Settings); fit != nil && !slices.Contains(fit, auth.made.Type) {
			bad.Add("credential_type", "%s takes another kind of credential.", kind.Title)
		}
	}
	if host := newHost(old, x); host != "" && auth.made == nil && !f.KeepCredential {
		bad.Add("keep_credential", "Say whether the credential may go to %s.", host)
	}
	return f, x, auth, both(err, bad.Err())
}

// without leaves complaints about a field out.
func without(err error, field string) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	var bad fault.Check
	for _, x := range f.Fields {
		if x.Name != field {
			bad.Join("", []fault.Field{x})
		}
	}
	return bad.Err()
}

// typedSettings reads settings{} from a form: as typed, and as they are to be checked.
func typedSettings(c echo.Context, fields []model.Field) (map[string]string, model.Config) {
	shown, config := map[string]string{}, model.Config{}
	for _, f := range fields {
		v := typed(c, views.SettingInput(f.Name))
		shown[f.Name], config[f.Name] = v, v
	}
	return shown, config
}

// newHost is where x sends a credential that old sends elsewhere, "" when nothing changes.
func newHost(old, x model.Connection) string {
	if old.CredentialID == "" || x.CredentialID != old.CredentialID || x.Host() == old.Host() {
		return ""
	}
	return x.Host()
}

func (h *Handlers) createConnection(c echo.Context) error {
	f, x, auth, err := h.connectionTyped(c, model.Connection{})
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error {
			if err := auth.storeAll(tx, &x); err != nil {
				return err
			}
			if err := tx.CreateConnection(&x); err != nil {
				return err
			}
			return serve(tx, f, x)
		})
	}
	if p, status, ok := h.wrong(c, err, ""); ok {
		return h.connectionForm(c, status, views.ConnectionFormProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.connectionSaved(c, f, x, strings.TrimSpace(h.T(c, "{name} is created.", "name", x.Name)+" "+h.T(c, afterwards(x))))
}

// afterwards is what to do with a new connection.
func afterwards(x model.Connection) string {
	if kind, _ := connector.ByType(x.Type); kind.NoDestinations != "" {
		return ""
	}
	return texts.ID("Say what is sent there.")
}

// connectionSaved leads on, to a page that also says what will be refused.
func (h *Handlers) connectionSaved(c echo.Context, f views.ConnectionForm, x model.Connection, words string) error {
	url := href.Connection(x.ID)
	if kind, _ := connector.ByType(x.Type); f.Go != "" && kind.NoDestinations == "" {
		url = href.Destinations(x.ID)
	}
	return h.Done(c, url, words)
}

func (h *Handlers) editConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	f := views.ConnectionForm{Version: x.Version, Type: string(x.Type), Name: x.Name, Description: x.Description, BaseURL: x.BaseURL,
		TimeoutSeconds: strconv.Itoa(x.TimeoutSeconds), TimeoutMessage: x.TimeoutMessage, Enabled: x.Enabled,
		RetrySchedule: views.Schedule(x.RetrySchedule), RetryOn: string(x.RetryOn)}
	kind, _ := connector.ByType(x.Type)
	f.Settings = views.SettingValues(kind.Fields, x.Settings)
	if x.Port > 0 {
		f.Port = strconv.Itoa(x.Port)
	}
	f.Direct = x.Direct
	f.CA, f.Auth, f.Certificate = x.CA, h.choiceOf(c, x.CredentialID), h.choiceOf(c, x.ClientCertificateID)
	return h.connectionForm(c, http.StatusOK, views.ConnectionFormProps{ID: x.ID, Saved: x.Name, Form: f})
}

func (h *Handlers) updateConnection(c echo.Context) error {
	old, err := h.connection(c)
	if err != nil {
		return err
	}
	f, x, auth, err := h.connectionTyped(c, old)
	if err == nil {
		err = h.write(c, func(tx *db.Tx) error {
			if err := auth.storeAll(tx, &x); err != nil {
				return err
			}
			if err := tx.UpdateConnection(&x); err != nil {
				return err
			}
			return serve(tx, f, x)
		})
	}
	clash := collision{noun: "connection", id: string(old.ID), now: old.Version, diff: db.ConnectionDiff(old, x), names: h.credentialNames}
	if p, status, ok := h.wrongOver(c, err, href.EditConnection(old.ID), &f.Version, clash); ok {
		return h.connectionForm(c, status, views.ConnectionFormProps{ID: old.ID, Saved: old.Name, Form: f, Problems: p, NewHost: newHost(old, x)})
	}
	if err != nil {
		return err
	}
	return h.connectionSaved(c, f, x, h.T(c, "{name} is saved.", "name", x.Name))
}

// credentialNames are for those who may see credentials.
func (h *Handlers) credentialNames(c echo.Context) map[string]string {
	names := map[string]string{}
	if around, err := h.Store.Routing(c.Request().Context()); err == nil && h.may(c, model.Credentials.View()) {
		for id, x := range around.Credentials {
			names[string(id)] = x.Name
		}
	}
	return names
}
