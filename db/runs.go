package db

import (
	"context"
	"slices"
	"strconv"

	"waybill/db/model"
)

const runColumns = `r.id, r.workflow_id, coalesce(w.name, ''), r.number, r.definition, r.status, r.lane, r.trigger, r.audience_id, r.subject, r.initiator,
  r.actor_id, r.depth, r.error, r.created_at, r.updated_at, r.ended_at, r.version, r.paused, r.event, r.form, r.steps, r.data`

const runTables = ` FROM runs r LEFT JOIN workflows w ON w.id = r.workflow_id`

// pause is what a run remembers while it is paused.
type pause struct {
	Before model.RunStatus   `json:"before"`
	Held   []model.StepRunID `json:"held,omitempty"`
}

func scanRun(r row) (model.Run, error) {
	var x model.Run
	var p pause
	err := r.Scan(&x.ID, &x.WorkflowID, &x.Workflow, &x.Number, &x.Definition, &x.Status, &x.Lane, &x.Trigger, &x.AudienceID, &x.Subject, &x.Initiator,
		&x.Actor, &x.Depth, &x.Error, at{&x.CreatedAt}, at{&x.UpdatedAt}, at{&x.EndedAt}, &x.Version, decode{&p}, decode{&x.Event}, decode{&x.Form},
		decode{&x.Steps}, (*[]byte)(&x.Data))
	x.Before, x.Held = p.Before, p.Held
	return x, err
}

const runByID = `SELECT ` + runColumns + runTables + ` WHERE r.id = $1`

// Run is one run with its steps. The webhooks of its steps say how their deliveries stand.
func (s *Store) Run(ctx context.Context, id model.RunID) (model.Run, error) {
	x, err := one(s.reader(ctx), "run", scanRun, runByID, id)
	if err != nil {
		return x, err
	}
	list := []model.Run{x}
	return x, s.webhooksOf(ctx, list)
}

const statusesOfRuns = `
SELECT d.id, d.status FROM json_each($1) j JOIN deliveries d ON d.run_id = j.value AND d.run_id <> ''
WHERE d.webhook_id <> ''`

// webhooksOf tells how the messages of step webhooks stand; one that retention has taken keeps what it was made with.
func (s *Store) webhooksOf(ctx context.Context, list []model.Run) error {
	var ids []model.RunID
	for _, x := range list {
		for _, st := range x.Steps {
			if len(st.Webhooks) > 0 {
				ids = append(ids, x.ID)
				break
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	is := map[model.DeliveryID]model.Status{}
	_, err := all(s.reader(ctx), func(r row) (none struct{}, err error) {
		var id model.DeliveryID
		var status model.Status
		err = r.Scan(&id, &status)
		is[id] = status
		return none, err
	}, statusesOfRuns, encode(ids))
	for _, x := range list {
		for i := range x.Steps {
			for j := range x.Steps[i].Webhooks {
				if status, there := is[x.Steps[i].Webhooks[j].DeliveryID]; there {
					x.Steps[i].Webhooks[j].Status = status
				}
			}
		}
	}
	return err
}

const stepsOfRuns = `
SELECT r.id, w.name, r.number, s.value ->> 'id', s.value ->> 'name', s.value ->> 'webhooks'
FROM json_each($1) j JOIN runs r ON r.id = j.value JOIN workflows w ON w.id = r.workflow_id, json_each(r.steps) s`

// NameSteps fills in what people call the workflow, the step and the webhook of deliveries that steps made; what is gone stays "".
func (s *Store) NameSteps(ctx context.Context, list []model.Delivery) error {
	var runs []model.RunID
	for _, d := range list {
		if d.RunID != "" && !slices.Contains(runs, d.RunID) {
			runs = append(runs, d.RunID)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	type named struct {
		run            model.RunID
		step           model.StepRunID
		workflow, name string
		number         int64
		hooks          []model.WebhookDelivery
	}
	steps, err := all(s.reader(ctx), func(r row) (n named, err error) {
		err = r.Scan(&n.run, &n.workflow, &n.number, &n.step, &n.name, decode{&n.hooks})
		return n, err
	}, stepsOfRuns, encode(runs))
	for i := range list {
		d := &list[i]
		for _, n := range steps {
			if d.RunID != n.run {
				continue
			}
			d.Workflow = n.workflow + " #" + strconv.FormatInt(n.number, 10)
			if d.StepRunID != n.step {
				continue
			}
			d.StepName = n.name
			for _, h := range n.hooks {
				if d.WebhookID != "" && h.ID == d.WebhookID {
					d.Webhook = h.Name
				}
			}
		}
	}
	return err
}

const versionOfRun = `SELECT workflow_id, definition, depth FROM runs WHERE id = $1`

// VersionOf says which version of which workflow a run keeps, and how deep the events are that it raises.
func (s *Store) VersionOf(ctx context.Context, id model.RunID) (workflow model.WorkflowID, number int64, depth int, err error) {
	_, err = one(s.reader(ctx), "run", func(r row) (none struct{}, err error) { err = r.Scan(&workflow, &number, &depth); return none, err }, versionOfRun, id)
	return workflow, number, depth, err
}

// RunFilter narrows a list of runs; zero values do not.
type RunFilter struct {
	WorkflowID model.WorkflowID
	AudienceID model.AudienceID
	EventID    model.EventID // that started it
	Status     model.RunStatus
	Query      string // a part of the subject
}

// Runs lists runs, newest first.
func (s *Store) Runs(ctx context.Context, f RunFilter, p Page) ([]model.Run, string, error) {
	q := selecting("SELECT " + runColumns + runTables)
	q.and(f.WorkflowID != "", "r.workflow_id = ?", f.WorkflowID)
	q.and(f.AudienceID != "", "r.audience_id = ? AND r.audience_id <> ''", f.AudienceID)
	q.and(f.EventID != "", "r.event_id = ? AND r.event_id <> ''", f.EventID)
	switch f.Status {
	case "":
	case model.RunCompleted:
		q.and(true, "r.status = 'completed'")
	default: // literals, so that the partial index fits
		q.and(isRunStatus(f.Status), "r.status = '"+string(f.Status)+"' AND r.status <> 'completed'")
		q.and(!isRunStatus(f.Status), "r.id = ''")
	}
	q.and(f.Query != "", `r.subject LIKE '%' || ? || '%' ESCAPE '\'`, like(f.Query))
	list, next, err := page(s.reader(ctx), q, p, keyed{"r.id", "run_"}, scanRun, func(x model.Run) string { return string(x.ID) })
	if err == nil {
		err = s.webhooksOf(ctx, list)
	}
	return list, next, err
}

func isRunStatus(s model.RunStatus) bool {
	for _, x := range model.RunStatuses() {
		if x == s {
			return true
		}
	}
	return false
}
