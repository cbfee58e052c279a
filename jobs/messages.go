package jobs

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"waybill/db"
	"waybill/db/model"
	"waybill/jobs/flow"
)

// messages makes the deliveries that effects ask for and notes them in the run. The body of a step webhook is made here,
// as the run stands in this transaction; its client secret comes in when it is sent.
func (s *Service) messages(tx *db.Tx, p *program, run *model.Run, effects []flow.Effect) []model.Work {
	var out []model.Work
	for _, e := range effects {
		st := run.Step(e.StepRun)
		if e.Do != flow.Notify && e.Do != flow.Send {
			continue
		}
		def, _ := p.Definition.Step(st.Key)
		d := model.Delivery{ID: model.NewDeliveryID(tx.Now()), TargetID: model.StepTarget(run.WorkflowID, st.Key, e.Webhook), Lane: run.Lane, RunID: run.ID, Step: st.Key,
			StepRunID: st.ID, WebhookID: e.Webhook}
		w := model.Work{Delivery: d, Definition: run.Definition, Event: model.Event{Depth: run.Depth, Traceparent: s.tracer.Step(run, st.ID)}}
		if e.Do == flow.Notify {
			hook, _ := def.Webhook(e.Webhook)
			st.Webhooks = append(st.Webhooks, model.WebhookDelivery{ID: hook.ID, Name: hook.Name, Trigger: hook.Trigger, Status: model.Pending, DeliveryID: d.ID})
			w.Payload = webhookBody(p, run, st, hook, tx.Now())
		} else {
			st.DeliveryID = d.ID
			if def.DestinationID != "" {
				s.toDestination(&w.Delivery, def.DestinationID, run.Subject)
			}
			w.Payload = flow.Input(p.Definition, run, st)
		}
		out = append(out, w)
	}
	return out
}

// toDestination sends a delivery to a destination instead of an address of the step.
func (s *Service) toDestination(d *model.Delivery, id model.DestID, subject string) {
	d.DestinationID, d.TargetID = id, model.TargetID(id)
	if snap := s.routing.now.Load(); snap != nil {
		if dest, ok := snap.Destinations[id]; ok {
			d.TargetID, d.Ordered, d.OrderKey = dest.Target(), dest.Ordered, subject
		}
	}
}

// plainJSON encodes v without escaping what HTML would need.
func plainJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte("null") // our own types, always encodable
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// The message of a step webhook (CONTRACT).
type webhookMessage struct {
	Type      string          `json:"type"`
	Timestamp string          `json:"timestamp"`
	Webhook   messageWebhook  `json:"webhook"`
	Workflow  messageWorkflow `json:"workflow"`
	Run       messageRun      `json:"run"`
	Step      messageStep     `json:"step"`
	Previous  *messageStep    `json:"previous_step,omitempty"`
	Befores   []messageStep   `json:"previous_steps,omitempty"` // after a join: all of them
}

type messageWebhook struct {
	ID   model.WebhookID `json:"id"`
	Name string          `json:"name"`
}

type messageWorkflow struct {
	ID      model.WorkflowID `json:"id"`
	Name    string           `json:"name"`
	Version int64            `json:"version"`
}

type messageRun struct {
	ID        model.RunID `json:"id"`
	Number    int64       `json:"number"`
	Subject   string      `json:"subject"`
	Initiator string      `json:"initiator"`
}

type messageStep struct {
	ID          model.StepRunID   `json:"id,omitempty"`
	Key         string            `json:"key"`
	Name        string            `json:"name,omitempty"`
	Kind        string            `json:"kind"`
	Status      model.StepStatus  `json:"status,omitempty"`
	Actor       string            `json:"actor"`
	CompletedAt *string           `json:"completed_at"`
	Fields      []messageField    `json:"fields"`
	Decisions   []messageDecision `json:"decisions"`
	Output      model.Data        `json:"output,omitempty"`
	Response    *model.Response   `json:"response,omitempty"`
	Error       string            `json:"error,omitempty"`
}

type messageField struct {
	Key   string          `json:"key"`
	Name  string          `json:"name"`
	Type  model.FieldType `json:"type"`
	Value any             `json:"value"`
}

type messageDecision struct {
	Actor    string `json:"actor"`
	Decision string `json:"decision"`
	Comment  string `json:"comment"`
	At       string `json:"at"`
}

// webhookBody is the body of one message, without a client secret.
func webhookBody(p *program, run *model.Run, st *model.StepRun, hook model.Webhook, now time.Time) []byte {
	m := webhookMessage{Type: "step." + string(hook.Trigger), Timestamp: model.Stamp(now), Webhook: messageWebhook{hook.ID, hook.Name},
		Workflow: messageWorkflow{run.WorkflowID, run.Workflow, p.Number}, Run: messageRun{run.ID, run.Number, run.Subject, run.Initiator}, Step: tellStep(st)}
	if hook.Trigger == model.OnCreated {
		before := previous(run, st)
		m.Previous = &before[len(before)-1]
		if len(before) > 1 {
			m.Befores = before
		}
	}
	return plainJSON(m)
}

// previous are the steps that led to st, the one that was completed last at the end; without any it is the trigger.
func previous(run *model.Run, st *model.StepRun) []messageStep {
	var before []*model.StepRun
	for _, id := range st.Previous {
		if b := run.Step(id); b != nil {
			before = append(before, b)
		}
	}
	if len(before) == 0 {
		return []messageStep{tellTrigger(run)}
	}
	slices.SortStableFunc(before, func(a, b *model.StepRun) int { return ended(a).Compare(ended(b)) })
	out := make([]messageStep, len(before))
	for i, b := range before {
		out[i] = tellStep(b)
	}
	return out
}

func ended(st *model.StepRun) time.Time {
	if st.CompletedAt == nil {
		return time.Time{}
	}
	return *st.CompletedAt
}

func tellStep(st *model.StepRun) messageStep {
	m := messageStep{ID: st.ID, Key: st.Key, Name: st.Name, Kind: string(st.Kind), Status: st.Status, Actor: st.Actor, Fields: tellFields(st.Fields),
		Decisions: []messageDecision{}, Output: st.Output, Response: st.Response, Error: st.Error}
	if st.CompletedAt != nil {
		at := model.Stamp(*st.CompletedAt)
		m.CompletedAt = &at
	}
	for _, d := range st.Decisions {
		m.Decisions = append(m.Decisions, messageDecision{d.Actor, d.Decision, d.Comment, model.Stamp(d.At)})
	}
	return m
}

// tellTrigger is what started the run, as a step before the first: what its form was filled in with, else its data.
func tellTrigger(run *model.Run) messageStep {
	at := model.Stamp(run.CreatedAt)
	m := messageStep{Key: model.TriggerKey, Kind: string(run.Trigger), Actor: run.Initiator, CompletedAt: &at, Fields: tellFields(run.Form), Decisions: []messageDecision{}}
	if run.CreatedAt.IsZero() {
		m.CompletedAt = nil
	}
	if len(run.Form) > 0 {
		return m
	}
	eachMember(run.Data, func(key string, value json.RawMessage) bool {
		m.Fields = append(m.Fields, messageField{key, key, model.TypeJSON, value})
		return true
	})
	return m
}

func tellFields(list []model.FieldValue) []messageField {
	out := make([]messageField, len(list))
	for i, f := range list {
		out[i] = messageField(f)
	}
	return out
}

// eachMember gives the members of a JSON object in their order until fn says false. Anything else has none.
func eachMember(object []byte, fn func(key string, value json.RawMessage) bool) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return
	}
	for dec.More() {
		key, err := dec.Token()
		name, isText := key.(string)
		var value json.RawMessage
		if err != nil || !isText || dec.Decode(&value) != nil || !fn(name, value) {
			return
		}
	}
}
