package connector

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// teams posts adaptive cards to a workflow in Microsoft Teams (Power Automate), whose URL is the secret.
func teams() Type {
	return Type{
		Type: model.ConnectionTeams, Title: "Microsoft Teams", Methods: []string{"POST"},
		Hue:     "indigo",
		Summary: "Posts cards to a channel or chat through a workflow: write them in a form and see them as they will look.",
		Glyph:   "M3.5 5h13v11h-6l-4 4v-4h-3zM19.5 9h1v10.5l-3-3H13M7 9h6M10 9v4",
		Docs: "A workflow in Teams takes a card and posts it where the workflow says. Its URL is a password and belongs into a credential (Secret URL). " +
			"Teams takes about four messages a second and 28 KB each; it answers 202, and when it cannot post it may say so inside a 200, which is read.",
		BaseURL:         func(model.Config) string { return "" },
		Credentials:     func(model.Config) []model.CredentialType { return []model.CredentialType{model.CredentialSecretURL} },
		Destination:     func(model.Connection) []model.Field { return teamsFields() },
		defaults:        teamsDefaults,
		checkConnection: func(c model.Connection, bad *fault.Check) { checkChatURL(c, "", bad) },
		check:           func(_ model.Connection, d model.Destination, bad *fault.Check) { checkMessage(d, bad) },
		template:        teamsTemplate, look: teamsLook, build: buildHTTP, judge: teamsJudge,
		Samples: teamsSamples(), Guide: teamsGuide(),
	}
}

func teamsFields() []model.Field {
	return messageFields("**bold**, _italic_, - lists, [a link](https://example.com).",
		model.Field{Name: "tone", Label: "Colour of the title", Kind: model.FieldSelect, Default: "default", More: true, Options: []model.Option{{Value: "default", Label: "As usual"},
			{Value: "accent", Label: "Accent"}, {Value: "good", Label: "Good"}, {Value: "warning", Label: "Warning"}, {Value: "attention", Label: "Attention"}}},
		model.Field{Name: "footer", Label: "Small print", Kind: model.FieldText, Tags: true, Max: 500, More: true, Help: "Below everything else."})
}

func teamsDefaults(model.Connection, model.Config) model.Destination {
	return model.Destination{ContentType: "application/json", MaxInFlight: 4, Rate: 4, Settings: defaultMessage()}
}

// teamsTemplate makes an adaptive card of the form. https://adaptivecards.io/explorer/
func teamsTemplate(_ model.Connection, d model.Destination) string {
	s := filled(d.Settings)
	var b strings.Builder
	b.WriteString("{{!\n" + helpersCode)
	b.WriteString(`const text = (v) => plain(v).replace(/([\\*_\[\]])/g, "\\$1");` + "\n")
	b.WriteString("const title = " + code(s.Text("title"), "plain") + ", body = " + code(s.Text("text"), "text") + ", small = " + code(s.Text("footer"), "text") + ";\n")
	b.WriteString("const facts = " + factsCode(s.Text("fields"), "plain") + ".filter((f) => f[1].trim() !== \"\");\n")
	b.WriteString("const button = " + code(s.Text("button"), "plain") + ", to = " + code(s.Text("button_url"), "plain") + ";\n")
	tone := s.Text("tone")
	if tone == "" {
		tone = "default"
	}
	b.WriteString(`const items = [];
if (title.trim()) items.push({type: "TextBlock", text: cut(title, 500), weight: "Bolder", size: "Medium", color: "` + tone + `", wrap: true});
if (body.trim()) items.push({type: "TextBlock", text: cut(body, 8000), wrap: true});
if (facts.length) items.push({type: "FactSet", facts: facts.map((f) => ({title: cut(f[0], 200), value: cut(f[1], 1000)}))});
if (small.trim()) items.push({type: "TextBlock", text: cut(small, 1000), size: "Small", isSubtle: true, wrap: true});
const card = {$schema: "http://adaptivecards.io/schemas/adaptive-card.json", type: "AdaptiveCard", version: "1.4", msteams: {width: "Full"}, body: items};
if (to.trim()) card.actions = [{type: "Action.OpenUrl", title: cut(button.trim() || "Open", 100), url: to}];
return {type: "message", attachments: [{contentType: "application/vnd.microsoft.card.adaptive", contentUrl: null, content: card}]};
}}`)
	return b.String()
}

// inside is the status that Teams tells of inside an answer that says 200: "… returned HTTP error 429 with ContextId …".
var inside = regexp.MustCompile(`HTTP error (\d{3})`)

// teamsJudge reads the answer of a workflow (202, mostly empty), and the text of the webhooks before it, which answer 200
// with “1” or with what went wrong.
func teamsJudge(a Answer) Verdict {
	v, body := judgeHTTP(a), string(a.Exchange.Body)
	if v.Success {
		told := inside.FindStringSubmatch(body)
		switch {
		case told != nil:
			return teamsInside(told[1])
		case strings.Contains(body, "Webhook message delivery failed") || strings.Contains(body, "Summary or Text is required"):
			return Verdict{Class: model.ClassStatus, Words: "Teams answered " + strconv.Itoa(a.Exchange.Status) + " but did not post: " + oneLine(body)}
		}
		return v
	}
	var said struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	if json.Unmarshal(a.Exchange.Body, &said) != nil || said.Error.Code == "" {
		return v
	}
	v.Words = "Teams answered " + strconv.Itoa(a.Exchange.Status) + " " + oneLine(said.Error.Code) + "."
	switch said.Error.Code {
	case "WorkflowTriggerIsNotEnabled":
		v.Words += " The workflow is switched off; switch it on in Power Automate."
	case "WorkflowNotFound", "TriggerNotFound":
		v.Words += " The workflow was removed. Make another one and put its URL into the credential."
	case "DirectApiAuthorizationRequired", "AuthorizationFailed", "InvalidSasSignature", "MissingSasSignature":
		v.Words += " The URL’s signature is not accepted: paste the whole URL of the workflow into the credential, and let anyone trigger it."
	case "TriggerInputSchemaMismatch", "InvalidRequestContent":
		v.Words += " The workflow does not take this message: it wants an adaptive card among attachments."
	default:
		v.Words += " " + oneLine(said.Error.Message)
	}
	if v.RetryAfter > 0 {
		v.Words += " It asks to wait " + v.RetryAfter.Round(time.Second).String() + "."
	}
	return v
}

// teamsInside is what a status means that stands in the text of an answer.
func teamsInside(status string) Verdict {
	n, _ := strconv.Atoi(status)
	out := Verdict{Class: model.ClassStatus, Retry: n == 408 || n == 425 || n == 429 || n >= 500, Words: "Teams answered 200, but says inside: HTTP error " + status + "."}
	switch {
	case n == 429:
		out.RetryAfter = 2 * time.Second
		out.Words += " It takes about four messages a second."
	case n == 413:
		out.Words += " The card is larger than the 28 KB that Teams takes."
	case n == 404 || n == 410:
		out.Words += " The channel or the webhook is gone."
	}
	return out
}

func teamsSamples() []Sample {
	return []Sample{
		{Title: "A card with facts", Template: `{
  "type": "message",
  "attachments": [{
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
      "type": "AdaptiveCard", "version": "1.4", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
      "body": [
        {"type": "TextBlock", "weight": "Bolder", "size": "Medium", "text": "Order {{ it.data[0].id }}", "wrap": true},
        {"type": "FactSet", "facts": [
          {"title": "Customer", "value": "{{ it.data[0].customer.name }}"},
          {"title": "Total", "value": "{{ it.data[0].total }} {{ it.data[0].currency }}"}
        ]}
      ]
    }
  }]
}`},
		{Title: "One fact for each item", Template: `{{! const o = it.data[0];
return {type: "message", attachments: [{contentType: "application/vnd.microsoft.card.adaptive", content: {
  type: "AdaptiveCard", version: "1.4",
  body: [
    {type: "TextBlock", weight: "Bolder", text: "Order " + o.id, wrap: true},
    {type: "FactSet", facts: o.items.map((i) => ({title: i.sku, value: String(i.quantity)}))},
  ],
}}]};
}}`},
	}
}

func teamsGuide() []Section {
	return []Section{
		{Title: "Make a workflow", Text: []string{
			"In Teams, open the channel’s menu, choose Workflows, and take the template that posts to a channel when a webhook request is received. Teams shows its URL at the end; it is found again in the workflow’s trigger.",
			"The workflow has to let anyone trigger it. It runs as the person who made it: when that person leaves, it ends."}},
		{Title: "Make the connection", Text: []string{
			"Choose Microsoft Teams, and under Authentication make a credential of kind Secret URL with the whole URL of the workflow; the base URL is filled in from it. The URL is kept sealed: attempts, logs and exports show only its host."}},
		{Title: "The message", Text: []string{
			"Fill in the form of the destination: a title, a text, facts, a button. It becomes an adaptive card, which the preview draws. What tags write into the text is escaped, so that data cannot make links of its own.",
			"A template of your own goes before the form. It makes the whole JSON: a message with one adaptive card among attachments, at most 28 KB."},
			Code: teamsSamples()[0].Template},
		{Title: "What answers mean", Text: []string{
			"Delivered: 202, or 200 without an error inside. Waybill cannot see whether the workflow then posts the card; its run history in Power Automate tells.",
			"Tried again: 429 (not before Retry-After), 408, 5xx, and the same when they stand inside a 200 (HTTP error 429).",
			"Final: 400 (the workflow is off, or does not take the message), 401 (the URL’s signature), 404 (the workflow was removed), 413."}},
		{Title: "How fast", Text: []string{"Teams takes about four messages a second. New destinations begin with four a second."}},
		{Title: "Over REST", Code: `POST /api/v1/credentials   {"name": "Ops workflow", "type": "secret_url", "config": {"url": "https://….logic.azure.com/workflows/…?…&sig=…"}}
POST /api/v1/connections   {"name": "Teams", "type": "teams", "base_url": "https://….logic.azure.com", "credential_id": "crd_…"}
POST /api/v1/connections/CONNECTION_ID/destinations
     {"name": "Orders", "settings": {"title": "Order {{ it.data[0].id }}", "text": "**{{ it.data[0].total }}**"}}`},
	}
}
