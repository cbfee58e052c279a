package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/deliver"
	"waybill/jobs/dispatch"
	"waybill/jobs/flow"
)

// stepTarget is what the queue of a step's webhook or request is allowed.
func (s *Service) stepTarget(model.TargetID) dispatch.Target {
	return dispatch.Target{MaxInFlight: model.DefaultMaxInFlight, Schedule: model.DefaultSchedule()}
}

// stepSetup is all that a message of a step needs: from the version that its run keeps; secrets and integrations as
// they are now.
func (s *Service) stepSetup(ctx context.Context, w *model.Work) (*deliver.Setup, error) {
	workflow, _, _, is := w.Delivery.TargetID.Step()
	number, depth, err := w.Definition, w.Event.Depth, error(nil)
	if !is || number == 0 {
		if workflow, number, depth, err = s.o.Store.VersionOf(ctx, w.Delivery.RunID); err != nil {
			return nil, err
		}
	}
	snap, err := s.routing.current(ctx)
	if err != nil {
		return nil, err
	}
	key := stepKey{workflow, number, w.Delivery.Step, w.Delivery.WebhookID}
	u, ok := snap.steps.Load(key)
	if !ok {
		made, err := s.prepareStep(ctx, snap, key)
		if err != nil {
			return nil, err
		}
		u = made
		snap.steps.Store(key, u)
	}
	one := *u.(*deliver.Setup)
	one.Depth = depth + 1
	return &one, nil
}

// stepKey names a message of a version.
type stepKey struct {
	workflow model.WorkflowID
	number   int64
	step     string
	webhook  model.WebhookID // "" = the step's own request
}

func (s *Service) prepareStep(ctx context.Context, snap *snapshot, key stepKey) (*deliver.Setup, error) {
	p, err := s.programs.of(key.workflow, key.number, s.readVersion(ctx))
	if err != nil {
		return nil, err
	}
	def, ok := p.Definition.Step(key.step)
	if !ok {
		return nil, fault.Absent("step")
	}
	if key.webhook != "" {
		hook, ok := def.Webhook(key.webhook)
		if !ok {
			return nil, fault.Absent("webhook")
		}
		return s.webhookSetup(ctx, snap, key, hook)
	}
	r, err := s.specOf(ctx, def)
	if err != nil {
		return nil, err
	}
	return s.requestSetup(ctx, snap, key, def, r)
}

// requestOf is the request of an outgoing step.
func (s *Service) requestOf(ctx context.Context, def model.Step) (model.Request, error) {
	x, err := s.specOf(ctx, def)
	return x.Request, err
}

// specOf is the request of an outgoing step: its own, or that of its integration, with its form, as it is published now. A
// step that sends to a destination has none.
func (s *Service) specOf(ctx context.Context, def model.Step) (model.IntegrationSpec, error) {
	if def.IntegrationID == "" {
		if def.Request == nil {
			return model.IntegrationSpec{}, fault.Absent("request")
		}
		return model.IntegrationSpec{Request: *def.Request}, nil
	}
	n, err := s.o.Store.Integration(ctx, def.IntegrationID)
	if err != nil {
		return model.IntegrationSpec{}, err
	}
	if n.Live == nil {
		return model.IntegrationSpec{}, fault.New(fault.Conflict, "The integration “%s” is not published.", n.Name)
	}
	return *n.Live, nil
}

func (s *Service) requestSetup(ctx context.Context, snap *snapshot, key stepKey, def model.Step, spec model.IntegrationSpec) (*deliver.Setup, error) {
	r := spec.Request
	base, path := model.SplitURL(r.URL)
	u := deliver.Setup{
		Connection: model.Connection{Type: model.ConnectionCustomHTTP, BaseURL: base, TimeoutSeconds: r.TimeoutSeconds},
		Destination: model.Destination{ID: model.DestID(model.StepTarget(key.workflow, key.step, "")), Version: key.number, Name: r.Name, Method: r.Method, ContentType: r.ContentType,
			Path: path, Headers: r.Headers, Template: r.Body}}
	if def.IntegrationID != "" {
		u.Destination.Version = 0 // as published now: the text is the template's identity
		u.Input, _ = inputs(spec.Fields, def.Input)
	}
	if r.CredentialID == "" {
		return u.Ready(), nil
	}
	c, ok := snap.Credentials[r.CredentialID]
	if !ok {
		return nil, fault.Absent("credential")
	}
	var err error
	u.Credential = c
	if u.Secrets, err = s.o.Store.OpenCredential(ctx, c.ID); err != nil {
		return nil, fmt.Errorf("open the credential: %w", err)
	}
	return u.Ready(), nil
}

// webhookSetup is the set-up of a step webhook. Its own secrets make a credential that exists only here.
func (s *Service) webhookSetup(ctx context.Context, snap *snapshot, key stepKey, hook model.Webhook) (*deliver.Setup, error) {
	base, path := model.SplitURL(hook.URL)
	u := deliver.Setup{
		Connection: model.Connection{Type: model.ConnectionWebhook, BaseURL: base, TimeoutSeconds: model.DefaultTimeout},
		Destination: model.Destination{ID: model.DestID(model.StepTarget(key.workflow, key.step, hook.ID)), Version: key.number, Name: hook.Name, Method: http.MethodPost,
			ContentType: model.DefaultContentType, Path: path}}
	var err error
	if hook.Sign {
		if u.Signing, err = s.o.Store.WorkflowSecret(ctx, key.workflow); err != nil {
			return nil, fmt.Errorf("open the signing secret: %w", err)
		}
	}
	var own model.Secrets
	switch hook.Auth.Type {
	case model.AuthClientSecret, model.AuthBasic:
		if own, err = s.o.Store.WebhookSecrets(ctx, hook.ID); err != nil {
			return nil, fmt.Errorf("open the secret of the webhook: %w", err)
		}
	}
	switch hook.Auth.Type {
	case model.AuthClientSecret:
		u.ClientSecret = own[model.AuthSecret]
	case model.AuthBasic:
		u.Credential = model.Credential{ID: model.CredentialID(hook.ID), Version: snap.Version, Type: model.CredentialBasic, Config: model.Config{"username": hook.Auth.Username}}
		u.Secrets = model.Secrets{"password": own[model.AuthPassword]}
	case model.AuthCredential:
		c, ok := snap.Credentials[hook.Auth.CredentialID]
		if !ok {
			return nil, fault.Absent("credential")
		}
		secrets, err := s.o.Store.OpenCredential(ctx, c.ID)
		if err != nil {
			return nil, fmt.Errorf("open the credential: %w", err)
		}
		if c.Type == model.CredentialClientSecret {
			u.ClientSecret = secrets["secret"]
		} else {
			u.Credential, u.Secrets = c, secrets
		}
	}
	return u.Ready(), nil
}

// stepOutcome tells a run what became of a message of its outgoing step, and raises the events of it, in the
// transaction that records the outcome. Messages of webhooks never block and are told nothing of.
func (s *Service) stepOutcome(tx *db.Tx, d model.Delivery, o model.Outcome) error {
	first, settled := o.Attempt != nil && d.Attempts == 0, o.Status.Settled()
	if d.WebhookID != "" || (!first && !settled) {
		return nil
	}
	run, err := tx.Run(d.RunID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := s.programs.of(run.WorkflowID, run.Definition, tx.WorkflowVersion)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	x := report{run: &run, step: d.Step, delivery: d, outcome: o}
	x.def, _ = p.Definition.Step(d.Step)
	if x.def.IntegrationID != "" {
		r, err := s.requestOf(context.Background(), x.def)
		if err != nil && fault.Of(err) == nil {
			return err
		}
		x.spec = &r
	}
	st := run.Step(d.StepRunID)
	waits := st != nil && st.Status == model.StepWaiting
	if first {
		if err := s.raiseFor(tx, x, model.EventRequest, false); err != nil {
			return err
		}
	}
	if !settled || !waits {
		return nil
	}
	name := model.EventResponse
	if r := x.request(); r != nil {
		name = r.ResponseEvent()
	}
	if err := s.raiseFor(tx, x, name, x.request() == nil || x.request().ShowsBody()); err != nil {
		return err
	}
	sig := flow.Signal{What: flow.Settled, StepRun: d.StepRunID, Status: o.Status, Error: o.Error, UserMessage: o.Message}
	if o.Attempt != nil && o.Attempt.StatusCode != 0 {
		sig.Response = response(o.Attempt)
	}
	if o.Status == model.Cancelled && sig.Error == "" {
		sig.Error = "The delivery was cancelled."
	}
	_, err = s.advance(tx, p, run, sig)
	return err
}

// report is what an event of an outgoing step tells of.
type report struct {
	run      *model.Run
	def      model.Step
	step     string
	spec     *model.Request
	delivery model.Delivery
	outcome  model.Outcome
}

func (x report) request() *model.Request {
	if x.spec != nil {
		return x.spec
	}
	return x.def.Request
}

// name is the webhook's name, else the step's.
func (x report) name() string {
	if r := x.request(); r != nil && r.Name != "" {
		return r.Name
	}
	return cmp.Or(x.delivery.Destination, x.def.Name)
}

// raiseFor raises an event of an outgoing step. One that is refused is logged: the outcome must be recorded all the same.
func (s *Service) raiseFor(tx *db.Tx, x report, name string, body bool) error {
	_, err := s.raise(tx, NewEvent{Name: name, Subject: x.run.Subject, Data: x.data(body), Depth: x.run.Depth + 1, Traceparent: s.tracer.Step(x.run, x.delivery.StepRunID)})
	if fault.Of(err) != nil {
		s.o.Log.Warn("an event of an outgoing step was refused", "event", name, "run", x.run.ID, "error", err)
		return nil
	}
	return err
}

// Limits of the data of such an event (SEMANTICS 5).
const (
	mostKeys  = 500
	mostBytes = 64 << 10
)

// data is flat, with literal keys.
func (x report) data(body bool) []byte {
	f := flat{b: []byte{'{'}}
	a := x.outcome.Attempt
	status, words, address := 0, "", ""
	if a != nil {
		status, address = a.StatusCode, a.URL
		if words = http.StatusText(status); status == 0 {
			words = string(a.Class)
		}
	}
	if address == "" && x.request() != nil {
		address = x.request().URL
	}
	f.add("status", plainJSON(status))
	f.add("statusDescription", plainJSON(words))
	f.add("error", plainJSON(x.outcome.Error))
	f.add("name", plainJSON(x.name()))
	f.add("req.url", plainJSON(address))
	f.add("workflow.id", plainJSON(x.run.WorkflowID))
	f.add("workflow.name", plainJSON(x.run.Workflow))
	f.add("step.key", plainJSON(x.step))
	f.add("step.name", plainJSON(x.def.Name))
	f.add("run.id", plainJSON(x.run.ID))
	f.add("run.number", plainJSON(x.run.Number))
	if body && a != nil && status != 0 {
		f.flatten("body", parsed(a.Response))
	}
	if f.cut {
		f.cut = false
		f.b = append(f.b, `,"bodyTruncated":true`...)
	}
	return append(f.b, '}')
}

// flat builds an object with literal keys, within bounds.
type flat struct {
	b    []byte
	keys int
	cut  bool
}

func (f *flat) add(key string, value []byte) {
	if f.cut || f.keys >= mostKeys || len(f.b)+len(key)+len(value) > mostBytes {
		f.cut = true
		return
	}
	if f.keys > 0 {
		f.b = append(f.b, ',')
	}
	f.keys++
	f.b = append(append(append(f.b, plainJSON(key)...), ':'), value...)
}

// flatten adds what a value holds under keys such as body.a[0].b.
func (f *flat) flatten(key string, value json.RawMessage) {
	value = bytes.TrimSpace(value)
	if f.cut || len(value) == 0 {
		return
	}
	switch value[0] {
	case '{':
		some := false
		eachMember(value, func(name string, v json.RawMessage) bool {
			some = true
			f.flatten(key+"."+name, v)
			return !f.cut
		})
		if !some {
			f.add(key, value)
		}
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil || len(list) == 0 {
			f.add(key, value)
			return
		}
		for i, v := range list {
			f.flatten(key+"["+strconv.Itoa(i)+"]", v)
			if f.cut {
				return
			}
		}
	default:
		f.add(key, value)
	}
}

// response is an answer as conditions and later steps see it.
func response(a *model.Attempt) *model.Response {
	r := &model.Response{Status: a.StatusCode, Headers: map[string]string{}, Body: parsed(a.Response)}
	for _, h := range a.Response.Headers {
		if was, twice := r.Headers[h.Name]; twice {
			r.Headers[h.Name] = was + ", " + h.Value
		} else {
			r.Headers[h.Name] = h.Value
		}
	}
	return r
}

// parsed is a body as JSON: itself when it is, else a text.
func parsed(m model.Message) json.RawMessage {
	if len(m.Body) == 0 {
		return json.RawMessage(`null`)
	}
	if !m.Truncated && json.Valid(m.Body) {
		var b bytes.Buffer
		if json.Compact(&b, m.Body) == nil {
			return b.Bytes()
		}
	}
	text := m.Body
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	return plainJSON(string(text))
}
