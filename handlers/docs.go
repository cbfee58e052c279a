package handlers

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/api"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

// The API reference is a page of what there is, and a page for each noun: all of it at once would be too much to send.
func (h *Handlers) docsRoutes() []web.Route {
	reference := sync.OnceValues(func() (views.DocsProps, error) {
		text, err := api.Document(h.Web, h.o.Jobs)
		if err != nil {
			return views.DocsProps{}, err
		}
		p, err := readSpec(text)
		placeObjects(&p)
		return p, err
	})
	show := func(c echo.Context) error {
		p, err := reference()
		if err != nil {
			return err
		}
		if p.Shown = c.Param("resource"); p.Shown != "" && !slices.ContainsFunc(p.Resources, func(r views.DocResource) bool { return r.ID == p.Shown }) {
			return fault.Absent("part of the reference")
		}
		return h.showDocs(c, p)
	}
	return []web.Route{web.Get(model.SignedIn, href.Docs(), show), web.Get(model.SignedIn, href.DocsOf(":resource"), show), web.Get(model.SignedIn, href.ConnectionGuide(":type"), h.showGuide)}
}

// showDocs fills the reference with what the reader knows: his address, his rights, ids of what he may see.
func (h *Handlers) showDocs(c echo.Context, p views.DocsProps) error {
	ids, err := h.exampleIDs(c)
	if err != nil {
		return err
	}
	p.Base = strings.TrimSuffix(h.BaseURL.String(), "/") + api.Prefix
	p.MayMakeKeys = h.may(c, model.APIKeys.Manage())
	fill := strings.NewReplacer(ids...)
	p.Resources = slices.Clone(p.Resources) // the reference itself is shared
	title := "API reference"
	for i, r := range p.Resources {
		if r.ID != p.Shown {
			continue
		}
		title = r.Name
		calls := slices.Clone(r.Calls)
		for j := range calls {
			calls[j].Allowed = h.may(c, model.Right(calls[j].Right))
			calls[j].Curl = curl(p.Base, calls[j])
			if !overwrites(calls[j]) {
				calls[j].Curl = fill.Replace(calls[j].Curl)
			}
		}
		p.Resources[i].Calls = calls
	}
	bits := web.Bits{Title: title, Section: "docs"}
	if p.Shown != "" {
		bits.Crumbs = under(crumb("API reference", href.Docs()), title)
	}
	return h.Page(c, bits, views.Docs(p))
}

// placeObjects puts in place of the names of objects where they are described.
func placeObjects(p *views.DocsProps) {
	at := map[string]string{}
	for _, r := range p.Resources {
		for _, o := range r.Objects {
			at[o.Name] = href.DocsObject(r.ID, o.Name)
		}
	}
	for _, o := range p.Problem {
		at[o.Name] = href.DocsObject("", o.Name)
	}
	fields := func(list []views.DocField) {
		for i := range list {
			list[i].Of = at[list[i].Of]
		}
	}
	objects := func(list []views.DocObject) {
		for _, o := range list {
			fields(o.Fields)
		}
	}
	objects(p.Problem)
	for _, r := range p.Resources {
		objects(r.Objects)
		for _, c := range r.Calls {
			fields(c.Params)
			fields(c.Headers)
			fields(c.Body)
			for i := range c.Answers {
				c.Answers[i].Of = at[c.Answers[i].Of]
			}
		}
	}
}

// overwrites reports whether a call, pasted as it stands, would take something away from its owner: such a call keeps its
// placeholder.
func overwrites(c views.DocCall) bool {
	return c.Method == "PUT" || c.Method == "DELETE" || c.ID == "cancel-delivery" || c.ID == "revoke-inbound-key" || c.ID == "cancel-replay"
}

// exampleIDs are pairs of a placeholder and the id of the newest such thing, as far as the reader may see one.
func (h *Handlers) exampleIDs(c echo.Context) ([]string, error) {
	ctx, one := c.Request().Context(), db.Page{Limit: 1}
	var ids []string
	add := func(placeholder string, right model.Right, newest func(context.Context) (string, error)) error {
		if !h.may(c, right) {
			return nil
		}
		id, err := newest(ctx)
		if id != "" {
			ids = append(ids, placeholder, id)
		}
		return err
	}
	me, _ := h.User(c)
	for _, x := range []struct {
		placeholder string
		right       model.Right
		newest      func(context.Context) (string, error)
	}{
		{"CONNECTION_ID", model.Connections.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Connections(ctx, db.ConnectionFilter{}, one)
			return newestOf(list, err, func(x model.Connection) string { return string(x.ID) })
		}},
		{"DESTINATION_ID", model.Connections.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Destinations(ctx, "", one)
			return newestOf(list, err, func(x model.Destination) string { return string(x.ID) })
		}},
		{"ACTION_ID", model.Connections.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Actions(ctx, db.ActionFilter{}, one)
			return newestOf(list, err, func(x model.Action) string { return string(x.ID) })
		}},
		{"CREDENTIAL_ID", model.Credentials.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Credentials(ctx, db.CredentialFilter{}, one)
			return newestOf(list, err, func(x model.Credential) string { return string(x.ID) })
		}},
		{"EVENT_ID", model.Events.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Events(ctx, db.EventFilter{}, one)
			return newestOf(list, err, func(x model.Event) string { return string(x.ID) })
		}},
		{"DELIVERY_ID", model.Deliveries.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Deliveries(ctx, db.DeliveryFilter{}, one)
			return newestOf(list, err, func(x model.Delivery) string { return string(x.ID) })
		}},
		{"INBOUND_ENDPOINT_ID", model.Inbound.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.InboundEndpoints(ctx, db.InboundFilter{}, one)
			return newestOf(list, err, func(x model.InboundEndpoint) string { return string(x.ID) })
		}},
		{"REPLAY_ID", model.Deliveries.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Replays(ctx, one)
			return newestOf(list, err, func(x model.Replay) string { return string(x.ID) })
		}},
		{"API_KEY_ID", model.APIKeys.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.APIKeys(ctx, one)
			return newestOf(list, err, func(x model.APIKey) string { return string(x.ID) })
		}},
		{"ROLE_ID", model.Users.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Roles(ctx, one)
			return newestOf(list, err, func(x model.Role) string { return string(x.ID) })
		}},
		{"EVENT_DEFINITION_ID", model.Events.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.EventDefinitions(ctx, db.EventDefinitionFilter{}, one)
			return newestOf(list, err, func(x model.EventDefinition) string { return string(x.ID) })
		}},
		{"AUDIENCE_ID", model.Workflows.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Audiences(ctx, db.AudienceFilter{}, one)
			return newestOf(list, err, func(x model.Audience) string { return string(x.ID) })
		}},
		{"INTEGRATION_ID", model.Workflows.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Integrations(ctx, db.IntegrationFilter{}, one)
			return newestOf(list, err, func(x model.Integration) string { return string(x.ID) })
		}},
		{"WORKFLOW_ID", model.Workflows.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Workflows(ctx, db.WorkflowFilter{}, one)
			return newestOf(list, err, func(x model.Workflow) string { return string(x.ID) })
		}},
		{"RUN_ID", model.Workflows.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.Runs(ctx, db.RunFilter{}, one)
			return newestOf(list, err, func(x model.Run) string { return string(x.ID) })
		}},
		{"NETWORK_RULE_ID", model.Settings.View(), func(ctx context.Context) (string, error) {
			list, _, err := h.Store.NetworkRules(ctx, db.NetworkRuleFilter{}, one)
			return newestOf(list, err, func(x model.NetworkRule) string { return string(x.ID) })
		}},
		{"USER_ID", model.SignedIn, func(context.Context) (string, error) { return string(me.ID), nil }},
	} {
		if err := add(x.placeholder, x.right, x.newest); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func newestOf[T any](list []T, err error, id func(T) string) (string, error) {
	if err != nil || len(list) == 0 {
		return "", err
	}
	return id(list[0]), nil
}

// curl is one call as a command, with placeholders for ids.
func curl(base string, c views.DocCall) string {
	var b strings.Builder
	b.WriteString("curl ")
	if c.Method != "GET" {
		b.WriteString("-X " + c.Method + " ")
	}
	b.WriteString(quoted(base+strings.NewReplacer("{id}", placeholder(c.Path), "{receipt}", "RECEIPT").Replace(c.Path)) + " \\\n  -H \"Authorization: Bearer $WAYBILL_KEY\"")
	if body := exampleBody(c.ID); body != "" {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d " + quoted(body))
	} else if len(c.OtherTypes) > 0 && len(c.Body) == 0 {
		b.WriteString(" \\\n  -H 'Content-Type: " + c.OtherTypes[0] + "' \\\n  --data-binary @FILE")
	}
	return b.String()
}

// quoted is a word of a shell.
func quoted(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/:._-@", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// placeholder is what stands for the id in a path.
func placeholder(path string) string {
	noun, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	noun = strings.TrimSuffix(noun, "s")
	if noun == "audience-run" {
		noun = "audience-start" // a name that no other is a part of
	}
	if rest, ok := strings.CutSuffix(noun, "ie"); ok {
		noun = rest + "y"
	}
	return strings.ToUpper(strings.ReplaceAll(noun, "-", "_")) + "_ID"
}
