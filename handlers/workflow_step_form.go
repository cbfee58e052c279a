package handlers

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/views"
)

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
	t.form = views.NewStepForm(h.Reader(c), w, was, h.may(c, model.Credentials.View()))
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
	out, more := views.FieldsForm{Types: types, Blank: 1}, in.Get("more")
	if more == "fields" {
		out.Blank = 2
	}
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
		if n := len(out.Rows) - 1; more == views.MoveUp(i) && n > 0 {
			out.Rows[n].Open = true
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
			bad.Add(name, "%s", withoutStep(x))
		case stepPlace.MatchString(x.Name) || strings.HasPrefix(x.Name, "trigger"):
			bad.Add("", "%s", x.Words())
		default:
			bad.Add(x.Name, "%s", x.Words())
		}
	}
	return bad.Err()
}
