package api

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
)

// Publishing is the hot path: it reads the body once, keeps the data as the bytes that came, and goes around huma,
// which would decode everything twice. Its two operations are documented by hand.

// What a request may carry, in bytes: the data, and some room for what stands around it.
const (
	envelope  = 64 << 10
	mostEvent = model.MaxEvent + envelope
)

type eventInput struct {
	Name    string          `json:"name" needed:"true" doc:"Segments by dots, for instance order.created"`
	Data    json.RawMessage `json:"data" doc:"Any JSON of at most 1 MiB; kept byte for byte"`
	Subject string          `json:"subject" doc:"What it is about"`
	ID      string          `json:"id" doc:"Yours; the same id within 7 days is the same event"`
	Time    string          `json:"time" format:"date-time" doc:"When it happened; now when absent"`
}

type batchInput struct {
	Events []eventInput `json:"events" needed:"true" maxItems:"1000"`
}

// accepted is the answer for one event.
type accepted struct {
	ID         string `json:"id"`
	ExternalID string `json:"external_id"`
	Duplicate  bool   `json:"duplicate"`
	Deliveries int    `json:"deliveries"`
}

type acceptedBatch struct {
	Items []accepted `json:"items"`
}

// form is how a request carries its events.
type form int

const (
	plainJSON form = iota
	structured
	structuredBatch
	binary
)

// formOf reads the content type. A body without one is taken for JSON (RFC 9110 8.3 leaves that to the receiver);
// with ce- headers any type is the data's.
func formOf(h http.Header) (form, string, error) {
	kind := h.Get("Content-Type")
	if err := uncoded(h); err != nil {
		return 0, "", err
	}
	attributes := h["Ce-Specversion"] != nil || h["Ce-Type"] != nil || h["Ce-Id"] != nil
	if kind == "application/json" && !attributes { // nearly always, and cheaper than to parse it
		return plainJSON, kind, nil
	}
	media := ""
	if kind != "" {
		var err error
		if media, _, err = mime.ParseMediaType(kind); err != nil {
			return 0, "", fault.New(fault.Unsupported, "The Content-Type of this request cannot be read.")
		}
	}
	switch {
	case media == "application/cloudevents+json":
		return structured, media, nil
	case media == "application/cloudevents-batch+json":
		return structuredBatch, media, nil
	case strings.HasPrefix(media, "application/cloudevents"):
		return 0, "", fault.New(fault.Unsupported, "Of the formats of CloudEvents only JSON is taken.")
	case attributes:
		return binary, media, nil
	case media == "" || media == "application/json":
		return plainJSON, media, nil
	}
	return 0, "", fault.New(fault.Unsupported, "Send application/json, or a CloudEvent as application/cloudevents+json or with ce- headers.")
}

func (a *API) publish(c echo.Context) error     { return a.accept(c, false) }
func (a *API) publishMany(c echo.Context) error { return a.accept(c, true) }

// accept publishes what came to /events, or with many to /events/batch.
func (a *API) accept(c echo.Context, many bool) error {
	r := c.Request()
	if err := noQuery(c); err != nil {
		return err
	}
	f, media, err := formOf(r.Header)
	if err != nil {
		return err
	}
	batch := many || f == structuredBatch
	if many && (f == structured || f == binary) {
		return fault.New(fault.Unsupported, "A batch is application/json or application/cloudevents-batch+json.")
	}
	limit := mostEvent
	if batch {
		limit = model.MaxBatchRequest
	}
	text, err := readAll(r, limit)
	if err != nil {
		return err
	}
	events, err := read(f, batch, media, r.Header, text)
	if err != nil {
		return err
	}
	for i := range events {
		events[i].Traceparent = r.Header.Get("Traceparent")
	}
	done, err := a.jobs.Publish(r.Context(), a.web.Actor(c), r.Header.Get("Idempotency-Key"), batch, events)
	if err != nil {
		return err
	}
	return answer(c, batch, done)
}

// noQuery refuses parameters: these operations know none.
func noQuery(c echo.Context) error {
	var bad fault.Check
	known(c, &bad)
	return bad.Err()
}

// read decodes a request into its events.
func read(f form, batch bool, media string, h http.Header, text []byte) (events []jobs.NewEvent, err error) {
	var bad fault.Check
	switch {
	case f == binary:
		events, err = binaryEvent(&bad, media, h, text)
	case batch:
		events, err = decodeMany(&bad, text, f == structuredBatch)
	default:
		events, err = decodeOne(&bad, text, f == structured)
	}
	if err == nil {
		err = bad.Err()
	}
	return events, err
}

// readAll reads a body of at most limit bytes into memory of its own: the event keeps it.
func readAll(r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return nil, tooLargeBody(limit)
	}
	if r.ContentLength >= 0 {
		text := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, text); err != nil {
			return nil, brokenBody(err)
		}
		return text, nil
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, brokenBody(err)
	case n > int64(limit):
		return nil, tooLargeBody(limit)
	}
	return b.Bytes(), nil
}

func tooLargeBody(limit int) error {
	return fault.New(fault.TooLarge, "The request is larger than %d KiB.", limit>>10)
}

func answer(c echo.Context, batch bool, done []db.Published) error {
	items := make([]accepted, len(done))
	for i, p := range done {
		items[i] = accepted{string(p.ID), p.ExternalID, p.Duplicate, p.Deliveries}
	}
	var v any = acceptedBatch{items}
	if !batch {
		v = items[0]
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusAccepted, "application/json", text)
}

const publishText = `One commit holds the event and the deliveries that it causes; then comes the answer. The same Idempotency-Key, else the
same CloudEvents source and id, else the same id, within 7 days gives the first answer with duplicate: true, and 409 when
the content differs.

CloudEvents 1.0 are taken in JSON (structured) and with ce- headers (binary): type becomes name, subject and time are
kept, id becomes external_id, other attributes are not kept. Data of a JSON content type stays as it is; data of a text
type becomes a JSON string, of any other type a JSON string of its base64. A body without Content-Type is read as JSON.
Text that is not valid UTF-8, or that repeats a name within an object, is refused (400), as is nesting beyond 200 (422).`

func (a *API) publishing() {
	manage := model.Events.Manage()
	one, many := a.schema(reflect.TypeFor[eventInput]()), a.schema(reflect.TypeFor[batchInput]())
	cloud := &huma.Schema{Type: "object", Description: "A CloudEvent 1.0 in its JSON format", Required: []string{"specversion", "id", "source", "type"},
		Properties: map[string]*huma.Schema{"specversion": {Type: "string"}, "id": {Type: "string"}, "source": {Type: "string"}, "type": {Type: "string"},
			"subject": {Type: "string"}, "time": {Type: "string", Format: "date-time"}, "datacontenttype": {Type: "string"}, "data": {}, "data_base64": {Type: "string"}},
		AdditionalProperties: true}
	clouds := &huma.Schema{Type: "array", Items: cloud, MaxItems: new(int)}
	*clouds.MaxItems = model.MaxBatchEvents
	for name, p := range cloud.Properties { // null is as good as absent
		p.Nullable = p.Type != "" && !slices.Contains(cloud.Required, name)
	}
	done, all := a.schema(reflect.TypeFor[accepted]()), a.schema(reflect.TypeFor[acceptedBatch]())
	a.publishRoute("/events", "publish-event", "Publish an event", &huma.Schema{OneOf: []*huma.Schema{done, all}, Description: "Of a batch of CloudEvents a list, in their order"},
		map[string]*huma.MediaType{"application/json": {Schema: one}, "application/cloudevents+json": {Schema: cloud}, "application/cloudevents-batch+json": {Schema: clouds}})
	a.publishRoute("/events/batch", "publish-events", "Publish up to 1,000 events, all or none", all,
		map[string]*huma.MediaType{"application/json": {Schema: many}, "application/cloudevents-batch+json": {Schema: clouds}})
	a.routes = append(a.routes, web.Program(http.MethodPost, manage, Prefix+"/events", a.publish),
		web.Program(http.MethodPost, manage, Prefix+"/events/batch", a.publishMany))
}

func (a *API) schema(t reflect.Type) *huma.Schema {
	return a.huma.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

func (a *API) publishRoute(path, id, summary string, out *huma.Schema, in map[string]*huma.MediaType) {
	op := &huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Description: publishText, Tags: []string{"Events"}, Security: bearerOnly(),
		Parameters:  []*huma.Param{{Name: "Idempotency-Key", In: "header", Description: "At most 255 characters", Schema: &huma.Schema{Type: "string"}}},
		RequestBody: &huma.RequestBody{Required: true, Content: in},
		Responses:   a.problemResponses(400, 401, 403, 409, 413, 415, 422, 429, 503)}
	op.Responses["202"] = &huma.Response{Description: "Accepted: it is on disk", Content: map[string]*huma.MediaType{"application/json": {Schema: out}}}
	a.explainRight(op, model.Events.Manage())
	a.huma.OpenAPI().AddOperation(op)
}
