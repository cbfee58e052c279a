package model

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"waybill/db/fault"
)

const keyWords = "A key starts with a letter and has at most 64 letters, digits, _ and -."

func isKey(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return s != "" && len(s) <= 64 && strings.IndexByte(letters, s[0]) >= 0 && strings.Trim(s, letters+"0123456789-") == ""
}

func join[T ~string](list []T) string {
	var b strings.Builder
	for i, x := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(x))
	}
	return b.String()
}

// Check lists what is wrong with the workflow as a draft: what is there must be right, what is missing may still come.
// Expressions, scripts and templates are jobs.Check's word.
func (w Workflow) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, w.Name)
	checkText(&bad, "description", w.Description, 2000)
	bad.Join("", w.Draft.Check())
	return bad.Fields()
}

// Check lists what is wrong with a definition that may still grow. Complaints about steps name them.
func (d Definition) Check() []fault.Field {
	var bad fault.Check
	d.Trigger.check(&bad)
	if len(d.Steps) > MaxSteps {
		bad.Add("steps", "At most %d steps; these are %d.", MaxSteps, len(d.Steps))
	}
	seen := map[string]bool{}
	for i, s := range d.Steps {
		var own fault.Check
		switch {
		case !isKey(s.Key):
			own.Add("key", "%s", keyWords)
		case s.Key == TriggerKey:
			own.Add("key", "“%s” stands for what started the run; choose another key.", TriggerKey)
		case seen[s.Key]:
			own.Add("key", "Another step has the key “%s”.", s.Key)
		}
		seen[s.Key] = true
		s.check(&own, d)
		about(&bad, i, s, own.Fields())
	}
	return bad.Fields()
}

// about adds complaints about a step, with its place in their names and its name in their words.
func about(bad *fault.Check, i int, s Step, fields []fault.Field) {
	name := s.Name
	if name == "" {
		name = s.Key
	}
	for _, f := range fields {
		bad.Add(fmt.Sprintf("steps[%d].%s", i, f.Name), "Step “%s”: %s", name, f.Words())
	}
}

func (t Trigger) check(bad *fault.Check) {
	if !slices.Contains(TriggerKinds(), t.Kind) {
		bad.Add("trigger.kind", "One of %s.", join(TriggerKinds()))
	}
	checkText(bad, "trigger.filter", t.Filter, 4096)
	checkText(bad, "trigger.intro", t.Intro, 4000)
	checkText(bad, "trigger.thanks", t.Thanks, 4000)
	checkText(bad, "trigger.cron", t.Cron, 200)
	if t.Event != "" {
		if w := CheckPattern(t.Event); w != "" {
			bad.Add("trigger.event", "%s", w)
		}
	}
	if _, err := time.LoadLocation(t.Timezone); err != nil || t.Timezone == "Local" {
		bad.Add("trigger.timezone", "A time zone such as Europe/Berlin, or empty for UTC.")
	}
	checkFields(bad, "trigger.fields", t.Fields)
}

func (s Step) check(bad *fault.Check, d Definition) {
	checkText(bad, "name", s.Name, 120)
	if !slices.Contains(StepKinds(), s.Kind) {
		bad.Add("kind", "One of %s.", join(StepKinds()))
	}
	if len(s.Next) > MaxTransitions {
		bad.Add("next", "At most %d transitions.", MaxTransitions)
	}
	for i, n := range s.Next {
		if _, ok := d.Step(n.To); !ok {
			bad.Add(fmt.Sprintf("next[%d].to", i), "There is no step “%s”.", n.To)
		}
		checkText(bad, fmt.Sprintf("next[%d].when", i), n.When, 4096)
	}
	if s.Kind == StepEnd && len(s.Next) > 0 {
		bad.Add("next", "Nothing follows an end.")
	}
	s.checkPeople(bad, d)
	s.checkSystem(bad)
	if len(s.Webhooks) > MaxWebhooks {
		bad.Add("webhooks", "At most %d webhooks.", MaxWebhooks)
	}
	ids := map[WebhookID]bool{}
	for i, w := range s.Webhooks {
		at := fmt.Sprintf("webhooks[%d].", i)
		if w.ID != "" && ids[w.ID] {
			bad.Add(at+"id", "Another webhook of this step has this id.")
		}
		ids[w.ID] = true
		var own fault.Check
		w.check(&own)
		bad.Join(at, own.Fields())
	}
}

func (s Step) checkPeople(bad *fault.Check, d Definition) {
	if !s.Kind.Human() && len(s.Assignees) > 0 {
		bad.Add("assignees", "Only tasks and approvals have assignees.")
	}
	if len(s.Assignees) > MaxAssignees {
		bad.Add("assignees", "At most %d assignees.", MaxAssignees)
	}
	for i, a := range s.Assignees {
		if w := checkAssignee(a, d); w != nil {
			bad.Add(fmt.Sprintf("assignees[%d]", i), "%s", w)
		}
	}
	limit := int64(MaxRunLife / time.Second)
	for name, v := range map[string]int64{"due_seconds": s.DueSeconds, "remind_seconds": s.RemindSeconds} {
		if v < 0 || v > limit {
			bad.Add(name, "Between 0 and %d seconds (60 days).", limit)
		}
	}
	checkFields(bad, "fields", s.Fields)
	if len(s.Fields) > 0 && s.Kind != StepTask {
		bad.Add("fields", "Only tasks have a form.")
	}
	r := s.OnReject
	switch {
	case r == nil:
	case !s.Kind.Approves():
		bad.Add("on_reject", "Only approvals can be rejected.")
	case r.End && r.To != "":
		bad.Add("on_reject", "Either back to a step, or the end.")
	case r.To != "":
		if _, ok := d.Step(r.To); !ok {
			bad.Add("on_reject.to", "There is no step “%s”.", r.To)
		}
	}
}

func checkAssignee(a string, d Definition) *fault.Words {
	unknown := fault.Say("An email address, role:NAME, initiator, or field:STEP.FIELD.")
	kind, rest, marked := strings.Cut(a, ":")
	switch {
	case a == "initiator":
		return nil
	case marked && kind == "role" && rest != "":
		return nil
	case marked && kind == "field":
		key, field, ok := strings.Cut(rest, ".")
		if !ok || field == "" {
			return unknown
		}
		form := d.Trigger.Fields
		if key != TriggerKey {
			s, ok := d.Step(key)
			if !ok {
				return fault.Say("There is no step “%s”.", key)
			}
			form = s.Fields
		} else if len(form) == 0 {
			return nil // data without a form may hold it
		}
		if !slices.ContainsFunc(form, func(f FormField) bool { return f.Key == field }) {
			return fault.Say("The step “%s” has no field “%s”.", key, field)
		}
		return nil
	case !marked && strings.Contains(a, "@"):
		return nil
	}
	return unknown
}

func (s Step) checkSystem(bad *fault.Check) {
	ways := 0
	for _, is := range []bool{s.Request != nil, s.IntegrationID != "", s.DestinationID != ""} {
		if is {
			ways++
		}
	}
	switch {
	case ways > 0 && s.Kind != StepOutgoing:
		bad.Add("request", "Only outgoing steps send something; use a webhook of the step.")
	case ways > 1:
		bad.Add("request", "One of request, integration_id and destination_id.")
	}
	if s.OnFailure != "" && s.OnFailure != FailContinue && s.OnFailure != FailRun {
		bad.Add("on_failure", "continue or fail.")
	}
	if s.Request != nil {
		var own fault.Check
		s.Request.check(&own)
		bad.Join("request.", own.Fields())
	}
	if s.Wait != nil {
		s.Wait.check(bad, s.Kind)
	}
	if len(s.Script) > MaxScript {
		bad.Add("script", "At most 64 KiB; this one has %d bytes.", len(s.Script))
	}
	if s.Script != "" && s.Kind != StepScript {
		bad.Add("script", "Only script steps have a script.")
	}
}

func (w Wait) check(bad *fault.Check, kind StepKind) {
	limit := int64(MaxRunLife / time.Second)
	switch {
	case kind != StepWait:
		bad.Add("wait", "Only wait steps wait.")
	case w.Seconds != 0 && w.Event != "":
		bad.Add("wait", "Either a time, or an event.")
	case w.Seconds < 0 || w.Seconds > limit:
		bad.Add("wait.seconds", "Between 1 and %d seconds (60 days).", limit)
	case w.TimeoutSeconds < 0 || w.TimeoutSeconds > limit:
		bad.Add("wait.timeout_seconds", "Between 0 and %d seconds (60 days).", limit)
	}
	if w.Event != "" {
		if words := CheckPattern(w.Event); words != "" {
			bad.Add("wait.event", "%s", words)
		}
	}
	checkText(bad, "wait.filter", w.Filter, 4096)
}

func (r Request) check(bad *fault.Check) {
	checkText(bad, "name", r.Name, 120)
	checkText(bad, "content_type", r.ContentType, 200)
	checkContentType(bad, r.ContentType)
	if r.Event != "" {
		if w := CheckEventName(r.Event); w != "" {
			bad.Add("event", "%s", w)
		}
	}
	if r.Method != "" && !slices.Contains(Methods(), r.Method) {
		bad.Add("method", "One of %s.", strings.Join(Methods(), ", "))
	}
	if r.URL != "" {
		if w := CheckRequestURL(r.URL); w != "" {
			bad.Add("url", "%s", w)
		}
	}
	if len(r.Headers) > 50 {
		bad.Add("headers", "At most 50 headers.")
	}
	if len(r.Body) > MaxTemplate {
		bad.Add("body", "At most 256 KiB; this one has %d bytes.", len(r.Body))
	}
	if r.TimeoutSeconds != 0 && (r.TimeoutSeconds < MinTimeout || r.TimeoutSeconds > MaxTimeout) {
		bad.Add("timeout_seconds", "Between %d and %d seconds.", MinTimeout, MaxTimeout)
	}
}

// CheckRequestURL is what is wrong with the address of a request or webhook, or "". Tags may stand behind the host only.
func CheckRequestURL(address string) string {
	base, _ := SplitURL(address)
	if strings.Contains(base, "{{") || strings.Contains(base, "}}") {
		return "The host is never templated; put tags behind it, into the path."
	}
	u, err := url.Parse(base)
	switch {
	case len(address) > 4096:
		return "At most 4096 characters."
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "":
		return "An address that starts with https:// and a domain name."
	case u.User != nil:
		return "Leave user name and password out of the address; use a credential."
	case strings.Contains(address, "#") && !strings.Contains(address, "{{"):
		return "An address for requests has no #fragment."
	}
	return ""
}

// SplitURL cuts an address into scheme with host, and the rest, which may hold tags.
func SplitURL(address string) (base, rest string) {
	from := strings.Index(address, "://")
	if from < 0 {
		return address, ""
	}
	if i := strings.IndexAny(address[from+3:], "/?#"); i >= 0 {
		return address[:from+3+i], address[from+3+i:]
	}
	return address, ""
}

func (w Webhook) check(bad *fault.Check) {
	checkName(bad, w.Name)
	checkText(bad, "description", w.Description, 2000)
	switch {
	case w.URL == "":
		bad.Add("url", "Where the message is sent, for instance https://api.example.com/hook.")
	case strings.Contains(w.URL, "{{"):
		bad.Add("url", "The address of a webhook holds no tags.")
	default:
		if words := CheckRequestURL(w.URL); words != "" {
			bad.Add("url", "%s", words)
		}
	}
	if w.Trigger != OnCreated && w.Trigger != OnCompleted {
		bad.Add("trigger", "created or completed.")
	}
	w.Auth.check(bad)
}

func (a Auth) check(bad *fault.Check) {
	switch a.Type {
	case AuthNone:
	case AuthClientSecret:
		checkText(bad, "auth.secret", a.Typed[AuthSecret].Reveal(), MaxClientSecret)
	case AuthBasic:
		if a.Username == "" {
			bad.Add("auth.username", "Give the user name.")
		}
		if strings.Contains(a.Username, ":") {
			bad.Add("auth.username", "A user name has no colon (RFC 7617).")
		}
		checkText(bad, "auth.username", a.Username, MaxBasic)
		checkText(bad, "auth.password", a.Typed[AuthPassword].Reveal(), MaxBasic)
	case AuthCredential:
		if a.CredentialID == "" {
			bad.Add("auth.credential_id", "Pick a credential.")
		}
	default:
		bad.Add("auth.type", "One of none, client_secret, basic, credential.")
	}
}

// CheckWhole lists what is missing before the definition can be published, besides what Check says.
func (d Definition) CheckWhole() []fault.Field {
	var bad fault.Check
	d.Trigger.checkWhole(&bad)
	if len(d.Steps) == 0 {
		bad.Add("steps", "Add at least one step.")
		return bad.Fields()
	}
	reached := d.Reached(d.Steps[0].Key)
	for i, s := range d.Steps {
		var own fault.Check
		if !reached[s.Key] {
			own.Add("key", "Nothing leads to this step from the first one.")
		}
		s.checkWhole(&own)
		about(&bad, i, s, own.Fields())
	}
	return bad.Fields()
}

func (t Trigger) checkWhole(bad *fault.Check) {
	switch {
	case t.Kind == TriggerEvent && t.Event == "":
		bad.Add("trigger.event", "Name the event that starts a run.")
	case t.Kind == TriggerAudience && t.AudienceID == "":
		bad.Add("trigger.audience_id", "Pick the audience.")
	case t.Kind == TriggerSchedule && t.Cron == "":
		bad.Add("trigger.cron", "Say when, for instance 0 9 * * 1-5.")
	}
}

func (s Step) checkWhole(bad *fault.Check) {
	switch s.Kind {
	case StepTask, StepApproval, StepParallel, StepSequential:
		if len(s.Assignees) == 0 {
			bad.Add("assignees", "Say who does this.")
		}
	case StepOutgoing:
		switch {
		case s.Request == nil && s.IntegrationID == "" && s.DestinationID == "":
			bad.Add("request", "Say what is sent: a request, an integration or a destination.")
		case s.Request != nil && s.Request.URL == "":
			bad.Add("request.url", "Where the request goes, for instance https://api.example.com/orders.")
		}
	case StepWait:
		if s.Wait == nil || (s.Wait.Seconds == 0 && s.Wait.Event == "") {
			bad.Add("wait", "Say how long, or for which event.")
		}
	case StepScript:
		if strings.TrimSpace(s.Script) == "" {
			bad.Add("script", "Write the script, for instance return it.data[0];")
		}
	}
}

// Reached are the keys of all steps that a run can come to from the one with key from, that one included.
func (d Definition) Reached(from string) map[string]bool {
	out, queue := map[string]bool{from: true}, []string{from}
	for len(queue) > 0 {
		s, _ := d.Step(queue[0])
		queue = queue[1:]
		for _, to := range s.Leads() {
			if !out[to] {
				out[to], queue = true, append(queue, to)
			}
		}
	}
	return out
}

// Leads are the keys of the steps that can follow, rejection included.
func (s Step) Leads() []string {
	var out []string
	for _, n := range s.Next {
		out = append(out, n.To)
	}
	if s.OnReject != nil && s.OnReject.To != "" {
		out = append(out, s.OnReject.To)
	}
	return out
}
