package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/inbound"
)

// bearerOnly is the security of every operation.
func bearerOnly() []map[string][]string { return []map[string][]string{{"key": {}}} }

const about = `Everything that the pages of Waybill do, for programs.

Ids are prefixed and sort by time. Times are RFC 3339 in UTC with milliseconds; one that did not happen is null. Lists
hold items and next_cursor. PUT replaces the whole object and takes what GET gave: read-only properties are ignored, an
absent property takes its default, an omitted secret keeps the stored one. With a version other than the current one it
answers 409; without a version (or with 0) it overwrites. null means empty. Secrets are write-only.`

// config is huma's, without the routes that it would serve by itself.
func (a *API) config() huma.Config {
	c := huma.Config{OpenAPI: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: "Waybill", Version: a.web.Version, Description: about},
		Servers: []*huma.Server{{URL: Prefix}},
		Components: &huma.Components{
			Schemas:         huma.NewMapRegistry("#/components/schemas/", schemaName),
			SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "An API key: wbk_…. It acts with the rights of its user."}},
		},
	}, DefaultFormat: "application/json", Transformers: []huma.Transformer{catch}, RejectUnknownQueryParameters: true}
	c.FieldsOptionalByDefault, c.AllowAdditionalPropertiesByDefault = true, true
	format := huma.Format{Marshal: encode, Unmarshal: decode}
	c.Formats = map[string]huma.Format{"application/json": format, "json": format}
	return c
}

// schemaName is the Go type's name with a capital; a list is named by what it lists.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if item, ok := strings.CutPrefix(name, "List"); ok && item != "" {
		return strings.ToUpper(item[:1]) + item[1:] + "List"
	}
	return name
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// decode reads a body, first as anything, then as its type. Beyond encoding/json it refuses invalid UTF-8 and names
// that are repeated in one object: two readers of such a text may see two things.
func decode(data []byte, v any) error {
	if _, first := v.(*any); first {
		d := jsontext.NewDecoder(bytes.NewBuffer(data))
		if err := d.SkipValue(); err != nil {
			return inbound.BadJSON(err)
		}
		if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
			return inbound.BadJSON(err)
		}
	}
	err := json.Unmarshal(data, v)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return errors.New("the value of " + wrong.Field + " does not fit")
	}
	if err != nil {
		return inbound.BadJSON(err)
	}
	return nil
}

// explainRight says in the document which right an operation needs.
func (a *API) explainRight(op *huma.Operation, right model.Right) {
	op.Extensions = map[string]any{"x-right": string(right)}
	op.Description = strings.TrimSpace(op.Description + "\n\nNeeds the right “" + string(right) + "”.")
}

// problemResponses document answers with these statuses.
func (a *API) problemResponses(codes ...int) map[string]*huma.Response {
	out := map[string]*huma.Response{}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[web.Problem](), true, "Problem")
	for _, code := range codes {
		r := &huma.Response{Description: http.StatusText(code), Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}
		if code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable {
			r.Headers = map[string]*huma.Param{"Retry-After": {Description: "Seconds, when they are known", Schema: &huma.Schema{Type: "integer"}}}
		}
		out[strconv.Itoa(code)] = r
	}
	return out
}

// document is the route of the OpenAPI document. It describes the product, not this installation, and holds no secret,
// so that tools may read it without a key.
func (a *API) document() web.Route {
	text, err := a.text()
	return web.Open(http.MethodGet, Prefix+"/openapi.json", func(c echo.Context) error {
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/json", text)
	})
}

// text finishes the document and writes it.
func (a *API) text() ([]byte, error) {
	doc := a.huma.OpenAPI()
	schemas := doc.Components.Schemas.Map()
	for name, s := range schemas {
		if name == "ErrorModel" || name == "ErrorDetail" { // huma's own, which catch replaces
			delete(schemas, name)
			continue
		}
		if s.Type == huma.TypeObject {
			finish(name, s)
		}
	}
	return json.Marshal(doc)
}

// finish says which properties are always there, and which can be null: in an answer all are there and no list is
// null. Of an input those are needed that have no default; bodies are not validated against that, since jobs says
// better what is missing.
func finish(name string, s *huma.Schema) {
	if strings.HasSuffix(name, "Input") {
		s.Required = needed(name)
		return
	}
	s.Required = slices.Sorted(maps.Keys(s.Properties))
	for field, p := range s.Properties {
		if p.Type == huma.TypeArray {
			p.Nullable = false
		}
		if name+"."+field == "Attempt.response" || name+"."+field == "Preview.problem" {
			s.Properties[field] = &huma.Schema{Description: p.Description, AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
		}
	}
}

// needed are the properties of an input that have no default.
func needed(name string) []string {
	switch name {
	case "CredentialInput":
		return []string{"name", "type", "config"}
	case "ConnectionInput":
		return []string{"name", "base_url"}
	case "ActionInput":
		return []string{"name", "event", "destination_id"}
	case "InboundInput":
		return []string{"name", "service_user_id"}
	case "UserInput":
		return []string{"email", "name"}
	case "DestinationInput", "KeyInput", "KeyUpdateInput", "RoleInput", "EventInput", "EventDefinitionInput", "AudienceInput", "IntegrationInput":
		return []string{"name"}
	case "BatchInput":
		return []string{"events"}
	case "MembersInput":
		return []string{"members"}
	}
	return nil
}
