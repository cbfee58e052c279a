// Package handlers answers the browser: one file per noun, each a few lines between a form and the store or jobs.
//
// Every route of the product is a row of the table that Routes gives; Mount is the only way into echo, and a row names
// the right that it needs. Rules of the business are not here but in jobs and db/model; what handlers share (sessions,
// rights, pages, errors) is in handlers/web.
package handlers

import (
	"context"
	"crypto/rand"
	"slices"
	"sync/atomic"

	"github.com/gorilla/securecookie"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/db/model"
	"waybill/handlers/api"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/static"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
)

// Options are what main wires.
type Options struct {
	web.Options
	Jobs    *jobs.Service
	Files   *static.Assets
	Metrics *prometheus.Registry
	// MetricsHere is false when /metrics has an address of its own.
	MetricsHere bool
}

// Handlers answer the pages.
type Handlers struct {
	*web.Web
	o        Options
	setup    setupLink
	newKeys  onceShown
	chain    chainCheck
	nav      navCounts
	door     chan struct{} // places for checking passwords
	stopping atomic.Bool
	ended    chan struct{} // closed when the server stops: streams end
	partners *securecookie.SecureCookie
	forms    formThrottle
}

// New makes the handlers.
func New(o Options) (*Handlers, error) {
	o.Assets, o.Nav, o.Platform = o.Files, navigation, o.Jobs.ReadPlatformToken
	w, err := web.New(o.Options)
	if err != nil {
		return nil, err
	}
	h := &Handlers{Web: w, o: o, door: make(chan struct{}, 2), ended: make(chan struct{}),
		partners: securecookie.New([]byte(rand.Text()+rand.Text()), []byte(rand.Text() + rand.Text())[:32]).MaxAge(partnerLife)}
	w.Counts, w.Tasks = h.counts, h.waiting
	return h, nil
}

// Routes is the route table of the whole program.
func (h *Handlers) Routes() []web.Route {
	return slices.Concat(h.flowRoutes(),
		h.templateRoutes(),
		h.inboundRoutes(),
		h.opsRoutes(), h.loginRoutes(), h.accountRoutes(), h.overviewRoutes(), h.firstRoutes(), h.userRoutes(), h.keyRoutes(), h.auditRoutes(), h.exportPageRoutes(), h.paletteRoutes(), h.docsRoutes(),
		h.connectionRoutes(), h.activityRoutes(), h.alertRoutes(), h.credentialRoutes(), h.destinationRoutes(), h.actionRoutes(), h.eventRoutes(), h.deliveryRoutes(), h.liveRoutes(), api.Routes(h.Web, h.o.Jobs))
}

// Mount puts the whole program into e.
func (h *Handlers) Mount(e *echo.Echo) error {
	e.HTTPErrorHandler = h.HandleError
	e.HideBanner, e.HidePort = true, true
	e.Use(h.Prepare)
	return h.Web.Mount(e, h.Routes())
}

// Echo is a new echo with everything mounted.
func (h *Handlers) Echo() (*echo.Echo, error) {
	e := echo.New()
	return e, h.Mount(e)
}

// Start makes ready what needs the store once at the start; it gives the setup link's path, "" when somebody can sign in.
func (h *Handlers) Start(ctx context.Context) (string, error) {
	n, err := h.Store.CountUsers(ctx)
	if err != nil || n > 0 {
		return "", err
	}
	return href.SetupLink(h.setup.open()), nil
}

// Stopping makes /readyz say so, so that no new calls are sent here, and ends the streams to browsers.
func (h *Handlers) Stopping() {
	if h.stopping.CompareAndSwap(false, true) {
		close(h.ended)
	}
}

type navPage struct {
	key, label, icon, url string
	right                 model.Right
}

// navigation is what somebody with these rights sees of it: only what he may open.
func navigation(rights model.Rights) []views.NavGroup {
	groups := []struct {
		label string
		pages []navPage
	}{
		{"", []navPage{
			{"home", "Overview", "home", href.Home(), model.SignedIn},
			{"tasks", "My tasks", "check", href.Tasks(), model.SignedIn},
		}},
		{texts.ID("Build"), []navPage{
			{"workflows", "Workflows", "flow", href.Workflows(), model.Workflows.View()},
			{"actions", "Actions", "bolt", href.Actions(), model.Connections.View()},
			{"events", "Events", "pulse", href.Events(), model.Events.View()},
			{"audiences", "Audiences", "users", href.Audiences(), model.Workflows.View()},
			{"integrations", "Integrations", "link", href.Integrations(), model.Workflows.View()},
		}},
		{texts.ID("Connect"), []navPage{
			{"connections", "Connections", "plug", href.Connections(), model.Connections.View()},
			{"credentials", "Credentials", "key", href.Credentials(), model.Credentials.View()},
			{"inbound", "Inbound", "inbox", href.Inbound(), model.Inbound.View()},
		}},
		{texts.ID("Observe"), []navPage{
			{"runs", "Runs", "play", href.Runs(), model.Workflows.View()},
			{"deliveries", "Deliveries", "truck", href.Deliveries(), model.Deliveries.View()},
			{"exports", "Export", "download", href.Exports(), model.Deliveries.View()},
			{"audit", "Audit log", "shield", href.Audit(), model.ViewAuditLog},
		}},
		{texts.ID("Admin"), []navPage{
			{"users", "Users", "users", href.Users(), model.Users.View()},
			{"api-keys", "API keys", "code", href.APIKeys(), model.SignedIn},
			{"settings", "Settings", "settings", href.Settings(), model.Settings.View()},
		}},
	}
	var out []views.NavGroup
	for _, g := range groups {
		group := views.NavGroup{Label: g.label}
		for _, p := range g.pages {
			if rights.Has(p.right) {
				group.Items = append(group.Items, views.NavItem{Key: p.key, Label: p.label, Icon: p.icon, URL: p.url})
			}
		}
		if len(group.Items) > 0 {
			out = append(out, group)
		}
	}
	return out
}
