package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/inbound"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/texts"
	"waybill/views/ui"
)

// The partner page belongs to the third party behind an inbound URL. It needs no account: the key opens it, and a cookie
// that holds the key, sealed, keeps it open for an hour. Every request shows the key anew, so that a key that is revoked
// opens nothing.
func (h *Handlers) partnerRoutes() []web.Route {
	return []web.Route{
		web.Get(web.Public, href.Partner(href.Pattern), h.showPartner),
		web.Post(web.Public, href.Partner(href.Pattern), h.openPartner),
		web.Post(web.Public, href.PartnerCheck(href.Pattern), h.checkAsPartner).Up(mostCheck).LateForm(),
		web.Post(web.Public, href.PartnerRotate(href.Pattern), h.rotateAsPartner),
		web.Post(web.Public, href.PartnerLeave(href.Pattern), h.leavePartner),
		web.Get(web.Public, href.PartnerOpenAPI(href.Pattern), h.partnerOpenAPI),
		web.Get(model.Inbound.View(), href.CheckInbound(href.Pattern), h.showChecker),
		web.Post(model.Inbound.View(), href.CheckInbound(href.Pattern), h.runChecker),
	}
}

const (
	partnerCookie = "waybill_partner"
	partnerLife   = 3600 // seconds
	mostCheck     = 2 << 20
)

// guest is the partner of one request: his endpoint, and the key that he showed.
type guest struct {
	endpoint model.InboundEndpoint
	key      model.Secret
}

// keyShown is the key that the cookie of this request holds for the endpoint of the route, "" when there is none.
func (h *Handlers) keyShown(c echo.Context) model.Secret {
	cookie, err := c.Cookie(partnerCookie)
	if err != nil {
		return ""
	}
	var key string
	if h.partners.Decode(partnerCookie+c.Param("id"), cookie.Value, &key) != nil {
		return "" // of another endpoint or process, too old, or made up
	}
	return model.Secret(key)
}

func (h *Handlers) keepKey(c echo.Context, value string, seconds int) {
	http.SetCookie(c.Response(), &http.Cookie{Name: partnerCookie, Value: value, Path: href.Partner(c.Param("id")), MaxAge: seconds, HttpOnly: true,
		Secure: h.BaseURL.Scheme == "https" || web.OverHTTPS(c.Request()), SameSite: http.SameSiteStrictMode})
}

// admit is the partner who shows this key.
func (h *Handlers) admit(c echo.Context, key model.Secret) (guest, error) {
	from, _ := netip.ParseAddr(web.Address(c)) // without one, all such share one address
	a, err := h.o.Jobs.Admit(c.Request().Context(), jobs.Stranger{Key: key, Endpoint: web.ID[model.InboundID](c), Address: from})
	if err != nil {
		return guest{}, err
	}
	defer a.Release()
	return guest{a.Endpoint(), key}, nil
}

// askKey is the page that asks for the key.
func (h *Handlers) askKey(c echo.Context, status int, wrong string) error {
	return h.Page(c, web.Bits{Status: status, Title: "Partner page"}, views.PartnerDoor(views.PartnerDoorProps{ID: web.ID[model.InboundID](c), Wrong: wrong}))
}

// asPartner lets do have the partner, or asks for the key.
func (h *Handlers) asPartner(c echo.Context, do func(guest) error) error {
	key := h.keyShown(c)
	if key == "" {
		return h.askKey(c, http.StatusOK, "")
	}
	g, err := h.admit(c, key)
	if fault.Is(err, fault.SignedOut) {
		h.keepKey(c, "", -1)
		return h.askKey(c, http.StatusOK, h.T(c, "This key is no longer valid."))
	}
	if err != nil {
		return err
	}
	return do(g)
}

func (h *Handlers) openPartner(c echo.Context) error {
	key := strings.TrimSpace(typed(c, "key"))
	key = strings.TrimRight(key, "/")
	key = key[strings.LastIndexByte(key, '/')+1:]
	_, err := h.admit(c, model.Secret(key))
	if fault.Is(err, fault.SignedOut) {
		return h.askKey(c, http.StatusUnprocessableEntity, h.T(c, "This key does not open this page."))
	}
	if err != nil {
		return err
	}
	value, err := h.partners.Encode(partnerCookie+c.Param("id"), key)
	if err != nil {
		return err
	}
	h.keepKey(c, value, partnerLife)
	return web.Redirect(c, href.Partner(web.ID[model.InboundID](c)))
}

func (h *Handlers) leavePartner(c echo.Context) error {
	h.keepKey(c, "", -1)
	return web.Redirect(c, href.Partner(web.ID[model.InboundID](c)))
}

func (h *Handlers) showPartner(c echo.Context) error {
	return h.asPartner(c, func(g guest) error {
		return h.partnerPage(c, g, views.CheckProps{})
	})
}

// partnerCalls is how many calls the partner sees.
const partnerCalls = 25

func (h *Handlers) partnerPage(c echo.Context, g guest, check views.CheckProps) error {
	ctx, e := c.Request().Context(), g.endpoint
	kind, _ := inbound.KindOf(e.Verification.Preset)
	check.Action, check.Sample = href.PartnerCheck(e.ID), sampleHeaders(e)
	p := views.PartnerProps{Endpoint: e, Preset: presetView(kind), Rules: partnerRules(h.Reader(c), e, kind), Check: check, Now: h.Now()}
	var err error
	if p.URL, err = h.inboundURL(ctx, e, true); err != nil {
		return err
	}
	for _, k := range e.LiveKeys(h.Now()) {
		if strings.HasPrefix(g.key.Reveal(), k.Hint) {
			p.Ends = k.ExpiresAt
		}
	}
	if p.Newer = !strings.HasSuffix(p.URL, "/"+g.key.Reveal()); !e.PartnerRotates { // whoever holds an old key is not told the new one
		p.Newer, p.URL = false, strings.TrimSuffix(h.BaseURL.String(), "/")+href.InboundCall(g.key.Reveal())
	}
	p.Curl = partnerCurl(p.URL, e)
	if p.Calls, _, err = h.Store.InboundCalls(ctx, e.ID, db.CallFilter{}, db.Page{Limit: partnerCalls}); err != nil {
		return err
	}
	return h.Page(c, web.Bits{Title: e.Name}, views.Partner(p))
}

func partnerRules(ctx context.Context, e model.InboundEndpoint, k inbound.Kind) []ui.Fact {
	takes := texts.T(ctx, "Any content type")
	if len(e.ContentTypes) > 0 {
		takes = strings.Join(e.ContentTypes, ", ")
	}
	return []ui.Fact{
		{Label: "Verified by", Text: texts.T(ctx, k.Title)},
		{Label: "Takes", Text: texts.T(ctx, "{kinds}, up to {size}", "kinds", takes, "size", ui.Size(ctx, e.MaxBytes))},
		{Label: "Rate", Text: texts.T(ctx, "{n} calls a second; beyond it 429 says when to try again", "n", strconv.Itoa(e.Rate))},
		{Label: "Answer", Text: texts.T(ctx, "202 with a receipt, once the call is stored")},
		{Label: "Receipts", Text: texts.T(ctx, "GET the URL with /receipts/ and the receipt after it")},
		{Label: "Instead of the key in the URL", Text: texts.T(ctx, "{url} with Authorization: Bearer and the key", "url", href.InboundCall(string(e.ID)))},
	}
}

// sampleHeaders are what a call must carry besides its content type, as an example.
func sampleHeaders(e model.InboundEndpoint) string {
	var out []string
	for _, h := range needed(e.Verification) {
		out = append(out, h.Name+": "+h.Value)
	}
	return strings.Join(out, "\n")
}

// needed are the headers by which calls are verified, with what stands in them.
func needed(v model.Verification) []model.Header {
	switch v.Preset {
	case model.PresetHMAC:
		out := []model.Header{{Name: v.Header, Value: v.Prefix + "SIGNATURE"}}
		if v.TimestampHeader != "" {
			out = append(out, model.Header{Name: v.TimestampHeader, Value: "UNIX_SECONDS"})
		}
		return out
	case model.PresetGitHub, model.PresetMeta:
		return []model.Header{{Name: "X-Hub-Signature-256", Value: "sha256=SIGNATURE"}}
	case model.PresetStripe:
		return []model.Header{{Name: "Stripe-Signature", Value: "t=UNIX_SECONDS,v1=SIGNATURE"}}
	case model.PresetSlack:
		return []model.Header{{Name: "X-Slack-Request-Timestamp", Value: "UNIX_SECONDS"}, {Name: "X-Slack-Signature", Value: "v0=SIGNATURE"}}
	case model.PresetShopify:
		return []model.Header{{Name: "X-Shopify-Hmac-Sha256", Value: "SIGNATURE"}}
	case model.PresetStandard:
		return []model.Header{{Name: "webhook-id", Value: "ID"}, {Name: "webhook-timestamp", Value: "UNIX_SECONDS"}, {Name: "webhook-signature", Value: "v1,SIGNATURE"}}
	case model.PresetJWT:
		if v.Header != "" {
			return []model.Header{{Name: v.Header, Value: "TOKEN"}}
		}
		return []model.Header{{Name: "Authorization", Value: "Bearer TOKEN"}}
	case model.PresetBasic:
		return []model.Header{{Name: "Authorization", Value: "Basic " + "BASE64_OF_USER_AND_PASSWORD"}}
	}
	return nil
}

func partnerCurl(url string, e model.InboundEndpoint) string {
	var b strings.Builder
	b.WriteString("curl -X POST " + quoted(url) + " \\\n  -H 'Content-Type: application/json'")
	if e.Verification.Preset == model.PresetHMAC && e.Verification.Signed == "{body}" && e.Verification.Encoding == "hex" {
		b.WriteString(" \\\n  -H \"" + e.Verification.Header + ": " + e.Verification.Prefix + "$(printf %s '{\"hello\": \"world\"}' | openssl dgst -" + e.Verification.Algorithm + " -hmac \"$SECRET\" -r | cut -d ' ' -f 1)\"")
	} else {
		for _, h := range needed(e.Verification) {
			b.WriteString(" \\\n  -H " + quoted(h.Name+": "+h.Value))
		}
	}
	b.WriteString(" \\\n  -d '{\"hello\": \"world\"}'")
	return b.String()
}

func (h *Handlers) checkAsPartner(c echo.Context) error {
	return h.asPartner(c, func(g guest) error {
		if err := h.ReadForm(c); err != nil {
			return err
		}
		check, err := h.checked(c, g.endpoint)
		if err != nil {
			return err
		}
		return h.partnerPage(c, g, check)
	})
}

// checked explains how the request that was typed would be verified.
func (h *Handlers) checked(c echo.Context, e model.InboundEndpoint) (views.CheckProps, error) {
	f, err := web.Bind[views.CheckForm](c)
	if err != nil {
		return views.CheckProps{}, err
	}
	r := inbound.Request{Method: http.MethodPost, Path: "/in", Header: http.Header{}, Query: url.Values{}, Body: []byte(strings.ReplaceAll(f.Body, "\r\n", "\n"))}
	for line := range strings.Lines(f.Headers) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			r.Header.Add(textproto.TrimString(name), textproto.TrimString(value))
		}
	}
	v, err := h.o.Jobs.ExplainSignature(c.Request().Context(), e, r, model.Secret(strings.TrimSpace(typed(c, "secret"))))
	out := views.CheckProps{Form: f, Asked: true, OK: v.OK, Reason: v.Reason}
	for _, s := range v.Steps {
		out.Steps = append(out.Steps, views.CheckStep{Label: s.Label, Value: s.Value, State: string(s.State)})
	}
	return out, err
}

func (h *Handlers) showChecker(c echo.Context) error {
	item, err := h.endpointItem(c)
	if err != nil {
		return err
	}
	return h.checkerPage(c, item, views.CheckProps{})
}

func (h *Handlers) checkerPage(c echo.Context, item views.InboundItem, p views.CheckProps) error {
	p.Action, p.Sample = href.CheckInbound(item.ID), sampleHeaders(item.InboundEndpoint)
	return h.Page(c, web.Bits{Title: "Signature checker", Section: "inbound", Crumbs: inboundCrumbs(item, "Signature checker")}, views.InboundCheck(item, p))
}

func (h *Handlers) runChecker(c echo.Context) error {
	item, err := h.endpointItem(c)
	if err != nil {
		return err
	}
	p, err := h.checked(c, item.InboundEndpoint)
	if err != nil {
		return err
	}
	return h.checkerPage(c, item, p)
}

func (h *Handlers) rotateAsPartner(c echo.Context) error {
	return h.asPartner(c, func(g guest) error {
		if !g.endpoint.PartnerRotates {
			return fault.New(fault.Forbidden, "Rotating is not allowed here; ask whoever gave you the URL.")
		}
		f, err := web.Bind[views.RotateForm](c)
		if err != nil {
			return err
		}
		actor := model.Actor{Kind: model.ActorPartner, Name: "Partner of " + g.endpoint.Name, Address: web.Address(c), RequestID: web.RequestID(c), Rights: model.Rights{}}
		if f.Overlap == "0" { // the page would close itself
			f.Overlap = "3600"
		}
		words, err := h.rotate(c, g.endpoint.ID, f, actor)
		if p, _, ok := h.wrong(c, err, ""); ok {
			for _, text := range p.Fields {
				words = text
			}
			h.Flash(c, ui.Bad, words)
			return web.Redirect(c, href.Partner(g.endpoint.ID))
		}
		if err != nil {
			return err
		}
		return h.Done(c, href.Partner(g.endpoint.ID), words)
	})
}

// partnerOpenAPI describes the partner's URL as it is set, without its key.
func (h *Handlers) partnerOpenAPI(c echo.Context) error {
	return h.asPartner(c, func(g guest) error {
		text, err := json.MarshalIndent(openAPIOf(strings.TrimSuffix(h.BaseURL.String(), "/"), g.endpoint), "", "  ")
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/json", text)
	})
}

func openAPIOf(base string, e model.InboundEndpoint) map[string]any {
	kinds := e.ContentTypes
	if len(kinds) == 0 {
		kinds = []string{"application/json", "application/x-www-form-urlencoded", "application/cloudevents+json", "text/plain"}
	}
	content, params := map[string]any{}, []any{}
	for _, k := range kinds {
		content[k] = map[string]any{"schema": map[string]any{}}
	}
	for _, x := range needed(e.Verification) {
		if x.Name != "Authorization" { // OpenAPI 3.1, 4.8.12.1: a security scheme's business
			params = append(params, map[string]any{"name": x.Name, "in": "header", "required": true, "example": x.Value, "schema": map[string]any{"type": "string"}})
		}
	}
	said := func(words string) map[string]any { return map[string]any{"description": words} }
	receipt := map[string]any{"description": "Stored", "content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"type": "object", "required": []string{"receipt"},
		"properties": map[string]any{"receipt": map[string]any{"type": "string"}}}}}}
	post := map[string]any{"operationId": "call", "summary": "Call " + e.Name, "parameters": params, "requestBody": map[string]any{"content": content},
		"responses": map[string]any{"202": receipt, "400": said("The body is not what its content type says"), "401": said("Key, signature or time is not valid"),
			"413": said("The body is larger than " + strconv.Itoa(e.MaxBytes) + " bytes"), "415": said("This content type is not taken"), "429": said("Too many calls; Retry-After says when to try again"), "503": said("Nothing was stored; try again")}}
	return map[string]any{"openapi": "3.1.0", "info": map[string]any{"title": e.Name, "version": strconv.FormatInt(e.Version, 10), "description": e.Description},
		"servers":    []any{map[string]any{"url": base}},
		"components": map[string]any{"securitySchemes": map[string]any{"key": map[string]any{"type": "http", "scheme": "bearer", "description": "The key: wbi_…"}}},
		"security":   []any{map[string]any{"key": []string{}}},
		"paths": map[string]any{href.InboundCall(string(e.ID)): map[string]any{"post": post},
			href.InboundReceipt(string(e.ID), "{receipt}"): map[string]any{"get": map[string]any{"operationId": "receipt", "summary": "What became of a call",
				"parameters": []any{map[string]any{"name": "receipt", "in": "path", "required": true, "schema": map[string]any{"type": "string"}}},
				"responses":  map[string]any{"200": said("What became of it"), "401": said("The key is not valid"), "404": said("There is no such receipt")}}}}}
}
