package handlers

import (
	"context"
	"slices"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

// flowRoutes are the pages of workflows and of what they are made with.
func (h *Handlers) flowRoutes() []web.Route {
	return slices.Concat(h.definitionRoutes(), h.audienceRoutes())
}

// What the palette finds of workflows and what they are made with.

func definitionHit(x model.EventDefinition) views.Hit {
	return views.Hit{Icon: "book", Label: x.Name, URL: href.EventDefinition(x.ID), Also: x.Description + " " + string(x.ID), Aside: "Definition"}
}

func audienceHit(x model.Audience) views.Hit {
	return views.Hit{Icon: "users", Label: x.Name, URL: href.Audience(x.ID), Also: string(x.ID), Aside: ui.Plural(x.Count, "record")}
}

func (h *Handlers) definitionHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.EventDefinitions(ctx, db.EventDefinitionFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "evd_")(hitsOf(list, err, definitionHit))
}

func (h *Handlers) audienceHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.Audiences(ctx, db.AudienceFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "adn_")(hitsOf(list, err, audienceHit))
}
