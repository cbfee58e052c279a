package handlers

import (
	"context"
	"slices"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

// flowRoutes are the pages of workflows and of what they are made with.
func (h *Handlers) flowRoutes() []web.Route {
	return slices.Concat(h.definitionRoutes(), h.audienceRoutes(), h.workflowRoutes(), h.stepRoutes(), h.runRoutes(), h.taskRoutes(), h.publicFormRoutes(), h.integrationRoutes(), h.tryRoutes(), h.audienceRunRoutes())
}

// What the palette finds of workflows and what they are made with.

func definitionHit(x model.EventDefinition) views.Hit {
	return views.Hit{Icon: "book", Label: x.Name, URL: href.EventDefinition(x.ID), Also: x.Description + " " + string(x.ID), Aside: "Definition"}
}

func audienceHit(ctx context.Context) func(model.Audience) views.Hit {
	return func(x model.Audience) views.Hit {
		return views.Hit{Icon: "users", Label: x.Name, URL: href.Audience(x.ID), Also: string(x.ID), Aside: ui.Many(ctx, x.Count, "record")}
	}
}

func (h *Handlers) definitionHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.EventDefinitions(ctx, db.EventDefinitionFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "evd_")(hitsOf(list, err, definitionHit))
}

func (h *Handlers) audienceHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.Audiences(ctx, db.AudienceFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "adn_")(hitsOf(list, err, audienceHit(ctx)))
}

func integrationHit(x model.Integration) views.Hit {
	aside := "Integration"
	if x.Live == nil {
		aside = "Draft"
	}
	return views.Hit{Icon: "plug", Label: x.Name, URL: href.Integration(x.ID), Also: x.Draft.Request.URL + " " + string(x.ID), Aside: aside}
}

func (h *Handlers) integrationHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.Integrations(ctx, db.IntegrationFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "int_")(hitsOf(list, err, integrationHit))
}

func workflowHit(x model.Workflow) views.Hit {
	return views.Hit{Icon: "flow", Label: x.Name, URL: href.Workflow(x.ID), Also: x.Description + " " + string(x.ID), Aside: switchedOff(x.Enabled, views.TriggerTitle(x.Draft.Trigger.Kind))}
}

func (h *Handlers) workflowHits(ctx context.Context, q query) ([]views.Hit, error) {
	list, _, err := h.Store.Workflows(ctx, db.WorkflowFilter{Query: q.widest()}, many)
	return h.orByID(ctx, q, "wfl_")(hitsOf(list, err, workflowHit))
}

func runHit(x model.Run) views.Hit {
	return views.Hit{Icon: "play", Label: x.Workflow + " #" + itoa(x.Number), URL: href.Run(x.ID), Also: x.Subject + " " + string(x.ID), Aside: fault.Capital(string(x.Status))}
}

// runHits are the newest runs whose subject fits, and one by its id.
func (h *Handlers) runHits(ctx context.Context, q query) ([]views.Hit, error) {
	var list []model.Run
	var err error
	if len(q.text) > 2 {
		list, _, err = h.Store.Runs(ctx, db.RunFilter{Query: q.widest()}, db.Page{Limit: searchHits})
	}
	return h.orByID(ctx, q, "run_")(hitsOf(list, err, runHit))
}

// waiting counts the tasks that wait for somebody, up to a page of them.
func (h *Handlers) waiting(ctx context.Context, who model.User) views.NavCount {
	list, _, err := h.Store.Tasks(ctx, db.TaskFilter{Of: who.ID, Roles: who.Roles}, db.Page{Limit: db.MaxPage})
	if err != nil {
		h.Log.Warn("tasks could not be counted", "err", err)
	}
	return views.NavCount{N: int64(len(list)), Words: "wait for you"}
}
