package api

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs"
)

// ReplayFilter says which settled deliveries are replayed.
type ReplayFilter struct {
	DestinationID string   `json:"destination_id,omitempty"`
	EventID       string   `json:"event_id,omitempty"`
	Status        string   `json:"status,omitempty" doc:"delivered, failed, skipped or cancelled"`
	Lane          string   `json:"lane,omitempty"`
	Event         string   `json:"event,omitempty" doc:"Name of the event"`
	From          string   `json:"from,omitempty" doc:"Made at or after (RFC 3339)"`
	To            string   `json:"to,omitempty" doc:"Made before (RFC 3339)"`
	IDs           []string `json:"ids,omitempty" doc:"Only these deliveries, at most 1,000"`
}

func (in ReplayFilter) filter(bad *fault.Check) model.ReplayFilter {
	f := model.ReplayFilter{DestinationID: model.DestID(in.DestinationID), EventID: model.EventID(in.EventID), Status: model.Status(in.Status), Lane: model.Lane(in.Lane),
		Event: in.Event, From: parseTime(bad, "from", in.From), To: parseTime(bad, "to", in.To)}
	for _, id := range in.IDs {
		f.IDs = append(f.IDs, model.DeliveryID(id))
	}
	return f
}

type replayInput struct {
	ReplayFilter
	Filter *ReplayFilter `json:"filter,omitempty" doc:"The same fields may stand in here instead"`
	DryRun bool          `json:"dry_run,omitempty" doc:"Only count and estimate"`
}

// replay is the answer to POST, and a replay as it stands. With dry_run it has no id and no status.
type replay struct {
	Meta
	DryRun     bool          `json:"dry_run"`
	Status     string        `json:"status" enum:",running,done,cancelled"`
	Filter     ReplayFilter  `json:"filter"`
	Count      int64         `json:"count" doc:"Deliveries that fit"`
	Exact      bool          `json:"exact" doc:"false: counting stopped, there are more"`
	PassedOver int64         `json:"passed_over" doc:"Fit, but cannot be replayed: data removed by retention, destination deleted, not settled"`
	Seconds    int64         `json:"estimate_seconds" doc:"At the pace of the last day; 0 once it runs"`
	Shares     []replayShare `json:"destinations" doc:"Of a dry run"`
	Made       int64         `json:"made" doc:"New deliveries so far"`
	Delivered  int64         `json:"delivered"`
	Failed     int64         `json:"failed"`
	Dropped    int64         `json:"dropped" doc:"Skipped, cancelled or gone"`
	Open       int64         `json:"open" doc:"Made and not settled"`
	By         string        `json:"started_by"`
	FinishedAt *string       `json:"finished_at" format:"date-time"`
}

type replayShare struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Count int64  `json:"count"`
	Off   string `json:"off" doc:"Why it would be held; empty when it would be sent"`
}

func showFilter(f model.ReplayFilter) ReplayFilter {
	out := ReplayFilter{DestinationID: string(f.DestinationID), EventID: string(f.EventID), Status: string(f.Status), Lane: string(f.Lane), Event: f.Event,
		From: model.Stamp(f.From), To: model.Stamp(f.To)}
	for _, id := range f.IDs {
		out.IDs = append(out.IDs, string(id))
	}
	return out
}

func showReplay(r model.Replay) replay {
	return replay{Meta: newMeta(r.ID, r.CreatedAt, r.UpdatedAt, r.Version), Status: string(r.Status), Filter: showFilter(r.Filter), Count: r.Total, Exact: r.Counted,
		PassedOver: r.PassedOver, Shares: []replayShare{}, Made: r.Made, Delivered: r.Delivered, Failed: r.Failed, Dropped: r.Dropped, Open: r.Open(), By: r.By,
		FinishedAt: stamp(r.FinishedAt)}
}

func showEstimate(f model.ReplayFilter, e jobs.ReplayEstimate) replay {
	out := replay{DryRun: true, Filter: showFilter(f), Count: e.Count, Exact: e.Exact, PassedOver: e.PassedOver, Seconds: e.Seconds, Shares: []replayShare{}}
	for _, x := range e.By {
		out.Shares = append(out.Shares, replayShare{ID: string(x.ID), Name: x.Connection + " → " + x.Name, Count: x.Count, Off: x.Off})
	}
	return out
}

func (a *API) replays() {
	view, manage := model.Deliveries.View(), model.Deliveries.Manage()
	add(a, route{http.MethodPost, "/deliveries/replay", "replay-deliveries", "Send settled deliveries again, as new ones", "Deliveries",
		"Every settled delivery that fits is made anew (`replay_of`), a few at a time, in the bulk lane. With `dry_run` nothing is made: the answer (200) counts and estimates. Without, the answer (201) is the replay, which goes on by itself and can be looked at and cancelled under `/replays/{id}`.",
		manage, http.StatusCreated}, a.replayDeliveries)
	op := a.huma.OpenAPI().Paths["/deliveries/replay"].Post
	op.Responses["200"] = &huma.Response{Description: "Of a dry run", Content: map[string]*huma.MediaType{"application/json": {Schema: a.schema(reflect.TypeFor[replay]())}}}
	add(a, route{http.MethodGet, "/replays", "list-replays", "List replays", "Deliveries", "Newest first.", view, 0}, a.listReplays)
	add(a, route{http.MethodGet, "/replays/{id}", "show-replay", "Show a replay", "Deliveries", "", view, 0}, a.showReplay)
	add(a, route{http.MethodPost, "/replays/{id}/cancel", "cancel-replay", "Cancel a replay", "Deliveries", "Nothing more is made; what it made and did not settle is cancelled.", manage, http.StatusOK}, a.cancelReplay)
}

type replayed struct {
	Status   int
	Location string `header:"Location"`
	Body     replay
}

func (a *API) replayDeliveries(c call, in *struct{ Body replayInput }) (*replayed, error) {
	var bad fault.Check
	from := in.Body.ReplayFilter
	if in.Body.Filter != nil {
		from = *in.Body.Filter
	}
	f := from.filter(&bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if in.Body.DryRun {
		e, err := a.jobs.EstimateReplay(c, f)
		if err != nil {
			return nil, err
		}
		return &replayed{Status: http.StatusOK, Body: showEstimate(f, e)}, nil
	}
	r, err := a.jobs.StartReplay(c, c.actor, f)
	if err != nil {
		return nil, err
	}
	return &replayed{Status: http.StatusCreated, Location: Prefix + "/replays/" + string(r.ID), Body: showReplay(r)}, nil
}

func (a *API) listReplays(c call, in *Paging) (*body[list[replay]], error) {
	items, next, err := a.store.Replays(c, in.page())
	return listed(items, next, err, showReplay)
}

func (a *API) showReplay(c call, in *ByID) (*body[replay], error) {
	r, err := a.store.Replay(c, model.ReplayID(in.ID))
	return single(showReplay(r), err)
}

func (a *API) cancelReplay(c call, in *ByID) (*body[replay], error) {
	r, err := a.jobs.CancelReplay(c, c.actor, model.ReplayID(in.ID))
	return single(showReplay(r), err)
}
