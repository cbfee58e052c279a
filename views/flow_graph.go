package views

import (
	"context"
	"strconv"
	"strings"

	"waybill/db/model"
	"waybill/views/graph"
	"waybill/views/texts"
	"waybill/views/ui"
)

// FlowNode is a box of a drawn workflow: the trigger or a step.
type FlowNode struct {
	Key     string
	Title   string
	Sub     string // what it is, in few words
	Icon    string
	URL     string // "" = leads nowhere
	Status  string // in a run; "" = it was not come to, or there is no run
	Hooks   int    // webhooks that are on
	Bad     string // what is wrong with it, "" = nothing
	Current bool
	Times   int // how often a run came by, shown from 2 on
}

// FlowLine leads from one box to another.
type FlowLine struct {
	From, To string
	Words    string // on the line; "" = none
	Reject   bool
	Taken    bool // a run went along it
}

// FlowGraph is a drawn workflow.
type FlowGraph struct {
	Label string // for assistive technology
	Nodes []FlowNode
	Lines []FlowLine
	Run   bool // boxes have states
}

// layout is where everything stands.
func (g FlowGraph) layout() graph.Picture {
	nodes, edges := make([]graph.Node, len(g.Nodes)), make([]graph.Edge, len(g.Lines))
	for i, n := range g.Nodes {
		nodes[i] = graph.Node{ID: n.Key}
	}
	for i, l := range g.Lines {
		edges[i] = graph.Edge{From: l.From, To: l.To}
		if l.Words != "" {
			edges[i].Words = l.pill()
		}
	}
	return graph.Layout(nodes, edges)
}

// drawnLine is a line with its path.
type drawnLine struct {
	FlowLine
	graph.Edge
}

// lines are those that lead somewhere, the ones that were taken last, so that they lie on top.
func (g FlowGraph) lines(p graph.Picture) []drawnLine {
	var quiet, taken []drawnLine
	at := 0
	for _, l := range g.Lines {
		_, from := p.Find(l.From)
		_, to := p.Find(l.To)
		if !from || !to {
			continue
		}
		d := drawnLine{l, p.Edges[at]}
		at++
		if l.Taken {
			taken = append(taken, d)
		} else {
			quiet = append(quiet, d)
		}
	}
	return append(quiet, taken...)
}

func (l drawnLine) class() string {
	c := "flow-line"
	if l.Reject {
		c += " flow-reject"
	}
	if l.Taken {
		c += " flow-taken"
	}
	return c
}

func (l drawnLine) marker() string {
	switch {
	case l.Taken:
		return "url(#flow-tip-taken)"
	case l.Reject:
		return "url(#flow-tip-reject)"
	}
	return "url(#flow-tip)"
}

// mostOnLine is how many letters of a condition stand on its line.
const mostOnLine = 30

// short is what stands on the line: a condition without what goes without saying there, and without its middle when it is long.
func (l FlowLine) short() string {
	words := []rune(l.Words)
	if !l.Reject {
		words = []rune(strings.NewReplacer("steps."+l.From+".", "", "run.data.", "", "event.data.", "", "steps.", "").Replace(l.Words))
	}
	if len(words) <= mostOnLine {
		return string(words)
	}
	return string(words[:mostOnLine/2]) + "…" + string(words[len(words)-mostOnLine/2+1:])
}

// pill is the width of the words' ground.
func (l FlowLine) pill() float64 { return float64(len([]rune(l.short())))*6.7 + 16 }

func px(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// class of a box.
func (n FlowNode) class(run bool) string {
	c := "flow-node"
	if n.Current {
		c += " flow-current"
	}
	switch {
	case n.Bad != "":
		c += " flow-wrong"
	case run && n.Status == "":
		c += " flow-unseen"
	case n.Status != "":
		c += " flow-" + toneName(ui.StatusMark(n.Status).Tone)
	}
	return c
}

func toneName(t ui.Tone) string {
	if t == ui.Neutral {
		return "idle"
	}
	return string(t)
}

// name is what assistive technology says of a box: what stands in it, then what its marks say.
func (n FlowNode) name(ctx context.Context) string {
	parts := []string{n.title()}
	if n.Status != "" {
		parts = append(parts, n.stateWords(ctx))
	} else {
		parts = append(parts, n.sub())
	}
	out := strings.Join(parts, " ")
	if n.Hooks > 0 {
		out += ", " + ui.Many(ctx, n.Hooks, "webhook")
	}
	if n.Bad != "" {
		out += ", " + n.Bad
	}
	return out
}

// title is as much of the first line as fits beside the marks.
func (n FlowNode) title() string {
	room := graph.Width - 70
	if n.Hooks > 0 {
		room -= 22
	}
	return fitting(n.Title, 13, room)
}

// sub is as much of the second line as fits beside the marks.
func (n FlowNode) sub() string {
	room := graph.Width - 66
	if n.Bad != "" {
		room -= 24
	}
	return fitting(n.Sub, 12, room)
}

// fitting cuts a text to a width in pixels; size is that of its letters.
func fitting(text string, size, room float64) string {
	width, fits := 0.0, 0
	for i, r := range text {
		if width += size * letter(r); width > room-size*.8 && fits == 0 {
			fits = i
		}
	}
	if width <= room {
		return text
	}
	return strings.TrimRight(text[:fits], " ·") + "…"
}

// letter is about how wide a letter is, in its height.
func letter(r rune) float64 {
	switch {
	case strings.ContainsRune("iljtfrI.,:;'|!()[] ·-", r):
		return .31
	case strings.ContainsRune("mwMW@%…", r):
		return .9
	case r >= 'A' && r <= 'Z' || r > 0x2e80:
		return .7
	}
	return .575
}

// wide reports whether a picture needs the width of the page.
func (g FlowGraph) wide() bool { return g.layout().Width > 560 }

// frame is the class of what holds a picture and what belongs to it.
func (g FlowGraph) frame() string {
	if g.wide() {
		return "designer designer-wide"
	}
	return "designer"
}

// Graph draws a definition; href gives the address of a step's page, or of the trigger's for its key.
func Graph(ctx context.Context, label string, d model.Definition, href func(key string) string) FlowGraph {
	g := FlowGraph{Label: label}
	t := FlowNode{Key: model.TriggerKey, Title: triggerWords(ctx, d.Trigger), Sub: say(ctx, "Starts a run"), Icon: triggerIcon(d.Trigger.Kind), URL: href(model.TriggerKey)}
	g.Nodes = append(g.Nodes, t)
	if len(d.Steps) > 0 {
		g.Lines = append(g.Lines, FlowLine{From: model.TriggerKey, To: d.Steps[0].Key})
	}
	for _, s := range d.Steps {
		n := FlowNode{Key: s.Key, Title: s.Name, Sub: stepSub(ctx, s), Icon: stepIcon(s.Kind), URL: href(s.Key)}
		for _, h := range s.Webhooks {
			if h.Enabled {
				n.Hooks++
			}
		}
		g.Nodes = append(g.Nodes, n)
		for _, x := range s.Next {
			g.Lines = append(g.Lines, FlowLine{From: s.Key, To: x.To, Words: x.When})
		}
		if s.OnReject != nil && s.OnReject.To != "" {
			g.Lines = append(g.Lines, FlowLine{From: s.Key, To: s.OnReject.To, Words: say(ctx, "rejected"), Reject: true})
		}
	}
	return g
}

// stepKinds are what a step can be, as people choose.
var stepKinds = map[model.StepKind]struct{ icon, title, text string }{
	model.StepTask:       {"edit", texts.ID("Task"), texts.ID("A person fills in a form.")},
	model.StepApproval:   {"check", texts.ID("Approval"), texts.ID("One person approves or rejects; the first decision counts.")},
	model.StepParallel:   {"users", texts.ID("Parallel approval"), texts.ID("Several people are asked at once; all must approve.")},
	model.StepSequential: {"list", texts.ID("Sequential approval"), texts.ID("Several people are asked one after another; all must approve.")},
	model.StepOutgoing:   {"send", texts.ID("Outgoing"), texts.ID("Sends a request: a custom webhook, an integration, or a destination.")},
	model.StepWait:       {"clock", texts.ID("Wait"), texts.ID("Waits for a time, or until an event arrives.")},
	model.StepScript:     {"code", texts.ID("Script"), texts.ID("JavaScript that reshapes the data.")},
	model.StepEnd:        {"stop", texts.ID("End"), texts.ID("The run is completed.")},
}

// StepTitle names a kind of step.
func StepTitle(k model.StepKind) string { return stepKinds[k].title }

func stepIcon(k model.StepKind) string { return stepKinds[k].icon }

// stepSub says in few words what a step does.
func stepSub(ctx context.Context, s model.Step) string {
	title := say(ctx, stepKinds[s.Kind].title)
	switch {
	case s.Kind == model.StepTask && len(s.Fields) > 0:
		return title + " · " + ui.Many(ctx, len(s.Fields), "field")
	case s.Kind.Human() && len(s.Assignees) == 1:
		return title + " · " + assigneeWords(ctx, s.Assignees[0])
	case s.Kind.Human() && len(s.Assignees) > 1:
		return title + " · " + say(ctx, "{n} people", "n", itoa(len(s.Assignees)))
	case s.Kind == model.StepOutgoing && s.Request != nil && s.Request.URL != "":
		base, _ := model.SplitURL(s.Request.URL)
		return s.Request.Method + " " + base[strings.Index(base, "://")+3:]
	case s.Kind == model.StepOutgoing && s.IntegrationID != "":
		return say(ctx, "Integration")
	case s.Kind == model.StepOutgoing && s.DestinationID != "":
		return say(ctx, "Destination")
	case s.Kind == model.StepWait && s.Wait != nil && s.Wait.Event != "":
		return say(ctx, "Until {event}", "event", s.Wait.Event)
	case s.Kind == model.StepWait && s.Wait != nil && s.Wait.Seconds > 0:
		return say(ctx, "Wait {time}", "time", SpanWords(ctx, s.Wait.Seconds))
	}
	return title
}

// assigneeWords say who an assignee is.
func assigneeWords(ctx context.Context, a string) string {
	if role, ok := strings.CutPrefix(a, "role:"); ok {
		return say(ctx, "role {name}", "name", role)
	}
	if field, ok := strings.CutPrefix(a, "field:"); ok {
		return say(ctx, "from {field}", "field", field)
	}
	return a
}

// SpanWords is a span of seconds for people: "2 days", "90 minutes".
func SpanWords(ctx context.Context, seconds int64) string {
	for _, u := range []struct {
		size int64
		word string
	}{{86400, "day"}, {3600, "hour"}, {60, "minute"}} {
		if seconds >= u.size && seconds%u.size == 0 {
			return ui.Many(ctx, seconds/u.size, u.word)
		}
	}
	return ui.Many(ctx, seconds, "second")
}

// triggerKinds are what can start a run, as people choose.
var triggerKinds = map[model.TriggerKind]struct{ icon, title, text string }{
	model.TriggerEvent:      {"pulse", texts.ID("Event"), texts.ID("An event arrives and a filter holds.")},
	model.TriggerForm:       {"edit", texts.ID("Form"), texts.ID("A signed-in person fills in a form.")},
	model.TriggerPublicForm: {"external", texts.ID("Public form"), texts.ID("Anybody with the link fills in a form.")},
	model.TriggerSchedule:   {"calendar", texts.ID("Schedule"), texts.ID("A time comes round, such as every weekday at 9.")},
	model.TriggerAudience:   {"users", texts.ID("Audience"), texts.ID("Once for every record of a list.")},
	model.TriggerInbound:    {"inbox", texts.ID("Inbound call"), texts.ID("Another system calls an inbound URL that starts this workflow.")},
	model.TriggerManual:     {"play", texts.ID("By hand"), texts.ID("A person or a program starts it.")},
}

func triggerIcon(k model.TriggerKind) string { return triggerKinds[k].icon }

// triggerWords say what starts a run.
func triggerWords(ctx context.Context, t model.Trigger) string {
	switch {
	case t.Kind == model.TriggerEvent && t.Event != "":
		return t.Event
	case t.Kind == model.TriggerSchedule && t.Cron != "":
		return t.Cron
	}
	return say(ctx, triggerKinds[t.Kind].title)
}

// TriggerTitle names a kind of trigger.
func TriggerTitle(k model.TriggerKind) string { return triggerKinds[k].title }
