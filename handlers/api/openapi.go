package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
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
answers 409; without a version (or with 0) it overwrites. If-Match: "3" says the same as version 3 in the body. null means
empty: in a request all that is not required may be absent or null. Secrets are write-only. A parameter or a member that an
operation does not know is refused (422).`

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

// schemaName is the Go type's name with a capital; a list is named by what it lists, a body without a name of its own by
// the operation.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if words := strings.Split(name, "-"); len(words) > 1 { // of an operation's id
		for i, w := range words {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
		name = strings.Join(words, "")
	}
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

// decode reads a body that readBody has checked, first as anything, then as its type.
func decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	whole, first := v.(*any)
	if first {
		d.UseNumber()
	}
	err := d.Decode(v)
	if first && err == nil {
		*whole = inFloats(*whole)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return errors.New("the value of " + wrong.Field + " does not fit")
	}
	if err != nil {
		return inbound.BadJSON(err)
	}
	return nil
}

// inFloats has numbers as huma checks them; what is beyond them stands in free JSON, which is not checked.
func inFloats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = inFloats(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = inFloats(v[k])
		}
	}
	return v
}

// explainRight says in the document which right an operation needs.
func (a *API) explainRight(op *huma.Operation, right model.Right) {
	op.Extensions = map[string]any{"x-right": string(right)}
	if right == model.SignedIn {
		return // every key has it; where more is needed, the operation says what
	}
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
//
// It is made of an API of its own when it is first asked for: to finish it changes the schemas, and requests are
// validated against those.
func (a *API) document() web.Route {
	write := sync.OnceValues(func() ([]byte, error) { return Document(a.web, a.jobs) })
	return web.Open(http.MethodGet, Prefix+"/openapi.json", func(c echo.Context) error {
		text, err := write()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/json", text)
	})
}

// text finishes the document and writes it.
func (a *API) text() ([]byte, error) {
	doc := a.huma.OpenAPI()
	describe(doc)
	return json.Marshal(doc)
}
