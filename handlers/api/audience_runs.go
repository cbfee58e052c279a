package api

import (
	"net/http"
	"time"

	"waybill/db"
	"waybill/db/model"
)

// audienceRun is the start of a workflow for every record of an audience, as it is answered.
type audienceRun struct {
	Meta
	AudienceID       string  `json:"audience_id"`
	AudienceName     string  `json:"audience_name"`
	WorkflowID       string  `json:"workflow_id"`
	WorkflowName     string  `json:"workflow_name"`
	WorkflowVersion  int64   `json:"workflow_version"`
	Status           string  `json:"status" enum:"running,stopped,completed,failed"`
	Reason           string  `json:"reason" doc:"Why it failed"`
	Total            int64   `json:"total" doc:"Records when it began"`
	Started          int64   `json:"started" doc:"Records for which a run has begun"`
	Rate             int     `json:"rate" doc:"Runs a second at most; 0 = as fast as it goes"`
	PerSecond        float64 `json:"per_second" doc:"Runs begun a second so far"`
	RemainingSeconds *int64  `json:"remaining_seconds" doc:"At this pace; null before there is one, and when it has ended"`
	FinishedAt       *string `json:"finished_at" format:"date-time"`
}

func showAudienceRun(x model.AudienceRun, now time.Time) audienceRun {
	out := audienceRun{Meta: newMeta(x.ID, x.CreatedAt, x.UpdatedAt, x.Version), AudienceID: string(x.AudienceID), AudienceName: x.Audience, WorkflowID: string(x.WorkflowID),
		WorkflowName: x.Workflow, WorkflowVersion: x.WorkflowVersion, Status: string(x.Status), Reason: x.Reason, Total: x.Total, Started: x.Next, Rate: x.Rate,
		PerSecond: x.Pace(now), FinishedAt: stamp(x.FinishedAt)}
	if left, known := x.Remaining(now); known {
		out.RemainingSeconds = new(int64(left / time.Second))
	}
	return out
}

func (a *API) audienceRuns() {
	const tag = "Workflows"
	view, may := model.Workflows.View(), model.RunWorkflows
	add(a, route{http.MethodPost, "/audiences/{id}/runs", "start-audience-run", "Start a workflow for every record of an audience", tag,
		"In the background and in the bulk lane: nothing else is delayed. The records that the audience holds now count; each begins one run.", may, 0}, a.startAudienceRun)
	add(a, route{http.MethodGet, "/audience-runs", "list-audience-runs", "List what was started over audiences", tag, "Newest first.", view, 0}, a.listAudienceRuns)
	add(a, route{http.MethodGet, "/audience-runs/{id}", "show-audience-run", "Show how far a start over an audience is", tag, "", view, 0}, a.getAudienceRun)
	add(a, route{http.MethodPost, "/audience-runs/{id}/stop", "stop-audience-run", "Start no more runs over an audience", tag, "Those that have begun go on.", may, http.StatusOK}, a.stopAudienceRun)
}

func (a *API) startAudienceRun(c call, in *struct {
	ByID
	Body struct {
		WorkflowID string `json:"workflow_id" needed:"true" doc:"A published workflow"`
		Rate       int    `json:"rate" doc:"Runs a second at most, up to 1000; 0 = as fast as it goes"`
	}
}) (*made[audienceRun], error) {
	x, err := a.jobs.StartAudience(c, c.actor, model.AudienceID(in.ID), model.WorkflowID(in.Body.WorkflowID), in.Body.Rate)
	return created(showAudienceRun(x, a.web.Now()), "/audience-runs/"+string(x.ID), err)
}

func (a *API) listAudienceRuns(c call, in *struct {
	Paging
	AudienceID string `query:"audience_id"`
}) (*body[list[audienceRun]], error) {
	items, next, err := a.store.AudienceRuns(c, db.AudienceRunFilter{AudienceID: model.AudienceID(in.AudienceID)}, in.page())
	return listed(items, next, err, func(x model.AudienceRun) audienceRun { return showAudienceRun(x, a.web.Now()) })
}

func (a *API) getAudienceRun(c call, in *ByID) (*body[audienceRun], error) {
	x, err := a.store.AudienceRun(c, model.AudienceRunID(in.ID))
	return single(showAudienceRun(x, a.web.Now()), err)
}

func (a *API) stopAudienceRun(c call, in *ByID) (*body[audienceRun], error) {
	x, err := a.jobs.StopAudience(c, c.actor, model.AudienceRunID(in.ID))
	return single(showAudienceRun(x, a.web.Now()), err)
}
