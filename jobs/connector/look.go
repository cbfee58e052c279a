package connector

import (
	"encoding/json"
	"regexp"
	"strings"

	"waybill/db/model"
)

// What a chat will show of a message, as far as it can be told here: the blocks of Slack and the elements of adaptive
// cards that people use. What is not known is named instead of drawn.

// span is text in one style.
func span(text string) []model.LookSpan { return []model.LookSpan{{Text: text}} }

func wrong(words string) model.LookBlock {
	return model.LookBlock{Kind: model.LookWrong, Spans: span(words)}
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// slackLook draws text or blocks.
func slackLook(body []byte) []model.LookBlock {
	var m struct {
		Text        string            `json:"text"`
		Blocks      []json.RawMessage `json:"blocks"`
		Attachments []json.RawMessage `json:"attachments"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return []model.LookBlock{wrong("Slack takes a JSON object with text or blocks; this is none.")}
	}
	var out []model.LookBlock
	for _, b := range m.Blocks {
		out = append(out, slackBlock(b)...)
	}
	if len(m.Blocks) == 0 && m.Text != "" {
		out = append(out, slackLines(m.Text)...)
	}
	if len(m.Attachments) > 0 {
		out = append(out, wrong("Attachments, an older form of Slack’s, are not drawn here."))
	}
	switch {
	case len(out) == 0:
		out = append(out, wrong("Slack will refuse this: it has neither text nor blocks."))
	case len(m.Blocks) > 50:
		out = append(out, wrong("Slack will refuse this: it takes at most 50 blocks."))
	}
	return out
}

func slackBlock(raw json.RawMessage) []model.LookBlock {
	var b struct {
		Type     string            `json:"type"`
		Text     slackText         `json:"text"`
		Fields   []slackText       `json:"fields"`
		Elements []json.RawMessage `json:"elements"`
		ImageURL string            `json:"image_url"`
		AltText  string            `json:"alt_text"`
	}
	if json.Unmarshal(raw, &b) != nil {
		return []model.LookBlock{wrong("A block that Slack cannot read.")}
	}
	switch b.Type {
	case "header":
		return []model.LookBlock{{Kind: model.LookTitle, Spans: span(unescape(b.Text.Text))}}
	case "section":
		out := slackLines(b.Text.Text)
		if len(b.Fields) > 0 {
			facts := model.LookBlock{Kind: model.LookFacts}
			for _, f := range b.Fields {
				name, value, _ := strings.Cut(f.Text, "\n")
				facts.Pairs = append(facts.Pairs, [2][]model.LookSpan{mrkdwn(name), mrkdwn(value)})
			}
			out = append(out, facts)
		}
		return out
	case "divider":
		return []model.LookBlock{{Kind: model.LookLine}}
	case "image":
		return []model.LookBlock{{Kind: model.LookImage, URL: b.ImageURL, Spans: span(b.AltText)}}
	case "context":
		return []model.LookBlock{{Kind: model.LookSmall, Spans: slackContext(b.Elements)}}
	case "actions":
		out := model.LookBlock{Kind: model.LookButtons}
		for _, e := range b.Elements {
			var button struct {
				Text slackText `json:"text"`
			}
			if json.Unmarshal(e, &button) == nil && button.Text.Text != "" {
				out.Labels = append(out.Labels, unescape(button.Text.Text))
			}
		}
		return []model.LookBlock{out}
	}
	return []model.LookBlock{wrong("A block of type " + b.Type + ", which is not drawn here.")}
}

func slackContext(elements []json.RawMessage) []model.LookSpan {
	var out []model.LookSpan
	for _, e := range elements {
		var t slackText
		if json.Unmarshal(e, &t) == nil && t.Text != "" {
			out = append(append(out, mrkdwn(t.Text)...), model.LookSpan{Text: " "})
		}
	}
	return out
}

// slackLines are paragraphs of mrkdwn: quotes and code by themselves.
func slackLines(text string) []model.LookBlock {
	var out []model.LookBlock
	for i, part := range strings.Split(text, "```") {
		if i%2 == 1 {
			out = append(out, model.LookBlock{Kind: model.LookCode, Spans: span(strings.Trim(unescape(part), "\n"))})
			continue
		}
		for line := range strings.Lines(strings.Trim(part, "\n")) {
			line = strings.TrimRight(line, "\n")
			kind := model.LookText
			if rest, quoted := strings.CutPrefix(line, "&gt;"); quoted {
				kind, line = model.LookQuote, strings.TrimSpace(rest)
			} else if rest, quoted := strings.CutPrefix(line, ">"); quoted {
				kind, line = model.LookQuote, strings.TrimSpace(rest)
			}
			out = append(out, model.LookBlock{Kind: kind, Spans: mrkdwn(line)})
		}
	}
	return out
}

// mrkdwnMarks are links and mentions, then marks around words.
var mrkdwnMarks = regexp.MustCompile("<([^<>\\s|]+)(?:\\|([^<>]*))?>|`([^`\n]+)`|\\*([^*\\s](?:[^*\n]*[^*\\s])?)\\*|\\b_([^_\\s](?:[^_\n]*[^_\\s])?)_\\b|~([^~\\s](?:[^~\n]*[^~\\s])?)~")

func mrkdwn(text string) []model.LookSpan {
	return marked(text, mrkdwnMarks, func(text string, at []string) model.LookSpan {
		switch {
		case at[1] != "" && strings.HasPrefix(at[1], "!"), strings.HasPrefix(at[1], "@"), strings.HasPrefix(at[1], "#"):
			return model.LookSpan{Text: mention(at[1], at[2]), Mention: true}
		case at[1] != "":
			shown := at[2]
			if shown == "" {
				shown = at[1]
			}
			return model.LookSpan{Text: unescape(shown), Link: unescape(at[1])}
		case at[3] != "":
			return model.LookSpan{Text: unescape(at[3]), Code: true}
		case at[4] != "":
			return model.LookSpan{Text: unescape(at[4]), Bold: true}
		case at[5] != "":
			return model.LookSpan{Text: unescape(at[5]), Italic: true}
		}
		return model.LookSpan{Text: unescape(at[6]), Strike: true}
	}, unescape)
}

func mention(name, shown string) string {
	if shown != "" {
		return "@" + strings.TrimLeft(shown, "@#")
	}
	if rest, special := strings.CutPrefix(name, "!"); special {
		rest, _, _ = strings.Cut(rest, "^")
		return "@" + rest
	}
	return name
}

// marked cuts text at the marks of a pattern; plain is what stands between them.
func marked(text string, pattern *regexp.Regexp, of func(string, []string) model.LookSpan, plain func(string) string) []model.LookSpan {
	var out []model.LookSpan
	last := 0
	for _, m := range pattern.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > last {
			out = append(out, model.LookSpan{Text: plain(text[last:m[0]])})
		}
		at := make([]string, len(m)/2)
		for i := range at {
			if m[2*i] >= 0 {
				at[i] = text[m[2*i]:m[2*i+1]]
			}
		}
		out, last = append(out, of(text, at)), m[1]
	}
	if last < len(text) {
		out = append(out, model.LookSpan{Text: plain(text[last:])})
	}
	return out
}

func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// cardLimit is how long a message to Teams may be, in bytes.
const cardLimit = 28 << 10

type cardElement struct {
	Type     string            `json:"type"`
	Text     string            `json:"text"`
	Weight   string            `json:"weight"`
	Size     string            `json:"size"`
	Color    string            `json:"color"`
	Subtle   bool              `json:"isSubtle"`
	Facts    []cardFact        `json:"facts"`
	Items    []json.RawMessage `json:"items"`
	Columns  []json.RawMessage `json:"columns"`
	URL      string            `json:"url"`
	AltText  string            `json:"altText"`
	Title    string            `json:"title"`
	Actions  []cardElement     `json:"actions"`
	Body     []json.RawMessage `json:"body"`
	Separate bool              `json:"separator"`
}

type cardFact struct{ Title, Value string }

// teamsLook draws the cards of a message.
func teamsLook(body []byte) []model.LookBlock {
	var m struct {
		Type        string `json:"type"`
		Text        string `json:"text"`
		Attachments []struct {
			ContentType string      `json:"contentType"`
			Content     cardElement `json:"content"`
		} `json:"attachments"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return []model.LookBlock{wrong("Teams takes a JSON object with attachments; this is none.")}
	}
	var out []model.LookBlock
	for _, a := range m.Attachments {
		if a.ContentType != "application/vnd.microsoft.card.adaptive" || a.Content.Type != "AdaptiveCard" {
			out = append(out, wrong("An attachment that is no adaptive card; the workflow will not post it."))
			continue
		}
		out = append(out, cardElements(a.Content.Body)...)
		out = append(out, cardButtons(a.Content.Actions)...)
	}
	if len(m.Attachments) == 0 {
		out = append(out, wrong("The workflow posts the cards among attachments; this message has none."))
	}
	if len(body) > cardLimit {
		out = append(out, wrong("Teams will refuse this: it takes at most 28 KB."))
	}
	return out
}

func cardElements(list []json.RawMessage) []model.LookBlock {
	var out []model.LookBlock
	for _, raw := range list {
		var e cardElement
		if json.Unmarshal(raw, &e) != nil {
			out = append(out, wrong("An element that Teams cannot read."))
			continue
		}
		if e.Separate {
			out = append(out, model.LookBlock{Kind: model.LookLine})
		}
		out = append(out, cardElementLook(e)...)
	}
	return out
}

func cardElementLook(e cardElement) []model.LookBlock {
	switch e.Type {
	case "TextBlock":
		kind := model.LookText
		switch {
		case e.Subtle || e.Size == "Small" || e.Size == "small":
			kind = model.LookSmall
		case strings.EqualFold(e.Weight, "bolder"):
			kind = model.LookTitle
		}
		var out []model.LookBlock
		for line := range strings.Lines(e.Text) {
			if line = strings.TrimSpace(line); line != "" {
				out = append(out, model.LookBlock{Kind: kind, Spans: markdown(line), Tone: cardTone(e.Color)})
			}
		}
		return out
	case "FactSet":
		b := model.LookBlock{Kind: model.LookFacts}
		for _, f := range e.Facts {
			b.Pairs = append(b.Pairs, [2][]model.LookSpan{{{Text: f.Title, Bold: true}}, markdown(f.Value)})
		}
		return []model.LookBlock{b}
	case "Image":
		return []model.LookBlock{{Kind: model.LookImage, URL: e.URL, Spans: span(e.AltText)}}
	case "Container", "Column":
		return cardElements(e.Items)
	case "ColumnSet":
		return cardElements(e.Columns)
	case "ActionSet":
		return cardButtons(e.Actions)
	}
	return []model.LookBlock{wrong("An element of type " + e.Type + ", which is not drawn here.")}
}

func cardButtons(actions []cardElement) []model.LookBlock {
	if len(actions) == 0 {
		return nil
	}
	b := model.LookBlock{Kind: model.LookButtons}
	for _, a := range actions {
		b.Labels = append(b.Labels, a.Title)
	}
	return []model.LookBlock{b}
}

func cardTone(color string) string {
	switch strings.ToLower(color) {
	case "good":
		return "good"
	case "warning":
		return "warning"
	case "attention":
		return "bad"
	case "accent":
		return "accent"
	}
	return ""
}

// markdownMarks are escaped signs, links, then marks around words.
var markdownMarks = regexp.MustCompile(`\\([\\*_\[\]])|\[([^\[\]]+)\]\(([^()\s]+)\)|\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*|\b_([^_\s](?:[^_\n]*[^_\s])?)_\b`)

func markdown(text string) []model.LookSpan {
	return marked(text, markdownMarks, func(_ string, at []string) model.LookSpan {
		switch {
		case at[1] != "":
			return model.LookSpan{Text: at[1]}
		case at[2] != "":
			return model.LookSpan{Text: at[2], Link: at[3]}
		case at[4] != "":
			return model.LookSpan{Text: at[4], Bold: true}
		case at[5] != "":
			return model.LookSpan{Text: at[5], Italic: true}
		}
		return model.LookSpan{Text: at[6], Italic: true}
	}, func(s string) string { return s })
}
