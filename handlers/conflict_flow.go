package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/views"
)

// draftCollision is that of a form that edits one part of a workflow's draft: the trigger, a step, or a webhook of a step. place is
// the field under which the audit log keeps what it is a part of; part finds it there ("" = it is not there).
func (h *Handlers) draftCollision(w model.Workflow, noun, place string, stored, typed any, part func(json.RawMessage) json.RawMessage) collision {
	x := collision{noun: noun, id: string(w.ID), now: w.Version, diff: partChanges(encoded(stored), encoded(typed))}
	x.expand = func(ch model.Change) []model.Change {
		if ch.Field != place {
			return nil
		}
		return partChanges(part(json.RawMessage(ch.Before)), part(json.RawMessage(ch.After)))
	}
	x.names = func(c echo.Context) map[string]string { return h.namesIn(c, x.diff) }
	return x
}

// wholePart is the part of those who edit all that the audit log keeps in one field.
func wholePart(all json.RawMessage) json.RawMessage { return all }

// hookPart finds a webhook in a step.
func hookPart(id model.WebhookID) func(json.RawMessage) json.RawMessage {
	return func(step json.RawMessage) json.RawMessage {
		var s struct{ Webhooks []json.RawMessage }
		if json.Unmarshal(step, &s) != nil {
			return nil
		}
		for _, x := range s.Webhooks {
			var w struct{ ID model.WebhookID }
			if json.Unmarshal(x, &w) == nil && w.ID == id {
				return x
			}
		}
		return nil
	}
}

func encoded(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil // our own types, always encodable
	}
	return b
}

// partChanges lists the members in which two objects of a definition differ. Members of members stand by themselves; a list
// has a line for each of its entries. What is empty is as what is not there.
func partChanges(before, after json.RawMessage) []model.Change {
	a, b := map[string]string{}, map[string]string{}
	order := append(members("", before, a, nil), members("", after, b, nil)...)
	var out []model.Change
	for i, name := range order {
		if a[name] != b[name] && !slices.Contains(order[:i], name) {
			out = append(out, model.Change{Field: name, Before: a[name], After: b[name]})
		}
	}
	return out
}

// elsewhere is what the forms of a draft do not show.
func elsewhere(path string) bool {
	return slices.Contains([]string{"id", "webhooks", "auth.secrets"}, path)
}

func members(prefix string, object json.RawMessage, into map[string]string, order []string) []string {
	dec := json.NewDecoder(bytes.NewReader(object))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return order
	}
	for dec.More() {
		key, err := dec.Token()
		name, _ := key.(string)
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return order
		}
		at := prefix + name
		switch {
		case elsewhere(at):
		case value[0] == '{':
			order = members(at+".", value, into, order)
		default:
			if into[at] = lines(value); strings.HasSuffix(name, "seconds") {
				into[at] = spanWords(into[at])
			}
			order = append(order, at)
		}
	}
	return order
}

// spanWords is a span of seconds as people write it.
func spanWords(text string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n == 0 {
		return ""
	}
	return views.SpanWords(context.Background(), n)
}

// lines is a value of JSON for people: text as it is, a list line by line.
func lines(value json.RawMessage) string {
	var text string
	var list []json.RawMessage
	switch {
	case string(value) == "null":
		return ""
	case json.Unmarshal(value, &text) == nil:
		return text
	case json.Unmarshal(value, &list) == nil:
		out := make([]string, len(list))
		for i, x := range list {
			out[i] = lines(x)
		}
		return strings.Join(out, "\n")
	}
	return string(value)
}

// namesIn are the names of credentials, integrations and destinations whose ids stand in changes, as far as who asks may see them.
func (h *Handlers) namesIn(c echo.Context, list []model.Change) map[string]string {
	out, ctx := map[string]string{}, c.Request().Context()
	for _, ch := range list {
		for _, id := range []string{ch.Before, ch.After} {
			switch {
			case id == "":
			case strings.HasSuffix(ch.Field, "credential_id") && h.may(c, model.Credentials.View()):
				if x, err := h.Store.Credential(ctx, model.CredentialID(id)); err == nil {
					out[id] = x.Name
				}
			case strings.HasSuffix(ch.Field, "integration_id"):
				if x, err := h.Store.Integration(ctx, model.IntegrationID(id)); err == nil {
					out[id] = x.Name
				}
			case strings.HasSuffix(ch.Field, "destination_id") && h.may(c, model.Connections.View()):
				if x, err := h.Store.Destination(ctx, model.DestID(id)); err == nil {
					out[id] = x.Name
				}
			case strings.HasSuffix(ch.Field, "audience_id"):
				if x, err := h.Store.Audience(ctx, model.AudienceID(id)); err == nil {
					out[id] = x.Name
				}
			}
		}
	}
	return out
}
