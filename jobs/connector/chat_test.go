package connector

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/script"
)

func TestSlackJudge(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		via, body  string
		status     int
		retryAfter string
		want       Verdict // Words: a part of them
	}{
		{slackWebhook, "ok", 200, "", Verdict{Success: true}},
		{slackWebhook, "no_service", 404, "", Verdict{Class: model.ClassStatus, Words: "Slack answered no_service. The webhook was removed"}},
		{slackWebhook, "channel_is_archived", 410, "", Verdict{Class: model.ClassStatus, Disable: true, Words: "switched off"}},
		{slackWebhook, "rollup_error", 500, "", Verdict{Class: model.ClassStatus, Retry: true, Words: "rollup_error"}},
		{slackWebhook, "", 429, "30", Verdict{Class: model.ClassStatus, Retry: true, RetryAfter: 30 * time.Second, Words: "asks to wait 30 s"}},
		{slackWebhook, "invalid_token", 403, "", Verdict{Class: model.ClassStatus, Renew: false, Words: "invalid_token"}},
		{slackAPI, `{"ok":true,"ts":"1"}`, 200, "", Verdict{Success: true}},
		{slackAPI, `{"ok":false,"error":"channel_not_found"}`, 200, "", Verdict{Class: model.ClassStatus, Words: "invite the app"}},
		{slackAPI, `{"ok":false,"error":"ratelimited"}`, 429, "7", Verdict{Class: model.ClassStatus, Retry: true, RetryAfter: 7 * time.Second, Words: "ratelimited"}},
		{slackAPI, `{"ok":false,"error":"ratelimited"}`, 200, "7", Verdict{Class: model.ClassStatus, Retry: true, RetryAfter: 7 * time.Second, Words: "It asks to wait 7 s."}},
		{slackAPI, `{"ok":false,"error":"internal_error"}`, 200, "", Verdict{Class: model.ClassStatus, Retry: true, Words: "internal_error"}},
		{slackAPI, `{"ok":false,"error":"token_expired"}`, 200, "", Verdict{Class: model.ClassStatus, Renew: true, Words: "expired"}},
		{slackAPI, `<html>gateway</html>`, 200, "", Verdict{Class: model.ClassBroken, Retry: true, Words: "not as Slack"}},
		{slackAPI, `<html>gateway</html>`, 502, "", Verdict{Class: model.ClassStatus, Retry: true, Words: "502"}},
	} {
		x := egress.Exchange{Status: tc.status, Body: []byte(tc.body), Header: http.Header{}}
		if tc.retryAfter != "" {
			x.Header.Set("Retry-After", tc.retryAfter)
		}
		got := Judge(Answer{Connection: model.Connection{Type: model.ConnectionSlack, Settings: model.Config{"via": tc.via}}, Exchange: x, Now: now})
		if !strings.Contains(got.Words, tc.want.Words) {
			t.Errorf("%s %d %s: %q", tc.via, tc.status, tc.body, got.Words)
		}
		got.Words, tc.want.Words = "", ""
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s %d %s: %s", tc.via, tc.status, tc.body, diff)
		}
	}
}

func TestTeamsJudge(t *testing.T) {
	for _, tc := range []struct {
		body   string
		status int
		want   Verdict
	}{
		{"", 202, Verdict{Success: true}},
		{"1", 200, Verdict{Success: true}},
		{"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0", 200,
			Verdict{Class: model.ClassStatus, Retry: true, RetryAfter: 2 * time.Second, Words: "HTTP error 429"}},
		{"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId", 200, Verdict{Class: model.ClassStatus, Words: "28 KB"}},
		{"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 502", 200, Verdict{Class: model.ClassStatus, Retry: true, Words: "502"}},
		{"Summary or Text is required.", 200, Verdict{Class: model.ClassStatus, Words: "did not post"}},
		{`{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"x"}}`, 400, Verdict{Class: model.ClassStatus, Words: "switched off"}},
		{`{"error":{"code":"DirectApiAuthorizationRequired","message":"x"}}`, 401, Verdict{Class: model.ClassStatus, Words: "signature"}},
		{`{"error":{"code":"TooManyRequests","message":"slow down"}}`, 429, Verdict{Class: model.ClassStatus, Retry: true, Words: "slow down"}},
		{`{"error":{"code":"WorkflowNotFound","message":"x"}}`, 404, Verdict{Class: model.ClassStatus, Words: "removed"}},
	} {
		got := Judge(Answer{Connection: model.Connection{Type: model.ConnectionTeams}, Exchange: egress.Exchange{Status: tc.status, Body: []byte(tc.body), Header: http.Header{}}})
		if !strings.Contains(got.Words, tc.want.Words) {
			t.Errorf("%d %s: %q", tc.status, tc.body, got.Words)
		}
		got.Words, tc.want.Words = "", ""
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%d %s: %s", tc.status, tc.body, diff)
		}
	}
}

// What the forms make compiles, and their samples do.
func TestChatTemplatesCompile(t *testing.T) {
	full := model.Config{"title": "Order {{ it.data[0].id }}", "text": "From {{ it.data[0].name }} // “quoted” \\ and {{= it.data[0].raw }}\nnext", "fields": "Total: {{ it.data[0].a ? 1 : 2 }}\nA {{ `x:y` }}: b",
		"button": "Open", "button_url": "https://a.example/{{ it.data[0].id }}", "footer": "small", "channel": "#{{ it.data[0].c }}", "tone": "good"}
	for _, kind := range []Type{slack(), teams()} {
		for _, via := range []string{slackWebhook, slackAPI} {
			c := model.Connection{Type: kind.Type, Settings: model.Config{"via": via}}
			for _, settings := range []model.Config{nil, full} {
				text := Template(c, model.Destination{Settings: settings})
				for _, p := range script.Check([]script.Part{{Name: "template", Place: script.JSONBody, Source: text}}) {
					t.Errorf("%s: %+v in\n%s", kind.Type, p, text)
				}
			}
		}
		for _, s := range kind.Samples {
			for _, p := range script.Check([]script.Part{{Name: "template", Place: script.JSONBody, Source: s.Template}}) {
				t.Errorf("%s, %s: %+v", kind.Type, s.Title, p)
			}
		}
	}
}

func TestSlackChannelIsAdded(t *testing.T) {
	c := model.Connection{Type: model.ConnectionSlack, BaseURL: "https://slack.com/api", Settings: model.Config{"via": slackAPI}}
	d := model.Destination{Method: "POST", Template: "x", Settings: model.Config{"channel": "C1"}}
	for in, want := range map[string]string{`{"text":"a"}`: `{"channel":"C1","text":"a"}`, ` {} `: `{"channel":"C1"}`, `{"channel":"C2"}`: `{"channel":"C2"}`, `[1]`: `[1]`} {
		req, err := Build(c, d, Rendered{Path: "chat.postMessage", Body: []byte(in)})
		if err != nil || string(req.Body) != want {
			t.Errorf("%s: %s %v", in, req.Body, err)
		}
	}
}

func TestLooks(t *testing.T) {
	text := func(list []model.LookSpan) string {
		var b strings.Builder
		for _, s := range list {
			switch {
			case s.Mention:
				b.WriteString("[mention " + s.Text + "]")
			case s.Link != "":
				b.WriteString("[" + s.Text + " → " + s.Link + "]")
			case s.Bold:
				b.WriteString("[b " + s.Text + "]")
			case s.Italic:
				b.WriteString("[i " + s.Text + "]")
			case s.Strike:
				b.WriteString("[s " + s.Text + "]")
			case s.Code:
				b.WriteString("[c " + s.Text + "]")
			default:
				b.WriteString(s.Text)
			}
		}
		return b.String()
	}
	for in, want := range map[string]string{
		"a *b* _c_ ~d~ `e` f": "a [b b] [i c] [s d] [c e] f", "<https://x.example|x> <https://y.example>": "[x → https://x.example] [https://y.example → https://y.example]",
		"<!channel> <@U1> &lt;b&gt;": "[mention @channel] [mention @U1] <b>", "2 * 3 * 4": "2 * 3 * 4", "snake_case_name": "snake_case_name",
	} {
		if got := text(mrkdwn(in)); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	for in, want := range map[string]string{"**b** _i_ [x](https://x.example) \\*no\\*": "[b b] [i i] [x → https://x.example] *no*"} {
		if got := text(markdown(in)); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	for body, want := range map[string][]model.LookKind{
		`{"text":"a\n>q\n` + "```x```" + `"}`: {model.LookText, model.LookQuote, model.LookCode}, `[]`: {model.LookWrong}, `{}`: {model.LookWrong},
		`{"blocks":[{"type":"header","text":{"text":"T"}},{"type":"section","fields":[{"text":"*a*\nb"}]},{"type":"divider"},{"type":"actions","elements":[{"text":{"text":"B"}}]},{"type":"input"}]}`: {
			model.LookTitle, model.LookFacts, model.LookLine, model.LookButtons, model.LookWrong},
	} {
		var got []model.LookKind
		for _, b := range slackLook([]byte(body)) {
			got = append(got, b.Kind)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	for _, s := range teamsSamples()[:1] {
		if !json.Valid([]byte(strings.NewReplacer("{{ it.data[0].total }}", "1").Replace(s.Template))) {
			t.Error(s.Title)
		}
	}
	card := `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{"type":"AdaptiveCard","body":[{"type":"TextBlock","text":"T","weight":"Bolder"},{"type":"FactSet","facts":[{"title":"a","value":"b"}]},{"type":"Input.Text"}],"actions":[{"title":"Open"}]}}]}`
	var got []model.LookKind
	for _, b := range teamsLook([]byte(card)) {
		got = append(got, b.Kind)
	}
	if diff := cmp.Diff([]model.LookKind{model.LookTitle, model.LookFacts, model.LookWrong, model.LookButtons}, got); diff != "" {
		t.Error(diff)
	}
}
