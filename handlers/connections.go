package handlers

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/connector"
	"waybill/jobs/scheme"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

func (h *Handlers) connectionRoutes() []web.Route {
	view, manage := model.Connections.View(), model.Connections.Manage()
	return []web.Route{
		web.Get(view, href.Connections(), h.listConnections),
		web.Get(manage, href.NewConnection(), h.pickConnectionType),
		web.Get(manage, href.NewConnectionOf(":type"), h.newConnection),
		web.Post(manage, href.Connections(), h.createConnection),
		web.Get(view, href.Connection(href.Pattern), h.showConnection),
		web.Get(manage, href.EditConnection(href.Pattern), h.editConnection),
		web.Post(manage, href.Connection(href.Pattern), h.updateConnection),
		web.Post(manage, href.ToggleConnection(href.Pattern), h.toggleConnection),
		web.Post(manage, href.TestConnection(href.Pattern), h.testConnection),
		web.Get(manage, href.DeleteConnection(href.Pattern), h.askDeleteConnection),
		web.Post(manage, href.DeleteConnection(href.Pattern), h.deleteConnection),
	}
}

var connectionsCrumb = crumb("Connections", href.Connections())

func connectionKind(t connector.Type) views.Kind {
	return views.Kind{Type: string(t.Type), Title: t.Title, Summary: t.Summary, Docs: t.Docs, Fields: t.Fields, Glyph: t.Glyph, Hue: t.Hue, Form: views.KindForm(t.Form),
		FindsURL: t.BaseURL != nil, UsualURL: t.UsualURL(), Alone: t.NoDestinations, Tests: t.Tests(), Guided: len(t.Guide) > 0}
}

func (h *Handlers) listConnections(c echo.Context) error {
	ctx, q := c.Request().Context(), c.QueryParam("q")
	list, next, err := h.Store.Connections(ctx, db.ConnectionFilter{Query: q}, db.Page{Cursor: c.QueryParam("cursor")})
	if err != nil {
		return err
	}
	around, err := h.Store.Routing(ctx)
	if err != nil {
		return err
	}
	props := views.ConnectionsProps{Query: q, State: c.QueryParam("state"), CanEdit: h.may(c, model.Connections.Manage())}
	if props.State != views.NeedsAttention {
		props.State = ""
	} else { // few of many: all are looked at, and shown on one page
		list, next = slices.Collect(maps.Values(around.Connections)), ""
		slices.SortFunc(list, func(a, b model.Connection) int { return strings.Compare(string(b.ID), string(a.ID)) })
	}
	for _, x := range list {
		props.Items = append(props.Items, h.connectionItem(x, around))
	}
	if err := h.pulses(c, &props, around); err != nil {
		return err
	}
	props.Next, props.First = pages(c, next)
	return h.Page(c, web.Bits{Title: "Connections", Section: "connections"}, views.Connections(props))
}

// connectionItem is x with what stands around it.
func (h *Handlers) connectionItem(x model.Connection, around db.Routing) views.ConnectionItem {
	kind, _ := connector.ByType(x.Type)
	shown := around.Credentials[x.ClientCertificateID]
	return views.ConnectionItem{Connection: x, Kind: cmp.Or(kind.Title, string(x.Type)), Mark: connectionKind(kind).Mark(), Alone: kind.NoDestinations, Refused: strings.Join(h.o.Jobs.Warnings(x), " "),
		Handshake: jobs.HandshakeWarnings(x, shown, h.Now()), Certificate: shown, Authorities: shownCertificates(scheme.Authorities(x.CA)),
		Credential: around.Credentials[x.CredentialID].Name, Destinations: len(destinationsOf(around, x.ID))}
}

// pulses adds how each connection is doing, for those who may see deliveries, and keeps what the page asks for.
func (h *Handlers) pulses(c echo.Context, p *views.ConnectionsProps, around db.Routing) error {
	ctx := c.Request().Context()
	if h.may(c, model.Deliveries.View()) {
		var ids []model.DestID
		at := map[model.ConnectionID]int{}
		for i, x := range p.Items {
			at[x.ID] = i
			p.Items[i].Pulse = &model.Pulse{}
		}
		for id, d := range around.Destinations {
			if _, shown := at[d.ConnectionID]; shown {
				ids = append(ids, id)
			}
		}
		beats, err := h.Store.Pulse(ctx, ids, h.Now())
		if err != nil {
			return err
		}
		for id, beat := range beats {
			p.Items[at[around.Destinations[id].ConnectionID]].Pulse.Add(beat)
		}
		troubles, err := h.Store.Troubles(ctx, h.Now().Add(-24*time.Hour), db.MaxPage)
		if err != nil {
			return err
		}
		for _, t := range troubles {
			if i, shown := at[t.ConnectionID]; shown && !views.Over(t) && h.Now().Sub(t.Last) < failsNow {
				p.Items[i].Failing = t.Error
			}
		}
	}
	if p.State == views.NeedsAttention {
		p.Items = slices.DeleteFunc(p.Items, func(x views.ConnectionItem) bool { return !x.NeedsAttention() })
		p.Items = p.Items[:min(len(p.Items), db.MaxPage)]
	}
	return nil
}

// destinationsOf are the destinations of one connection by name.
func destinationsOf(around db.Routing, id model.ConnectionID) []model.Destination {
	var out []model.Destination
	for d := range maps.Values(around.Destinations) {
		if d.ConnectionID == id {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b model.Destination) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.ID), string(b.ID)))
	})
	return out
}

func (h *Handlers) pickConnectionType(c echo.Context) error {
	var kinds []views.Kind
	features, err := h.Store.Features(c.Request().Context())
	if err != nil {
		return err
	}
	for _, t := range connector.Types() {
		k := connectionKind(t)
		if f := model.FeatureOf(t.Type); !features.Has(f) {
			k.Off = f.OffWords()
		}
		kinds = append(kinds, k)
	}
	bits := web.Bits{Title: "New connection", Section: "connections", Crumbs: under(connectionsCrumb, "New")}
	return h.Page(c, bits, views.ConnectionTypes(kinds))
}

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
	p.Auth = views.ChooseCredentialProps{Legend: "Requests to this system", NoneLabel: "Carry no credential", NoneHint: "They can still be signed: a setting of each destination.",
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
		bits.Title, bits.Crumbs = "Edit "+p.Saved, []ui.Crumb{connectionsCrumb, crumb(p.Saved, href.Connection(p.ID)), {Label: "Edit"}}
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
		err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error {
			if err := auth.storeAll(tx, &x); err != nil {
				return err
			}
			if err := tx.CreateConnection(&x); err != nil {
				return err
			}
			return serve(tx, f, x)
		})
	}
	if p, status, ok := wrong(err, ""); ok {
		return h.connectionForm(c, status, views.ConnectionFormProps{Form: f, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.connectionSaved(c, f, x, strings.TrimSpace(h.T(c, "{name} is connected.", "name", x.Name)+" "+h.T(c, afterwards(x))))
}

// afterwards is what to do with a new connection.
func afterwards(x model.Connection) string {
	if kind, _ := connector.ByType(x.Type); kind.NoDestinations != "" {
		return ""
	}
	return texts.ID("Say what is sent there.")
}

// connectionSaved leads on, and warns of what will be refused.
func (h *Handlers) connectionSaved(c echo.Context, f views.ConnectionForm, x model.Connection, words string) error {
	url := href.Connection(x.ID)
	if kind, _ := connector.ByType(x.Type); f.Go != "" && kind.NoDestinations == "" {
		url = href.Destinations(x.ID)
	}
	if w := h.o.Jobs.Warnings(x); len(w) > 0 {
		h.Flash(c, ui.Warn, h.T(c, "Saved, but requests will be refused: {reasons}", "reasons", strings.Join(w, " ")))
		return web.Redirect(c, url)
	}
	return h.Done(c, url, words)
}

func (h *Handlers) connection(c echo.Context) (model.Connection, error) {
	return h.Store.Connection(c.Request().Context(), web.ID[model.ConnectionID](c))
}

func (h *Handlers) showConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	return h.connectionPage(c, x, nil)
}

// testConnection makes the requests that show whether a connection works, and shows them whole.
func (h *Handlers) testConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	if err := h.o.Jobs.MayAct(c.Request().Context(), h.Actor(c).Rights, x.ID); err != nil {
		return err
	}
	steps, err := h.o.Jobs.TestConnection(c.Request().Context(), x.ID)
	if err != nil {
		return err
	}
	return h.connectionPage(c, x, steps)
}

func (h *Handlers) connectionPage(c echo.Context, x model.Connection, steps []jobs.Probed) error {
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	kind, _ := connector.ByType(x.Type)
	props := views.ConnectionProps{Item: h.connectionItem(x, around), Kind: connectionKind(kind), Actions: len(actionsOf(around, destinationsOf(around, x.ID)...)),
		CanEdit: h.may(c, model.Connections.Manage()), SeeCredential: h.may(c, model.Credentials.View()), Now: h.Now()}
	props.Item.SeeNetwork = h.may(c, model.Settings.View())
	props.Item.SeeActivity = h.may(c, model.Deliveries.View())
	for _, p := range steps {
		props.Test = append(props.Test, views.TestStep{Title: p.Title, Attempt: p.Attempt})
	}
	if props.Delete, err = h.connectionDeletion(c, x); err != nil {
		return err
	}
	if err := h.connectionInbound(c, x.ID, &props); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: x.Name, Section: "connections", Crumbs: under(connectionsCrumb, x.Name)}, views.Connection(props))
}

// actionsOf are the actions that send to any of these destinations.
func actionsOf(around db.Routing, destinations ...model.Destination) []model.Action {
	var out []model.Action
	for _, a := range around.Actions {
		if slices.ContainsFunc(destinations, func(d model.Destination) bool { return d.ID == a.DestinationID }) {
			out = append(out, a)
		}
	}
	return out
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
		err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error {
			if err := auth.storeAll(tx, &x); err != nil {
				return err
			}
			if err := tx.UpdateConnection(&x); err != nil {
				return err
			}
			return serve(tx, f, x)
		})
	}
	if p, status, ok := wrong(err, href.EditConnection(old.ID)); ok {
		if p.Theirs != "" {
			if err := h.conflict(c, &p, h.connectionCollision(c, old, x, f.Version)); err != nil {
				return err
			}
			f.Version = old.Version
		}
		return h.connectionForm(c, status, views.ConnectionFormProps{ID: old.ID, Saved: old.Name, Form: f, Problems: p, NewHost: newHost(old, x)})
	}
	if err != nil {
		return err
	}
	return h.connectionSaved(c, f, x, h.T(c, "{name} is saved.", "name", x.Name))
}

// connectionCollision sets x, as typed, against what is stored; a credential shows by its name to those who may see it.
func (h *Handlers) connectionCollision(c echo.Context, stored, x model.Connection, saw int64) collision {
	out := collision{noun: "connection", id: string(x.ID), saw: saw, now: stored.Version, diff: db.ConnectionDiff(stored, x), names: map[string]string{}}
	if around, err := h.Store.Routing(c.Request().Context()); err == nil && h.may(c, model.Credentials.View()) {
		for id, cr := range around.Credentials {
			out.names[string(id)] = cr.Name
		}
	}
	return out
}

func (h *Handlers) toggleConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	x.Enabled = switchedOn(c)
	if err := h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.UpdateConnection(&x) }); err != nil {
		return err
	}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return err
	}
	return h.switched(c, href.Connection(x.ID), x.Name, x.Enabled, len(actionsOf(around, destinationsOf(around, x.ID)...)))
}

// connectionDeletion is what deleting a connection means.
func (h *Handlers) connectionDeletion(c echo.Context, x model.Connection) (views.DeleteProps, error) {
	p := views.DeleteProps{Noun: "connection", Name: x.Name, Action: href.DeleteConnection(x.ID), Cancel: href.Connection(x.ID), Force: true,
		OpenURL: href.Deliveries(), Consequence: "Nothing uses it. This cannot be undone."}
	around, err := h.Store.Routing(c.Request().Context())
	if err != nil {
		return p, err
	}
	destinations := destinationsOf(around, x.ID)
	if e, err := h.Store.InboundOfConnection(c.Request().Context(), x.ID); err == nil {
		p.Needs = append(p.Needs, views.Need{Kind: "Inbound URL", Name: e.Name, URL: href.InboundEndpoint(e.ID)})
	}
	var ids []model.DestID
	for _, d := range destinations {
		p.Needs = append(p.Needs, views.Need{Kind: "Destination", Name: d.Name, URL: href.Destination(d.ID)})
		ids = append(ids, d.ID)
	}
	p.Needs = append(p.Needs, actionNeeds(actionsOf(around, destinations...))...)
	p.Open, err = h.open(c.Request().Context(), ids...)
	return p, err
}

func (h *Handlers) askDeleteConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	return h.askConnection(c, http.StatusOK, x, "")
}

func (h *Handlers) askConnection(c echo.Context, status int, x model.Connection, conflict string) error {
	p, err := h.connectionDeletion(c, x)
	if err != nil {
		return err
	}
	p.Conflict = conflict
	bits := web.Bits{Status: status, Title: "Delete " + x.Name, Section: "connections", Crumbs: []ui.Crumb{connectionsCrumb, crumb(x.Name, href.Connection(x.ID)), {Label: "Delete"}}}
	return h.Page(c, bits, views.Delete(p))
}

func (h *Handlers) deleteConnection(c echo.Context) error {
	x, err := h.connection(c)
	if err != nil {
		return err
	}
	force := typed(c, "force") == "true"
	err = h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error { return tx.DeleteConnection(x.ID, force) })
	if words, yes := inTheWay(err); yes {
		return h.askConnection(c, http.StatusConflict, x, words)
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.Connections(), h.T(c, "{name} is deleted.", "name", x.Name))
}
