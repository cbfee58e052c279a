package handlers

import (
	"context"
	"strings"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

// sources are the kinds of things that the palette finds, each behind the right to see it.
func (h *Handlers) sources() []source {
	return []source{
		{"Connections", model.Connections.View(), h.connectionHits},
		{"Destinations", model.Connections.View(), h.destinationHits},
		{"Actions", model.Connections.View(), h.actionHits},
		{"Credentials", model.Credentials.View(), h.credentialHits},
		{"Events", model.Events.View(), h.eventHits},
		{"Deliveries", model.Deliveries.View(), h.deliveryHits},
		{"Event definitions", model.Events.View(), h.definitionHits},
		{"Audiences", model.Workflows.View(), h.audienceHits},
		{"Workflows", model.Workflows.View(), h.workflowHits},
		{"Runs", model.Workflows.View(), h.runHits},
		{"Integrations", model.Workflows.View(), h.integrationHits},
		{"Inbound URLs", model.Inbound.View(), h.inboundHits},
		{"Users", model.Users.View(), h.userHits},
	}
}

func switchedOff(enabled bool, otherwise string) string {
	if !enabled {
		return "Disabled"
	}
	return otherwise
}

func connectionHit(x model.Connection) views.Hit {
	return views.Hit{Icon: string(x.Type), Label: x.Name, URL: href.Connection(x.ID), Also: x.BaseURL + " " + string(x.ID), Aside: switchedOff(x.Enabled, hostOf(x.BaseURL))}
}

func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func destinationHit(x model.Destination, of string) views.Hit {
	aside := x.Method
	if of != "" {
		aside += " · " + of
	}
	return views.Hit{Icon: "send", Label: x.Name, URL: href.Destination(x.ID), Also: x.Path + " " + string(x.ID), Aside: switchedOff(x.Enabled, aside)}
}

func actionHit(x model.Action) views.Hit {
	return views.Hit{Icon: "bolt", Label: x.Name, URL: href.Action(x.ID), Also: x.Event + " " + string(x.ID), Aside: switchedOff(x.Enabled, x.Event)}
}

func credentialHit(x model.Credential) views.Hit {
	return views.Hit{Icon: "key", Label: x.Name, URL: href.Credential(x.ID), Also: string(x.ID), Aside: strings.ReplaceAll(string(x.Type), "_", " ")}
}

func userHit(x model.User) views.Hit {
	return views.Hit{Icon: "user", Label: x.Name, URL: href.User(x.ID), Also: x.Email + " " + string(x.ID), Aside: switchedOff(!x.Disabled, x.Email)}
}

func (h *Handlers) eventHit(ctx context.Context) func(model.Event) views.Hit {
	return func(x model.Event) views.Hit {
		return views.Hit{Icon: "pulse", Label: x.Name, URL: href.Event(x.ID), Also: string(x.ID) + " " + x.Subject, Aside: ui.AgoIn(ctx, x.CreatedAt, h.Now())}
	}
}

func deliveryHit(ctx context.Context) func(model.Delivery) views.Hit {
	return func(x model.Delivery) views.Hit {
		label := texts.T(ctx, "{event} to {destination}", "event", x.EventName, "destination", x.Destination)
		return views.Hit{Icon: "truck", Label: label, URL: href.Delivery(x.ID), Also: string(x.ID), Aside: fault.Capital(string(x.Status))}
	}
}

func inboundHit(x model.InboundEndpoint) views.Hit {
	return views.Hit{Icon: "inbox", Label: x.Name, URL: href.InboundEndpoint(x.ID), Also: "inbound url " + string(x.ID), Aside: switchedOff(x.Enabled, "inbound URL")}
}

func (h *Handlers) inboundHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.InboundEndpoints(ctx, db.InboundFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "inb_")(hitsOf(list, err, inboundHit))
}

// hitsOf turns what the store lists into hits.
func hitsOf[T any](items []T, err error, hit func(T) views.Hit) ([]views.Hit, error) {
	out := make([]views.Hit, len(items))
	for i, x := range items {
		out[i] = hit(x)
	}
	return out, err
}

// many is how much of what the store finds is ranked.
var many = db.Page{Limit: db.MaxPage}

func (h *Handlers) connectionHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.Connections(ctx, db.ConnectionFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "con_")(hitsOf(list, err, connectionHit))
}

func (h *Handlers) actionHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.Actions(ctx, db.ActionFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "act_")(hitsOf(list, err, actionHit))
}

func (h *Handlers) credentialHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.Credentials(ctx, db.CredentialFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "crd_")(hitsOf(list, err, credentialHit))
}

func (h *Handlers) userHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.Users(ctx, q.widest(), many)
	return h.orByID(ctx, q, "usr_")(hitsOf(list, err, userHit))
}

func (h *Handlers) destinationHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.FindDestinations(ctx, db.DestinationFilter{Query: q.widest()}, many)
	if err != nil {
		return nil, err
	}
	var out []views.Hit
	names := map[model.ConnectionID]string{}
	for _, x := range list {
		if _, known := names[x.ConnectionID]; !known && len(names) < searchHits {
			of, err := h.Store.Connection(ctx, x.ConnectionID)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return nil, err
			}
			names[x.ConnectionID] = of.Name
		}
		out = append(out, destinationHit(x, names[x.ConnectionID]))
	}
	return h.orByID(ctx, q, "dst_")(out, nil)
}

// eventHits are names of events, and one event by its id.
func (h *Handlers) eventHits(ctx context.Context, q query) ([]views.Hit, error) {
	names, err := h.Store.EventNames(ctx)
	return h.orByID(ctx, q, "evt_")(hitsOf(names, err, func(name string) views.Hit {
		return views.Hit{Icon: "pulse", Label: name, URL: href.With(href.Events(), "name", name), Aside: texts.ID("All of this name")}
	}))
}

// deliveryHits is a delivery by its id; they have no names.
func (h *Handlers) deliveryHits(ctx context.Context, q query) ([]views.Hit, error) {
	return h.orByID(ctx, q, "dlv_")(nil, nil)
}

// orByID adds the thing that the query names by its id.
func (h *Handlers) orByID(ctx context.Context, q query, prefix string) func([]views.Hit, error) ([]views.Hit, error) {
	return func(hits []views.Hit, err error) ([]views.Hit, error) {
		if err != nil || !strings.HasPrefix(q.text, prefix) {
			return hits, err
		}
		// The caller holds the right of this kind; all of them say nothing more about the others.
		hit, err := h.lookUp(ctx, q.text)
		if err != nil || hit.URL == "" {
			return hits, err
		}
		return append(hits, hit), nil
	}
}

// byID is the thing with that id if it may be seen; its URL is "" when it may not, or there is none.
func (h *Handlers) byID(ctx context.Context, rights model.Rights, id string) (views.Hit, error) {
	need := map[string]model.Right{"con": model.Connections.View(), "dst": model.Connections.View(), "act": model.Connections.View(),
		"crd": model.Credentials.View(), "evt": model.Events.View(), "dlv": model.Deliveries.View(), "usr": model.Users.View(),
		"inb": model.Inbound.View(), "evd": model.Events.View(), "adn": model.Workflows.View(), "int": model.Workflows.View(),
		"wfl": model.Workflows.View(), "run": model.Workflows.View()}
	kind, _, _ := strings.Cut(id, "_")
	if right, known := need[kind]; !known || !rights.Has(right) {
		return views.Hit{}, nil
	}
	return h.lookUp(ctx, id)
}

// lookUp reads one thing by its id, whoever asks.
func (h *Handlers) lookUp(ctx context.Context, id string) (hit views.Hit, err error) {
	switch kind, _, _ := strings.Cut(id, "_"); kind {
	case "con":
		hit, err = hitOf(h.Store.Connection, connectionHit)(ctx, model.ConnectionID(id))
	case "dst":
		hit, err = hitOf(h.Store.Destination, func(x model.Destination) views.Hit { return destinationHit(x, "") })(ctx, model.DestID(id))
	case "act":
		hit, err = hitOf(h.Store.Action, actionHit)(ctx, model.ActionID(id))
	case "crd":
		hit, err = hitOf(h.Store.Credential, credentialHit)(ctx, model.CredentialID(id))
	case "evt":
		hit, err = hitOf(h.Store.Event, h.eventHit(ctx))(ctx, model.EventID(id))
	case "dlv":
		hit, err = hitOf(h.Store.Delivery, deliveryHit(ctx))(ctx, model.DeliveryID(id))
	case "evd":
		hit, err = hitOf(h.Store.EventDefinition, definitionHit)(ctx, model.EventDefID(id))
	case "adn":
		hit, err = hitOf(h.Store.Audience, audienceHit(ctx))(ctx, model.AudienceID(id))
	case "wfl":
		hit, err = hitOf(h.Store.Workflow, workflowHit)(ctx, model.WorkflowID(id))
	case "run":
		hit, err = hitOf(h.Store.Run, runHit)(ctx, model.RunID(id))
	case "int":
		hit, err = hitOf(h.Store.Integration, integrationHit)(ctx, model.IntegrationID(id))
	case "inb":
		hit, err = hitOf(h.Store.InboundEndpoint, inboundHit)(ctx, model.InboundID(id))
	case "usr":
		hit, err = hitOf(h.Store.User, userHit)(ctx, model.UserID(id))
	}
	if fault.Is(err, fault.NotFound) {
		return views.Hit{}, nil
	}
	return hit, err
}

func hitOf[ID, T any](read func(context.Context, ID) (T, error), hit func(T) views.Hit) func(context.Context, ID) (views.Hit, error) {
	return func(ctx context.Context, id ID) (views.Hit, error) {
		x, err := read(ctx, id)
		if err != nil {
			return views.Hit{}, err
		}
		return hit(x), nil
	}
}
