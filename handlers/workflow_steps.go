package handlers

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func (h *Handlers) stepRoutes() []web.Route {
	view, manage, id := model.Workflows.View(), model.Workflows.Manage(), href.Pattern
	return []web.Route{
		web.Get(view, href.TriggerOf(id), h.showTrigger),
		web.Post(manage, href.TriggerOf(id), h.updateTrigger),
		web.Get(manage, href.NewStep(id), h.newStep),
		web.Post(manage, href.WorkflowSteps(id), h.createStep),
		web.Get(view, href.WorkflowStep(id, ":key"), h.showStep),
		web.Post(manage, href.WorkflowStep(id, ":key"), h.updateStep),
		web.Post(manage, href.TestStep(id, ":key"), h.testStep),
		web.Get(manage, href.DeleteStep(id, ":key"), h.askDeleteStep),
		web.Post(manage, href.DeleteStep(id, ":key"), h.deleteStep),
		web.Post(manage, href.CopyStep(id, ":key"), h.copyStep),
		web.Post(manage, href.MoveStep(id, ":key"), h.moveStep),
		web.Get(manage, href.NewWebhook(id, ":key"), h.newWebhook),
		web.Post(manage, href.NewWebhook(id, ":key"), h.saveWebhook),
		web.Get(view, href.StepWebhook(id, ":key", ":webhook"), h.showWebhook),
		web.Post(manage, href.StepWebhook(id, ":key", ":webhook"), h.saveWebhook),
		web.Post(manage, href.DeleteWebhook(id, ":key", ":webhook"), h.deleteWebhook),
	}
}

// stepAt finds the step that a page is about, and its place.
func (h *Handlers) stepAt(c echo.Context) (w model.Workflow, at int, err error) {
	if w, err = h.workflow(c); err != nil {
		return w, 0, err
	}
	at = slices.IndexFunc(w.Draft.Steps, func(s model.Step) bool { return s.Key == c.Param("key") })
	if at < 0 {
		return w, 0, fault.Absent("step in the draft of this workflow")
	}
	w.Draft = copyOf(w.Draft)
	return w, at, nil
}

func stepBits(status int, w model.Workflow, name string) web.Bits {
	return web.Bits{Status: status, Title: name + " · " + w.Name, Section: "workflows", Crumbs: []ui.Crumb{workflowsCrumb, crumb(w.Name, href.Workflow(w.ID)), {Label: name}}}
}

func (h *Handlers) showStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	s := w.Draft.Steps[at]
	p := views.StepProps{Step: s, Form: views.NewStepForm(w, s, h.may(c, model.Credentials.View()))}
	return h.stepPage(c, http.StatusOK, w, p)
}

// stepPage shows the page of a step as it is typed in p.
func (h *Handlers) stepPage(c echo.Context, status int, w model.Workflow, p views.StepProps) (err error) {
	if p.DesignerProps, err = h.designer(c, w, p.Step.Key); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if p.Request, err = h.requestProps(c, p.Form.Request, p.Problems); err != nil {
		return err
	}
	p.Request.Input = false
	switch {
	case p.Step.Kind == model.StepOutgoing:
		if p.Integrations, _, err = h.Store.Integrations(ctx, db.IntegrationFilter{Published: true}, many); err != nil {
			return err
		}
		if h.may(c, model.Connections.View()) {
			around, err := h.Store.Routing(ctx)
			if err != nil {
				return err
			}
			p.Destinations = choices(around)
		}
	case p.Step.Kind.Human():
		if p.People, err = h.people(c); err != nil {
			return err
		}
	}
	if p.Sample == "" {
		p.Sample = h.sampleData(c, w)
	}
	return h.Page(c, stepBits(status, w, p.Step.Name), views.Step(p))
}

// people are those that can be named as assignees: roles, and the emails of active users.
func (h *Handlers) people(c echo.Context) ([]string, error) {
	users, _, err := h.Store.Users(c.Request().Context(), "", many)
	var out []string
	for _, r := range model.BuiltinRoles() {
		out = append(out, "role:"+r.Name)
	}
	for _, u := range users {
		for _, r := range u.Roles {
			if !slices.Contains(out, "role:"+r) {
				out = append(out, "role:"+r)
			}
		}
		if !u.Disabled {
			out = append(out, u.Email)
		}
	}
	return out, err
}

// sampleData is what a run of w could begin with: the newest event that fits, else its form filled in, else an example.
func (h *Handlers) sampleData(c echo.Context, w model.Workflow) string {
	ctx, t := c.Request().Context(), w.Draft.Trigger
	if t.Kind == model.TriggerEvent && !strings.Contains(t.Event, "*") && h.may(c, model.Events.View()) {
		if list, _, err := h.Store.Events(ctx, db.EventFilter{Name: t.Event}, db.Page{Limit: 1}); err == nil && len(list) == 1 {
			if e, err := h.Store.Event(ctx, list[0].ID); err == nil && e.Data != nil {
				return indented(e.Data)
			}
		}
	}
	return views.SampleOf(t.Fields)
}

// requestProps are the fields of a request with what can be picked.
func (h *Handlers) requestProps(c echo.Context, f views.RequestForm, bad views.Problems) (views.RequestProps, error) {
	p := views.RequestProps{Form: f, Problems: bad, CanDefine: h.may(c, model.Events.Manage()), Input: true}
	var err error
	if h.may(c, model.Events.View()) {
		if p.Events, err = h.eventNames(c); err != nil {
			return p, err
		}
	}
	p.Auth = views.ChooseCredentialProps{Legend: "Authentication", NoneLabel: "No authentication", NoneHint: "Nothing proves who sends it.", Choice: f.Auth, Problems: views.Problems{Fields: map[string]string{}}}
	for name, words := range bad.Fields {
		p.Auth.Problems.Fields[strings.TrimPrefix(name, "request.")] = words
	}
	if err := h.credentialChoices(c, &p.Auth, false); err != nil {
		return p, err
	}
	return p, nil
}

// eventNames are those that are defined, and those that were seen.
func (h *Handlers) eventNames(c echo.Context) ([]string, error) {
	defined, err := h.Store.DefinedEventNames(c.Request().Context())
	if err != nil {
		return nil, err
	}
	seen, err := h.Store.EventNames(c.Request().Context())
	out := append(defined, seen...)
	slices.Sort(out)
	return slices.Compact(out), err
}

// requestTyped reads the fields of a request, and the credential that is made with it.
func (h *Handlers) requestTyped(c echo.Context, in url.Values, was model.CredentialID, bad *fault.Check) (views.RequestForm, model.Request, chosen, error) {
	f := views.RequestForm{Name: in.Get("request_name"), Event: in.Get("request_event"), Method: in.Get("request_method"), URL: in.Get("request_url"),
		ContentType: in.Get("request_content_type"), HeaderNames: in["request_headers_name"], HeaderValues: in["request_headers_value"],
		Body: strings.ReplaceAll(in.Get("request_body"), "\r\n", "\n"), Timeout: in.Get("request_timeout"), BodyInEvent: in.Get("request_body_in_event") == "true"}
	r := model.Request{Name: f.Name, Event: f.Event, Method: f.Method, URL: f.URL, ContentType: f.ContentType, Body: f.Body, TimeoutSeconds: number(bad, "request.timeout_seconds", f.Timeout)}
	for i, name := range f.HeaderNames {
		value := ""
		if i < len(f.HeaderValues) {
			value = f.HeaderValues[i]
		}
		if name != "" || value != "" {
			r.Headers = append(r.Headers, model.Header{Name: strings.TrimSpace(name), Value: value})
		}
	}
	if !f.BodyInEvent {
		r.BodyInEvent = new(false)
	}
	var made chosen
	var err error
	f.Auth, made, err = h.chosenCredential(c, "", was, cmp.Or(r.Name, in.Get("name")), bad)
	r.CredentialID = made.id
	return f, r, made, err
}

// stepTyped is the posted form, and the draft as it would be with it.
type stepTyped struct {
	form  views.StepForm
	w     model.Workflow
	at    int
	made  chosen
	input url.Values
}

// readStep reads the form of a step.
func (h *Handlers) readStep(c echo.Context) (*stepTyped, error) {
	w, at, err := h.stepAt(c)
	if err != nil {
		return nil, err
	}
	in, err := c.FormParams()
	if err != nil {
		return nil, err
	}
	t := &stepTyped{w: w, at: at, input: in}
	s := &t.w.Draft.Steps[at]
	was := *s
	t.form = views.NewStepForm(w, was, h.may(c, model.Credentials.View()))
	f := &t.form
	f.Version, _ = strconv.ParseInt(in.Get("version"), 10, 64)
	f.Key, f.Name, f.WaitForAll, f.NextTo, f.NextWhen = in.Get("key"), in.Get("name"), in.Get("wait_for_all") == "true", in["next_to"], in["next_when"]
	t.w.Version = f.Version
	s.Key, s.Name, s.WaitForAll, s.Next = strings.TrimSpace(f.Key), f.Name, f.WaitForAll, nil
	for i, to := range f.NextTo {
		when := ""
		if i < len(f.NextWhen) {
			when = f.NextWhen[i]
		}
		if to != "" || strings.TrimSpace(when) != "" {
			s.Next = append(s.Next, model.Transition{To: to, When: when})
		}
	}
	var bad fault.Check
	if err := h.readKind(c, t, s, was, &bad); err != nil {
		return t, err
	}
	if s.Key != was.Key && s.Key != "" {
		renameStep(&t.w.Draft, was.Key, s.Key)
	}
	return t, bad.Err()
}

// readKind reads what only steps of this kind have.
func (h *Handlers) readKind(c echo.Context, t *stepTyped, s *model.Step, was model.Step, bad *fault.Check) error {
	f, in := &t.form, t.input
	switch {
	case s.Kind.Human():
		f.Assignees, f.Due, f.Remind, f.RejectTo = in["assignees"], in.Get("due"), in.Get("remind"), in.Get("reject_to")
		s.Assignees = slices.DeleteFunc(slices.Clone(f.Assignees), func(a string) bool { return strings.TrimSpace(a) == "" })
		s.DueSeconds, s.RemindSeconds = span(bad, "due_seconds", f.Due), span(bad, "remind_seconds", f.Remind)
		if s.Kind.Approves() {
			s.OnReject = nil
			if f.RejectTo != "" {
				s.OnReject = &model.OnReject{To: f.RejectTo}
			}
			return nil
		}
		f.Fields = readFields(in, model.FieldTypes())
		s.Fields = f.Fields.Fields()
	case s.Kind == model.StepOutgoing:
		return h.readOutgoing(c, t, s, was, bad)
	case s.Kind == model.StepWait:
		f.WaitFor, f.WaitSpan, f.WaitEvent, f.WaitFilter, f.WaitLimit = in.Get("wait_for"), in.Get("wait_span"), in.Get("wait_event"), in.Get("wait_filter"), in.Get("wait_limit")
		s.Wait = &model.Wait{Seconds: span(bad, "wait.seconds", f.WaitSpan)}
		if f.WaitFor == "event" {
			s.Wait = &model.Wait{Event: f.WaitEvent, Filter: f.WaitFilter, TimeoutSeconds: span(bad, "wait.timeout_seconds", f.WaitLimit)}
		}
	case s.Kind == model.StepScript:
		f.Script = strings.ReplaceAll(in.Get("script"), "\r\n", "\n")
		s.Script = f.Script
	}
	return nil
}

func (h *Handlers) readOutgoing(c echo.Context, t *stepTyped, s *model.Step, was model.Step, bad *fault.Check) (err error) {
	f, in := &t.form, t.input
	f.Send, f.Integrated, f.Dest, f.OnFailure = in.Get("send"), in.Get("integration_id"), in.Get("destination_id"), in.Get("on_failure")
	s.Request, s.IntegrationID, s.DestinationID, s.Input, s.OnFailure = nil, "", "", nil, model.OnFailure(f.OnFailure)
	credential := model.CredentialID("")
	if was.Request != nil {
		credential = was.Request.CredentialID
	}
	var own fault.Check
	var r model.Request
	if f.Request, r, t.made, err = h.requestTyped(c, in, credential, &own); err != nil {
		return err
	}
	f.Input = map[string]string{}
	for name := range in {
		if key, ok := strings.CutPrefix(name, views.InputName("")); ok {
			f.Input[key] = in.Get(name)
		}
	}
	if f.Send != "request" {
		t.made = chosen{}
	}
	switch f.Send {
	case "integration":
		s.IntegrationID = model.IntegrationID(f.Integrated)
		for key, v := range f.Input {
			if v != "" {
				if s.Input == nil {
					s.Input = map[string]any{}
				}
				s.Input[key] = v
			}
		}
	case "destination":
		s.DestinationID = model.DestID(f.Dest)
	default:
		s.Request = &r
		bad.Join("", own.Fields())
	}
	return nil
}

// span reads a span of time that was typed, in seconds.
func span(bad *fault.Check, field, typed string) int64 {
	n, err := views.ParseSpan(typed)
	if err != nil {
		bad.Add(field, "%s", err)
	}
	return n
}

// readFields reads the fields of a form that is being designed. Rows can be removed and moved up.
func readFields(in url.Values, types []model.FieldType) views.FieldsForm {
	out := views.FieldsForm{Types: types, Blank: 1}
	for i := 0; i < model.MaxFields+2; i++ {
		at := func(part string) string { return in.Get(views.FieldInput(i, part)) }
		if !in.Has(views.FieldInput(i, "type")) {
			break
		}
		if at("remove") == "true" {
			continue
		}
		r := views.FieldForm{Key: at("key"), Name: at("name"), Type: at("type"), Default: at("default"), Help: at("help"), Options: strings.ReplaceAll(at("options"), "\r\n", "\n"),
			Min: at("min"), Max: at("max"), Pattern: at("pattern"), Required: at("required") == "true"}
		if strings.TrimSpace(r.Key+r.Name+r.Help+r.Options+r.Default) == "" {
			continue
		}
		out.Rows = append(out.Rows, r)
		if n := len(out.Rows) - 1; at("up") == "true" && n > 0 {
			out.Rows[n-1], out.Rows[n] = out.Rows[n], out.Rows[n-1]
		}
	}
	return out
}

// renameStep has everything in a definition that names a step by its key use the new one.
func renameStep(d *model.Definition, was, is string) {
	words := strings.NewReplacer("steps."+was+".", "steps."+is+".", `steps["`+was+`"]`, `steps["`+is+`"]`)
	for i := range d.Steps {
		s := &d.Steps[i]
		for j := range s.Next {
			if s.Next[j].To == was {
				s.Next[j].To = is
			}
			s.Next[j].When = words.Replace(s.Next[j].When)
		}
		if s.OnReject != nil && s.OnReject.To == was {
			s.OnReject = &model.OnReject{To: is}
		}
		for j, a := range s.Assignees {
			if rest, ok := strings.CutPrefix(a, "field:"+was+"."); ok {
				s.Assignees[j] = "field:" + is + "." + rest
			}
		}
		s.Script = words.Replace(s.Script)
		if s.Wait != nil {
			s.Wait.Filter = words.Replace(s.Wait.Filter)
		}
		if s.Request != nil {
			s.Request.URL, s.Request.Body = words.Replace(s.Request.URL), words.Replace(s.Request.Body)
		}
	}
}

// stepProblems gives complaints about the step at that place the names of its inputs; others stand above the form.
func stepProblems(err error, at int) error {
	f := fault.Of(err)
	if f == nil || f.Kind != fault.Invalid {
		return err
	}
	var bad fault.Check
	prefix := "steps[" + strconv.Itoa(at) + "]."
	for _, x := range f.Fields {
		name, own := strings.CutPrefix(strings.TrimPrefix(x.Name, "draft."), prefix)
		switch {
		case own:
			bad.Add(name, "%s", withoutStep(x.Message))
		case stepPlace.MatchString(x.Name) || strings.HasPrefix(x.Name, "trigger"):
			bad.Add("", "%s", x.Message)
		default:
			bad.Add(x.Name, "%s", x.Message)
		}
	}
	return bad.Err()
}

func (h *Handlers) updateStep(c echo.Context) error {
	t, err := h.readStep(c)
	if t == nil {
		return err
	}
	old, oldErr := h.workflow(c)
	if oldErr != nil {
		return oldErr
	}
	s := old.Draft.Steps[t.at]
	if t.input.Get("more") != "" {
		t.form.Fields.Blank = 2
		p, _, _ := wrong(err, "")
		return h.stepPage(c, http.StatusOK, old, views.StepProps{Step: s, Form: t.form, Problems: views.Problems{Fields: p.Fields}})
	}
	err = both(err, stepProblems(h.o.Jobs.CheckWorkflow(&t.w, false), t.at))
	if err == nil {
		err = stepProblems(h.writeStep(c, t), t.at)
	}
	if p, status, ok := wrong(err, href.WorkflowStep(old.ID, s.Key)); ok {
		if p.Theirs != "" {
			t.form.Version = old.Version
		}
		return h.stepPage(c, status, old, views.StepProps{Step: s, Form: t.form, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(t.w.ID, t.w.Draft.Steps[t.at].Key), t.w.Draft.Steps[t.at].Name+" is saved.")
}

// writeStep stores the draft with the credential and the event definition that were made with it.
func (h *Handlers) writeStep(c echo.Context, t *stepTyped) error {
	define := ""
	if r := t.w.Draft.Steps[t.at].Request; r != nil && t.input.Get("define_event") == "true" && h.may(c, model.Events.Manage()) {
		define = r.Event
	}
	return h.Store.Write(c.Request().Context(), h.Actor(c), func(tx *db.Tx) error {
		w := t.w
		w.Draft = copyOf(t.w.Draft)
		if t.made.made != nil {
			id, err := t.made.store(tx)
			if err != nil {
				return err
			}
			w.Draft.Steps[t.at].Request.CredentialID = id
		}
		if err := defineEvent(tx, define); err != nil {
			return err
		}
		return tx.UpdateWorkflow(&w)
	})
}

// defineEvent makes a definition for events of that name unless there is one.
func defineEvent(tx *db.Tx, name string) error {
	if name == "" {
		return nil
	}
	err := tx.CreateEventDefinition(&model.EventDefinition{Name: name, Description: "The answer to a request of a workflow."})
	if f := fault.Of(err); f != nil && f.Code == "duplicate_name" {
		return nil
	}
	return err
}

// testStep makes one real exchange with the request as it is typed; nothing is saved.
func (h *Handlers) testStep(c echo.Context) error {
	t, err := h.readStep(c)
	if t == nil {
		return err
	}
	old, oldErr := h.workflow(c)
	if oldErr != nil {
		return oldErr
	}
	p := views.StepProps{Step: old.Draft.Steps[t.at], Form: t.form, TestAsked: true, Sample: strings.ReplaceAll(t.input.Get("sample"), "\r\n", "\n")}
	data, _, bad := readJSON(p.Sample)
	err = both(err, both(stepProblems(h.o.Jobs.CheckWorkflow(&t.w, false), t.at), atField("sample", bad)))
	if err == nil && t.made.made != nil {
		var own fault.Check
		own.Add("auth", "Save the step first: a test uses stored credentials.")
		err = own.Err()
	}
	if err == nil {
		var a model.Attempt
		if a, err = h.o.Jobs.TestStep(c.Request().Context(), t.w, t.w.Draft.Steps[t.at].Key, data); err == nil {
			p.Test = &a
			return h.stepPage(c, http.StatusOK, old, p)
		}
	}
	problems, status, ok := wrong(err, "")
	if !ok {
		return err
	}
	p.Problems = problems
	return h.stepPage(c, status, old, p)
}

func (h *Handlers) newStep(c echo.Context) error {
	w, err := h.workflow(c)
	if err != nil {
		return err
	}
	after := c.QueryParam("after")
	if after == "" {
		after = model.TriggerKey
		for _, s := range w.Draft.Steps {
			if s.Kind != model.StepEnd {
				after = s.Key
			}
		}
	}
	return h.newStepPage(c, http.StatusOK, w, views.NewStepProps{After: after})
}

func (h *Handlers) newStepPage(c echo.Context, status int, w model.Workflow, p views.NewStepProps) (err error) {
	if p.DesignerProps, err = h.designer(c, w, p.After); err != nil {
		return err
	}
	return h.Page(c, stepBits(status, w, "Add a step"), views.NewStep(p))
}

func (h *Handlers) createStep(c echo.Context) error {
	old, err := h.workflow(c)
	if err != nil {
		return err
	}
	w, kind, after := old, model.StepKind(typed(c, "kind")), typed(c, "after")
	w.Draft = copyOf(old.Draft)
	w.Version, _ = strconv.ParseInt(typed(c, "version"), 10, 64)
	used := map[string]bool{model.TriggerKey: true}
	for _, s := range w.Draft.Steps {
		used[s.Key] = true
	}
	name := strings.TrimSpace(typed(c, "name"))
	s := model.Step{Name: cmp.Or(name, views.StepTitle(kind)), Kind: kind}
	s.Key = views.FreeKey(s.Name, "step", used)
	if kind == model.StepOutgoing {
		s.Request = &model.Request{}
	}
	insertStep(&w.Draft, s, after)
	if err = h.o.Jobs.CheckWorkflow(&w, false); err == nil {
		err = h.saveWorkflow(c, &w)
	}
	if p, status, ok := wrong(err, href.Workflow(w.ID)); ok {
		return h.newStepPage(c, status, old, views.NewStepProps{After: after, Name: name, Problems: p})
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(w.ID, s.Key), s.Name+" is added.")
}

// insertStep puts a step after another, whose ways on become its own; after the trigger's key it comes first, after ""
// it stands alone.
func insertStep(d *model.Definition, s model.Step, after string) {
	at := slices.IndexFunc(d.Steps, func(x model.Step) bool { return x.Key == after })
	switch {
	case after == model.TriggerKey:
		if len(d.Steps) > 0 && s.Kind != model.StepEnd {
			s.Next = []model.Transition{{To: d.Steps[0].Key}}
		}
		d.Steps = slices.Insert(d.Steps, 0, s)
	case at >= 0:
		if s.Kind != model.StepEnd {
			s.Next = d.Steps[at].Next
			d.Steps[at].Next = []model.Transition{{To: s.Key}}
		} else {
			d.Steps[at].Next = append(d.Steps[at].Next, model.Transition{To: s.Key})
		}
		d.Steps = slices.Insert(d.Steps, at+1, s)
	default:
		d.Steps = append(d.Steps, s)
	}
}

func (h *Handlers) askDeleteStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	p := views.DeleteStepProps{Workflow: w, Step: w.Draft.Steps[at]}
	for _, s := range w.Draft.Steps {
		if s.Key != p.Step.Key && slices.Contains(s.Leads(), p.Step.Key) {
			p.Before = append(p.Before, s.Name)
		}
	}
	return h.Page(c, stepBits(http.StatusOK, w, "Delete "+p.Step.Name), views.DeleteStep(p))
}

func (h *Handlers) deleteStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	gone := w.Draft.Steps[at]
	w.Draft.Steps = slices.Delete(w.Draft.Steps, at, at+1)
	for i := range w.Draft.Steps {
		bridge(&w.Draft.Steps[i], gone)
	}
	if v := typed(c, "version"); v != "" {
		w.Version, _ = strconv.ParseInt(v, 10, 64)
	}
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	return h.Done(c, href.Workflow(w.ID), gone.Name+" is deleted.")
}

// bridge leads what led to a step that goes on to what followed it.
func bridge(s *model.Step, gone model.Step) {
	if s.OnReject != nil && s.OnReject.To == gone.Key {
		s.OnReject = nil
	}
	var next []model.Transition
	leads := map[string]bool{gone.Key: true, s.Key: true}
	for _, n := range s.Next {
		leads[n.To] = true
	}
	for _, n := range s.Next {
		if n.To != gone.Key {
			next = append(next, n)
			continue
		}
		for _, on := range gone.Next {
			if !leads[on.To] {
				leads[on.To] = true
				next = append(next, model.Transition{To: on.To, When: n.When})
			}
		}
	}
	s.Next = next
}

// copyStep puts a copy behind a step, not connected yet; its webhooks come without their secrets.
func (h *Handlers) copyStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	used := map[string]bool{model.TriggerKey: true}
	for _, s := range w.Draft.Steps {
		used[s.Key] = true
	}
	s := copyOf(model.Definition{Steps: w.Draft.Steps[at : at+1]}).Steps[0]
	s.Name += " (copy)"
	s.Key, s.Next = views.FreeKey(w.Draft.Steps[at].Key, "step", used), nil
	for i := range s.Webhooks {
		x := &s.Webhooks[i]
		if x.ID = ""; x.Auth.Wants() != "" {
			x.Auth, x.Enabled = model.Auth{Type: model.AuthNone}, false
		}
	}
	w.Draft.Steps = slices.Insert(w.Draft.Steps, at+1, s)
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	return h.Done(c, href.WorkflowStep(w.ID, s.Key), "A copy is made. Nothing leads to it yet.")
}

// moveStep changes the order; the first step is the one that a run begins with.
func (h *Handlers) moveStep(c echo.Context) error {
	w, at, err := h.stepAt(c)
	if err != nil {
		return err
	}
	to := at + 1
	if typed(c, "value") == "up" {
		to = at - 1
	}
	if to < 0 || to >= len(w.Draft.Steps) {
		return h.Done(c, href.Workflow(w.ID), "It stays where it is.")
	}
	name := w.Draft.Steps[at].Name
	w.Draft.Steps[at], w.Draft.Steps[to] = w.Draft.Steps[to], w.Draft.Steps[at]
	if err := h.saveWorkflow(c, &w); err != nil {
		return err
	}
	words := name + " is moved."
	if at == 0 || to == 0 {
		words += " A run begins with " + w.Draft.Steps[0].Name + "."
	}
	return h.Done(c, href.Workflow(w.ID), words)
}
