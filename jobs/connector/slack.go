package connector

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
)

// The two ways into Slack.
const (
	slackWebhook = "webhook"
	slackAPI     = "api"
)

// slack posts messages to channels: by an incoming webhook, whose URL is the secret, or with the token of a bot.
func slack() Type {
	return Type{
		Type: model.ConnectionSlack, Title: "Slack", Methods: []string{"POST"},
		Hue:     "pink",
		Summary: "Posts messages to a channel: write them in a form and see them as they will look.",
		Glyph:   "M10 3.5 7.5 20.5M16.5 3.5 14 20.5M4.5 8.5h16M3.5 15.5h16",
		Docs: "By an incoming webhook a connection writes to one channel; its URL is a password and belongs into a credential (Secret URL). With the token of a bot " +
			"(xoxb-…, right chat:write) each destination names its channel. Slack takes about one message a second for each channel, and Waybill sends no faster; " +
			"an answer such as ok: false inside a 200 is read, and what can be tried again is.",
		Fields: []model.Field{{Name: "via", Label: "Posts by", Kind: model.FieldSelect, Default: slackWebhook, Help: "A webhook is quicker to set up and tied to one channel; a bot reaches every channel that it is in.",
			Options: []model.Option{{Value: slackWebhook, Label: "Incoming webhook (one channel)"}, {Value: slackAPI, Label: "Bot token (chat.postMessage)"}}}},
		BaseURL: func(c model.Config) string {
			if c.Text("via") == slackAPI {
				return "https://slack.com/api"
			}
			return "https://hooks.slack.com"
		},
		Credentials: func(c model.Config) []model.CredentialType {
			switch c.Text("via") {
			case slackAPI:
				return []model.CredentialType{model.CredentialBearer, "oauth2"}
			case slackWebhook:
				return []model.CredentialType{model.CredentialSecretURL}
			}
			return []model.CredentialType{model.CredentialSecretURL, model.CredentialBearer, "oauth2"}
		},
		Destination: func(c model.Connection) []model.Field {
			fields := messageFields("*bold*, _italic_, ~struck~, `code`, > quote, <https://example.com|a link>. What a tag writes is escaped, so that data cannot mention anybody.",
				model.Field{Name: "footer", Label: "Small print", Kind: model.FieldText, Tags: true, Max: 500, More: true, Help: "Below everything else."})
			if c.Settings.Text("via") != slackAPI {
				return fields
			}
			return append([]model.Field{{Name: "channel", Label: "Channel", Kind: model.FieldText, Tags: true, Required: true, Max: 200, Placeholder: "C024BE91L",
				Help: "Its id (at the end of the channel’s details) or its name with #. The app has to be in the channel."}}, fields...)
		},
		defaults: func(c model.Connection, _ model.Config) model.Destination {
			d := model.Destination{ContentType: "application/json; charset=utf-8", MaxInFlight: 1, Rate: 1, Settings: defaultMessage()}
			if c.Settings.Text("via") == slackAPI {
				d.Path = "/chat.postMessage"
			}
			return d
		},
		checkConnection: func(c model.Connection, bad *fault.Check) { checkChatURL(c, slackWebhook, bad) },
		check:           func(_ model.Connection, d model.Destination, bad *fault.Check) { checkMessage(d, bad) },
		template:        slackTemplate, look: slackLook, build: slackBuild, judge: slackJudge, probes: slackProbes,
		Samples: slackSamples(), Guide: slackGuide(),
	}
}

// checkChatURL complains of a base URL that holds what is secret, and of a webhook without its secret.
func checkChatURL(c model.Connection, webhook string, bad *fault.Check) {
	if via := c.Settings.Text("via"); via != "" && via != webhook {
		return
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return
	}
	secret := strings.Trim(u.Path, "/") != "" || u.RawQuery != ""
	switch {
	case secret && (u.Port() == "" || u.Port() == "443") && u.Scheme == "https":
		bad.Add("base_url", "Whoever knows this address can post: it is a password. Leave only %s://%s here, and put the whole address into a credential of type secret_url.", u.Scheme, u.Host)
	case !secret && c.BaseURL != "" && c.CredentialID == "":
		bad.Add("credential_id", "Put the URL of the webhook into a credential of type secret_url.")
	}
}

// slackTemplate makes blocks of the form. Slack's limits are kept by cutting, since it refuses a message for one
// character too many; what is empty is left out, since it refuses that too.
// https://docs.slack.dev/reference/block-kit/blocks
func slackTemplate(c model.Connection, d model.Destination) string {
	s := filled(d.Settings)
	var b strings.Builder
	b.WriteString("{{!\n" + helpersCode)
	b.WriteString(`const text = (v) => plain(v).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
`)
	b.WriteString("const title = " + code(s.Text("title"), "plain") + ", body = " + code(s.Text("text"), "text") + ", small = " + code(s.Text("footer"), "text") + ";\n")
	b.WriteString("const facts = " + factsCode(s.Text("fields"), "text") + ".filter((f) => f[1].trim() !== \"\");\n")
	b.WriteString("const button = " + code(s.Text("button"), "plain") + ", to = " + code(s.Text("button_url"), "plain") + ";\n")
	b.WriteString(`const blocks = [];
if (title.trim()) blocks.push({type: "header", text: {type: "plain_text", text: cut(title, 150), emoji: true}});
if (body.trim()) blocks.push({type: "section", text: {type: "mrkdwn", text: cut(body, 3000)}});
if (facts.length) blocks.push({type: "section", fields: facts.map((f) => ({type: "mrkdwn", text: cut("*" + f[0] + "*\n" + f[1], 2000)}))});
if (to.trim()) blocks.push({type: "actions", elements: [{type: "button", text: {type: "plain_text", text: cut(button.trim() || "Open", 75)}, url: to}]});
if (small.trim()) blocks.push({type: "context", elements: [{type: "mrkdwn", text: cut(small, 2000)}]});
`)
	channel := ""
	if c.Settings.Text("via") == slackAPI {
		channel = "channel: " + code(s.Text("channel"), "plain") + ", "
	}
	b.WriteString("return {" + channel + `text: cut(text(title) || body || facts.map((f) => f.join(": ")).join(", "), 3000), blocks};` + "\n}}")
	return b.String()
}

// slackBuild adds the channel to a body of the template's own that names none.
func slackBuild(c model.Connection, d model.Destination, r Rendered) (egress.Request, error) {
	if channel := d.Settings.Text("channel"); c.Settings.Text("via") == slackAPI && channel != "" {
		var body map[string]json.RawMessage
		if json.Unmarshal(r.Body, &body) == nil && body != nil && body["channel"] == nil {
			named := append([]byte(`{"channel":`+quoteJS(channel)), bytes.TrimLeft(bytes.TrimSpace(r.Body), "{")...)
			if len(body) > 0 {
				named = append([]byte(`{"channel":`+quoteJS(channel)+","), bytes.TrimSpace(r.Body)[1:]...)
			}
			r.Body = named
		}
	}
	return buildHTTP(c, d, r)
}

// slackJudge reads the answer: of the API a JSON object with ok, whatever the status; of a webhook the status and a word.
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, https://docs.slack.dev/reference/methods/chat.postMessage
func slackJudge(a Answer) Verdict {
	v := judgeHTTP(a)
	var said struct {
		OK    *bool  `json:"ok"`
		Error string `json:"error"`
	}
	isJSON := json.Unmarshal(a.Exchange.Body, &said) == nil && said.OK != nil
	word := said.Error
	if !isJSON {
		word = oneWord(a.Exchange.Body)
	}
	switch {
	case v.Success && isJSON && *said.OK:
		return Verdict{Success: true}
	case v.Success && !isJSON && a.Connection.Settings.Text("via") != slackAPI:
		return v
	case v.Success && !isJSON:
		return Verdict{Retry: true, Class: model.ClassBroken, Words: "Answered 200, but not as Slack’s API does (an object with ok). Check the base URL: https://slack.com/api."}
	case word == "":
		return v
	}
	return slackRefusal(a, v, word)
}

// slackRefusal is what Slack’s word for an error means.
func slackRefusal(a Answer, v Verdict, word string) Verdict {
	out := Verdict{Class: model.ClassStatus, Disable: v.Disable, Retry: v.Retry, RetryAfter: v.RetryAfter}
	advice := map[string]string{
		"channel_not_found": "There is no such channel, or the app is not in it: invite the app, or check the channel’s id.",
		"not_in_channel":    "Invite the app to the channel.",
		"is_archived":       "The channel is archived.", "channel_is_archived": "The channel is archived, so the destination is switched off.",
		"invalid_auth": "The token is not one of Slack’s.", "not_authed": "No token was sent: give the connection a credential.",
		"token_revoked": "The token was revoked.", "token_expired": "The token has expired.", "account_inactive": "The token’s user or workspace is gone.",
		"missing_scope": "The token lacks a right: add chat:write to the app and install it again.",
		"no_text":       "The message has neither text nor blocks.", "invalid_payload": "Slack cannot read the message: check the template.", "invalid_blocks": "Slack does not accept the blocks: check the template.",
		"invalid_blocks_format": "blocks is not what Slack expects: check the template.", "msg_too_long": "The message is longer than Slack takes.",
		"no_service": "The webhook was removed or switched off in Slack.", "no_active_hooks": "The webhook was switched off in Slack.", "invalid_token": "The webhook’s URL is not, or no longer, one of Slack’s.",
		"action_prohibited": "An administrator of the workspace does not allow this.", "posting_to_general_channel_denied": "The app may not post to #general.",
		"ratelimited": "Slack takes about one message a second for each channel.", "rate_limited": "Slack takes about one message a second for each channel.",
	}[word]
	switch word {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "rollup_error", "team_added_to_org", "org_login_required":
		out.Retry, out.Disable = true, false
		out.RetryAfter = max(out.RetryAfter, retryAfter(a.Exchange.Header.Get("Retry-After"), a.Now))
	case "channel_is_archived":
		out.Disable = a.Exchange.Status == http.StatusGone
	case "invalid_auth", "token_expired", "token_revoked":
		out.Renew = true
	}
	out.Words = "Slack answered " + word + "."
	if advice != "" {
		out.Words += " " + advice
	}
	if out.RetryAfter > 0 {
		out.Words += " It asks to wait " + spell(out.RetryAfter) + "."
	}
	return out
}

// oneWord is a body that is one of Slack's words, "" when it is anything else.
func oneWord(body []byte) string {
	word := strings.TrimSpace(string(body))
	if len(word) > 60 || word == "" || word == "ok" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return word
}

// slackProbes ask who the token is, or send a webhook a message without text: one that exists refuses it as such, and
// nothing is posted.
func slackProbes(c model.Connection, _ time.Time) []Probe {
	base, _ := Join(c, "")
	req := egress.Request{Method: http.MethodPost, URL: base, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: []byte("{}"),
		Timeout: time.Duration(cmp.Or(c.TimeoutSeconds, model.DefaultTimeout)) * time.Second, MaxBody: model.MaxStoredResponse}
	if c.Settings.Text("via") == slackAPI {
		req.URL, _ = Join(c, "auth.test")
		return []Probe{{Title: "Ask Slack who the token is (auth.test)", Request: req, Judge: slackJudge}}
	}
	return []Probe{{Title: "Knock at the webhook with an empty message, which is not posted", Request: req, Judge: func(a Answer) Verdict {
		if w := oneWord(a.Exchange.Body); a.Exchange.Status == http.StatusBadRequest && (w == "no_text" || w == "invalid_payload" || w == "missing_text_or_fallback_or_attachments") {
			return Verdict{Success: true}
		}
		return slackJudge(a)
	}}}
}

func slackSamples() []Sample {
	return []Sample{
		{Title: "A line of text", Template: `{"text": "Order *{{ it.data[0].id }}* from {{ it.data[0].customer.name }}"}`},
		{Title: "A section with a button", Template: `{
  "text": "Order {{ it.data[0].id }}",
  "blocks": [
    {"type": "section", "text": {"type": "mrkdwn", "text": "*Order {{ it.data[0].id }}*\n{{ it.data[0].customer.name }}, {{ it.data[0].total }} {{ it.data[0].currency }}"}},
    {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://shop.example.com/orders/{{ it.data[0].id }}"}]}
  ]
}`},
		{Title: "Only large orders, one line for each item", Template: `{{! const o = it.data[0];
if (o.total < 100) return null; // nothing is sent
const lines = o.items.map((i) => "• " + i.quantity + " × " + i.sku);
return {text: "Order " + o.id, blocks: [
  {type: "header", text: {type: "plain_text", text: "Order " + o.id}},
  {type: "section", text: {type: "mrkdwn", text: lines.join("\n")}},
]};
}}`},
	}
}

func slackGuide() []Section {
	return []Section{
		{Title: "By an incoming webhook", Text: []string{
			"In Slack, make an app for your workspace (api.slack.com/apps), switch on Incoming Webhooks, and add one for the channel. Slack shows its URL once.",
			"Here, make a connection of type Slack and leave “Posts by” at Incoming webhook. Under Authentication make a credential of kind Secret URL and paste the whole URL; the base URL is filled in from it. The URL is kept sealed: attempts, logs and exports show only its host.",
			"One webhook writes to one channel. For another channel make another credential and connection."}},
		{Title: "With the token of a bot", Text: []string{
			"Give the app the right chat:write, install it, and copy the Bot User OAuth Token (xoxb-…) into a credential of kind Bearer token. Invite the app to each channel that it should write to.",
			"Each destination names its channel, best by its id. The field may hold a tag, so that the data decides."}},
		{Title: "The message", Text: []string{
			"Fill in the form of the destination: a title, a text, facts, a button. What tags write is escaped, so that a customer called <!channel> wakes nobody; write {{= expr }} where a value may hold Slack’s own marks. The preview draws the message.",
			"A template of your own goes before the form. It makes the whole JSON of the message, with text and blocks as Slack’s reference has them."},
			Code: `{"text": "Order *{{ it.data[0].id }}*"}`},
		{Title: "What answers mean", Text: []string{
			"Tried again: 429 and ratelimited (not before Retry-After), 5xx, internal_error, fatal_error, service_unavailable, rollup_error.",
			"Final, with what to do about it in the delivery’s error: channel_not_found, not_in_channel, is_archived, invalid_auth, token_revoked, missing_scope, invalid_blocks, no_service and the like, also inside a 200.",
			"A webhook to an archived channel answers 410: the destination is switched off."}},
		{Title: "How fast", Text: []string{
			"Slack takes about one message a second for each channel. New destinations begin with one message a second, one at a time, which also keeps the order of those that were accepted first."}},
		{Title: "Over REST", Code: `POST /api/v1/credentials   {"name": "Ops channel", "type": "secret_url", "config": {"url": "https://hooks.slack.com/services/T…/B…/…"}}
POST /api/v1/connections   {"name": "Slack", "type": "slack", "settings": {"via": "webhook"}, "credential_id": "crd_…"}
POST /api/v1/connections/CONNECTION_ID/destinations
     {"name": "Large orders", "settings": {"title": "Order {{ it.data[0].id }}", "text": "*{{ it.data[0].total }}*"}}`},
	}
}
