package jobs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/inbound"
	"waybill/jobs/script"
)

// The parts of an endpoint that can be templates.
const (
	partEvent       = "event"
	partSubject     = "subject"
	partCorrelation = "completes.correlation"
	partDecision    = "completes.decision"
	partMapping     = "mapping"
	partBody        = "response.body"
	partHeader      = "response.headers["
)

// mappingParts are the texts of e that hold tags, the mapping last: what it computes the others cannot see.
func mappingParts(e model.InboundEndpoint) []script.Part {
	var out []script.Part
	add := func(name string, place script.Place, source string) {
		if !script.Plain(source) {
			out = append(out, script.Part{Name: name, Place: place, Source: source})
		}
	}
	add(partEvent, script.Text, e.Event)
	add(partSubject, script.Text, e.Subject)
	if c := e.Effects.Completes; c != nil {
		add(partCorrelation, script.Text, c.Correlation)
		add(partDecision, script.Text, c.Decision)
	}
	if e.Mapping != "" {
		out = append(out, script.Part{Name: partMapping, Place: script.JSONBody, Source: e.Mapping})
	}
	return out
}

func responseParts(r model.InboundResponse) []script.Part {
	if r.Mode == model.ResponseAck {
		return nil
	}
	var out []script.Part
	for i, h := range r.Headers {
		out = append(out, script.Part{Name: partHeader + strconv.Itoa(i) + "].value", Place: script.Header, Source: h.Value})
	}
	place := script.Text
	if strings.Contains(r.ContentType, "json") {
		place = script.JSONBody
	}
	return append(out, script.Part{Name: partBody, Place: place, Source: r.Body})
}

func templatesOf(e model.InboundEndpoint) (t templates) {
	version := string(e.ID) + "@" + strconv.FormatInt(e.Version, 10)
	if parts := mappingParts(e); len(parts) > 0 {
		t.mapping = &script.Template{Version: version, Parts: parts}
	}
	if parts := responseParts(e.Response); len(parts) > 0 {
		t.response = &script.Template{Version: version + "/response", Parts: parts}
	}
	return t
}

// CheckInbound cleans and checks an endpoint. secrets are those that were typed; those in e.Secrets are kept.
func (s *Service) CheckInbound(e *model.InboundEndpoint, secrets model.Secrets) error {
	e.Clean()
	var bad fault.Check
	bad.Join("", e.Check())
	for name, text := range secrets {
		if text != "" && !slices.Contains(e.Verification.SecretNames(), name) {
			bad.Add("verification."+name, "Calls that are verified in this way need no such secret.")
		}
		if len(text) > 8192 {
			bad.Add("verification."+name, "At most 8,192 characters.")
		}
	}
	if w := inbound.CheckPublicKey(e.Verification); w != nil {
		bad.Add("verification.public_key", "%s", w)
	}
	if names := e.Verification.SecretNames(); len(names) > 0 && secrets[names[0]] == "" && !e.HasSecret(names[0]) && e.Verification.PublicKey == "" {
		if e.Verification.Preset == model.PresetBasic {
			bad.Add("verification.secret", "Type the password that callers give.")
		} else {
			bad.Add("verification.secret", "Type the secret that calls are signed with.")
		}
	}
	if err := s.checkInboundEffects(&bad, *e); err != nil {
		return err
	}
	if len(e.Mapping) <= model.MaxTemplate && len(e.Response.Body) <= model.MaxTemplate {
		for _, parts := range [][]script.Part{mappingParts(*e), responseParts(e.Response)} {
			for _, p := range s.checkParts(parts) {
				bad.Add(p.Part, "%s", placed(p))
			}
		}
	}
	return bad.Err()
}

func placed(p script.Problem) *fault.Words {
	if p.Line > 0 {
		return fault.Say("Line %d, column %d: %s", p.Line, p.Column, fault.Text(p.Message))
	}
	return fault.Text(p.Message)
}

// input is the JSON text of `it` for one item of a call (SEMANTICS 1).
func (x *reception) input(item inbound.Item, raw bool, more string) []byte {
	b := make([]byte, 0, len(item.Data)+1024)
	b = append(append(append(b, `{"data":[`...), item.Data...), `],"events":[],"request":{"method":`...)
	b = appendText(b, x.r.Method)
	b = append(b, `,"headers":{`...)
	names := make([]string, 0, len(x.r.Header))
	for name := range x.r.Header {
		if !inbound.Masked(name, x.a.route.Verification) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		b = pair(b, i, strings.ToLower(name), strings.Join(x.r.Header[name], ", "))
	}
	b = append(b, `},"query":{`...)
	names = names[:0]
	for name := range x.r.Query {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		b = pair(b, i, name, strings.Join(x.r.Query[name], ", "))
	}
	b = append(b, `},"content_type":`...)
	b = appendText(b, x.r.Header.Get("Content-Type"))
	if raw {
		b = append(b, `,"raw":`...)
		if utf8.Valid(x.r.Body) {
			b = appendText(b, string(x.r.Body))
		} else {
			b = appendText(b, base64.StdEncoding.EncodeToString(x.r.Body))
		}
	}
	return append(append(append(b, '}'), more...), '}')
}

func pair(b []byte, i int, name, value string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return appendText(append(appendText(b, name), ':'), value)
}

func appendText(b []byte, s string) []byte {
	q, _ := json.Marshal(strings.ToValidUTF8(s, "\uFFFD")) // a string always encodes
	return append(b, q...)
}

// readsRaw reports whether a template may look at the body as it came; most do not, and are spared a second copy.
func readsRaw(t *script.Template) bool {
	return slices.ContainsFunc(t.Parts, func(p script.Part) bool { return strings.Contains(p.Source, "request") })
}

// mapAll renders the templates for every item of the call. Its error says that they could not be rendered now.
func (x *reception) mapAll(ctx context.Context) (outcome, error) {
	out := outcome{state: model.CallAccepted}
	for i, item := range x.content.Items {
		m, stop, err := x.mapOne(ctx, item, i, x.s.pool.Render)
		if err != nil {
			return outcome{}, err
		}
		if stop != nil && stop.state == model.CallSkipped {
			out.reason = stop.reason
			continue
		}
		if stop != nil {
			if len(x.content.Items) > 1 {
				stop.reason = "Event " + strconv.Itoa(i+1) + " of the batch: " + stop.reason
			}
			return *stop, nil
		}
		out.values = append(out.values, m)
	}
	if len(out.values) == 0 {
		out.state = model.CallSkipped
	}
	return out, nil
}

type renderer func(context.Context, script.Job) (script.Output, error)

// mapOne renders the templates for one item; not nil stop: the item causes nothing, and why.
func (x *reception) mapOne(ctx context.Context, item inbound.Item, i int, render renderer) (m mapped, stop *outcome, err error) {
	t := x.a.route.templates.mapping
	job := script.Job{Template: t, Input: x.input(item, readsRaw(t), ""), Now: x.at, Seed: string(x.call.ID) + "/" + strconv.Itoa(i)}
	res, err := render(ctx, job)
	var problem *script.Problem
	var lost *script.Lost
	switch {
	case errors.As(err, &problem):
		return m, &outcome{state: model.CallFailed, reason: title(problem.Part) + ": " + problem.Message, line: problem.Line, column: problem.Column}, nil
	case errors.As(err, &lost):
		return m, &outcome{state: model.CallFailed, reason: lost.Message}, nil
	case err != nil:
		return m, nil, err
	case res.Skip:
		return m, &outcome{state: model.CallSkipped, reason: res.SkipReason}, nil
	}
	m, stop = x.rendered(item, t, res.Parts)
	return m, stop, nil
}

// title names a part at the beginning of a sentence.
func title(part string) string {
	switch part {
	case partEvent:
		return "Event name"
	case partSubject:
		return "Subject"
	case partCorrelation:
		return "Correlation value"
	case partDecision:
		return "Decision"
	}
	return "Mapping"
}

// rendered puts what the templates gave in the place of the item's own.
func (x *reception) rendered(item inbound.Item, t *script.Template, parts []string) (m mapped, stop *outcome) {
	e := x.a.route.InboundEndpoint
	name, subject, data := e.Event, e.Subject, item.Data
	if c := e.Effects.Completes; c != nil {
		m.values = effectValues{c.Correlation, c.Decision}
	}
	for i, p := range t.Parts {
		switch text := parts[i]; p.Name {
		case partEvent:
			name = strings.TrimSpace(text)
		case partSubject:
			subject = strings.TrimSpace(text)
		case partCorrelation:
			m.values.correlation = strings.TrimSpace(text)
		case partDecision:
			m.values.decision = strings.TrimSpace(text)
		case partMapping:
			if err := inbound.CheckJSON([]byte(text)); err != nil {
				return m, &outcome{state: model.CallFailed, reason: "Mapping: what it makes is not JSON. " + fault.Of(err).Message}
			}
			data = json.RawMessage(text)
		}
	}
	m.event = x.event(item, name, subject, data)
	if !e.Raises() {
		return m, nil
	}
	if w := model.CheckEventName(m.event.Name); w != "" {
		return m, &outcome{state: model.CallFailed, reason: "The event's name “" + cut(m.event.Name, 200) + "” cannot be used: " + w}
	}
	if strings.HasPrefix(m.event.Name, model.InternalEventPrefix) {
		return m, &outcome{state: model.CallFailed, reason: "Events whose names begin with " + model.InternalEventPrefix + " are raised by Waybill itself."}
	}
	if len(data) > model.MaxEvent {
		return m, &outcome{state: model.CallFailed, reason: "The mapping makes more than 1 MiB."}
	}
	return m, nil
}

// again is a call as it was stored, on its way once more.
func (s *Service) again(ctx context.Context, ref db.CallRef) (*reception, error) {
	c, err := s.o.Store.InboundCall(ctx, ref.Endpoint, ref.ID)
	if err != nil {
		return nil, err
	}
	all, err := s.gate.current(ctx)
	if err != nil {
		return nil, err
	}
	r := all.byID[ref.Endpoint]
	if r == nil {
		return nil, fault.Absent("inbound endpoint")
	}
	x := &reception{s: s, a: &Admission{route: r, key: c.KeyID, gate: &s.gate}, at: s.o.Now(), call: c, state: c.State}
	x.r = requestOf(c)
	x.content, err = inbound.Read(x.r.Header, x.r.Body)
	return x, err
}

// requestOf is the request that a stored call was.
func requestOf(c model.InboundCall) inbound.Request {
	r := inbound.Request{Method: c.Method, Header: http.Header{}, Body: c.Body}
	for _, h := range c.Headers {
		if h.Value != model.Mask {
			r.Header.Add(h.Name, h.Value)
		}
	}
	r.Query, r.Address = parseQuery(c.Query), parseAddress(c.Address)
	return r
}

// mapLater queues a call whose mapping was not rendered in time. When there are too many, those that are left out are
// found in the database.
func (s *Service) mapLater(ref db.CallRef) {
	select {
	case s.toMap <- ref:
	default:
		s.mapsLeft.Store(true)
	}
}

// searchMappings is when the database is asked for calls that are still to be mapped, after some could not be.
const searchMappings = 15 * time.Second

// keepMapping renders what was accepted without its mapping.
func (s *Service) keepMapping() {
	tick := time.NewTimer(0) // what the last process left
	defer tick.Stop()
	for {
		done := true
		select {
		case <-s.stopped:
			return
		case ref := <-s.toMap:
			done = s.mapNow(ref)
		case <-tick.C:
			done = s.mapLeft()
		}
		if left := s.mapsLeft.Swap(false); left || !done {
			tick.Reset(searchMappings)
		}
	}
}

// mapLeft renders what the database says is still to be mapped; false: some of it could not be.
func (s *Service) mapLeft() bool {
	all := true
	for after := model.ReceiptID(""); ; {
		refs, err := s.o.Store.MappingCalls(context.Background(), after)
		if err != nil {
			s.o.Log.Warn("calls that are to be mapped could not be read", "error", err)
			return false
		}
		for _, ref := range refs {
			if after = ref.ID; s.halted() {
				return false
			}
			all = s.mapNow(ref) && all
		}
		if len(refs) == 0 {
			return all
		}
	}
}

func (s *Service) halted() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

// mapPatience bounds waiting for a worker.
const mapPatience = 30 * time.Second

// mapNow renders the mapping of a stored call and settles it; false: it is still to be done.
func (s *Service) mapNow(ref db.CallRef) bool {
	ctx, stop := context.WithTimeout(context.Background(), mapPatience)
	defer stop()
	x, err := s.again(ctx, ref)
	if fault.Is(err, fault.NotFound) {
		return true
	}
	if err == nil && x.state != model.CallMapping {
		return true
	}
	if err == nil {
		_, err = x.settle(ctx)
	}
	if err != nil && !fault.Is(err, fault.Conflict) {
		s.o.Log.Warn("an inbound call could not be mapped; it is tried again", "receipt", ref.ID, "error", err)
		return false
	}
	s.inboundWatch.tell()
	return true
}

// settle works out anew what a stored call causes, and commits that.
func (x *reception) settle(ctx context.Context) (db.Received, error) {
	made := x.unmapped()
	if x.a.route.templates.mapping != nil {
		var err error
		if made, err = x.mapAll(ctx); err != nil {
			return db.Received{}, err
		}
	}
	done, err := x.commit(ctx, made)
	if err == nil {
		x.s.notes.count(x.call.EndpointID, done.Call.State, x.at)
	}
	return done, err
}

// ReplayCall does a stored call again, with the endpoint as it now is. One that had caused nothing yet keeps its receipt;
// any other gets a new one.
func (s *Service) ReplayCall(ctx context.Context, actor model.Actor, endpoint model.InboundID, id model.ReceiptID) (model.InboundCall, error) {
	if err := s.accepting(ctx); err != nil {
		return model.InboundCall{}, err
	}
	x, err := s.again(ctx, db.CallRef{Endpoint: endpoint, ID: id})
	if err != nil {
		return model.InboundCall{}, err
	}
	switch x.call.State {
	case model.CallRefused, model.CallHandshake, model.CallDuplicate:
		return x.call, fault.Coded(fault.Conflict, "not_accepted", "This call was not accepted, so there is nothing to do again.")
	case model.CallMapping:
		return x.call, fault.Coded(fault.Conflict, "in_work", "This call is just being mapped; wait for the outcome.")
	case model.CallAccepted:
		x.state, x.call.FirstID, x.call.ID = "", x.call.ID, model.NewReceiptID(x.at)
		x.call.CreatedAt, x.call.Events, x.call.Runs = x.at, nil, nil
	}
	if x.call.Size > 0 && len(x.call.Body) == 0 {
		return x.call, fault.Coded(fault.Conflict, "body_gone", "The body of this call is no longer kept.")
	}
	x.again = actor
	done, err := x.settle(ctx)
	s.inboundWatch.tell()
	return done.Call, err
}
