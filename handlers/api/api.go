// Package api is the JSON API under /api/v1: typed requests and answers for each noun, and the OpenAPI 3.1 document
// that is made from the same types.
//
// It turns bodies into nouns of db/model, has jobs check them, has db store them, and turns nouns into bodies; rules of
// the business are not here. huma reads, validates and documents; its operations become rows of the one route table of
// handlers/web, whose guards decide who may call before a body is read, and whose error handler writes every problem
// document. It refuses to repeat what could not be read or has the wrong type, since that may be a secret: a problem
// names fields and rules.
package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
)

// Prefix is where the API lives.
const Prefix = "/api/v1"

// API answers programs.
type API struct {
	web   *web.Web
	store *db.Store
	jobs  *jobs.Service

	huma   huma.API
	routes []web.Route
	right  model.Right // of the operation that is being registered

	takes    map[string]reflect.Type         // by operation: what its body is
	gives    map[string]reflect.Type         // by path: what GET answers
	shown    map[reflect.Type][]reflect.Type // by what is taken: the answers in which the same thing is shown
	outlines map[string]*outline             // by operation: what its body may hold
}

// Routes is the API's part of the route table.
func Routes(w *web.Web, s *jobs.Service) []web.Route {
	a := newAPI(w, s)
	table := append(a.routes, a.document())
	a.leaveTimes()
	for i := range table {
		table[i].Handler = readQuery(table[i].Handler)
	}
	return table
}

// leaveTimes takes the format of times out of the schemas, once the document is written: huma would check it with package time,
// which takes what RFC 3339 does not and refuses what it allows. parseTime reads them all.
func (a *API) leaveTimes() {
	var leave func(s *huma.Schema)
	leave = func(s *huma.Schema) {
		if s == nil {
			return
		}
		if s.Format == "date-time" {
			s.Format = ""
		}
		leave(s.Items)
		for _, p := range s.Properties {
			leave(p)
		}
	}
	for _, s := range a.huma.OpenAPI().Components.Schemas.Map() {
		leave(s)
	}
	for _, path := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Delete} {
			for i := 0; op != nil && i < len(op.Parameters); i++ {
				leave(op.Parameters[i].Schema)
			}
		}
	}
}

// Document is the OpenAPI document as JSON, for the page that shows it.
func Document(w *web.Web, s *jobs.Service) ([]byte, error) { return newAPI(w, s).text() }

func newAPI(w *web.Web, s *jobs.Service) *API {
	a := &API{web: w, store: w.Store, jobs: s, takes: map[string]reflect.Type{}, gives: map[string]reflect.Type{}, shown: map[reflect.Type][]reflect.Type{}, outlines: map[string]*outline{}}
	a.huma = huma.NewAPI(a.config(), (*adapter)(a))
	a.credentials()
	a.connections()
	a.destinations()
	a.actions()
	a.events()
	a.eventDefinitions()
	a.audiences()
	a.audienceRuns()
	a.files()
	a.workflows()
	a.integrations()
	a.deliveries()
	a.replays()
	a.settings()
	a.network()
	a.exports()
	a.alerts()
	a.users()
	a.invitations()
	a.roles()
	a.apiKeys()
	a.auditLog()
	a.inboundEndpoints()
	a.outline()
	return a
}

// call is one request of a known caller.
type call struct {
	context.Context
	actor model.Actor
}

// body is an answer that holds one thing, made one that was created.
type (
	body[T any] struct{ Body T }
	made[T any] struct {
		Location string `header:"Location"`
		Body     T
	}
	none struct{}
)

// list is one page of things.
type list[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor" doc:"Where the next page begins; empty on the last one"`
}

// Paging is what every list can be asked for.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" doc:"How many to list; 50 when absent"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

func (p Paging) page() db.Page { return db.Page{Limit: p.Limit, Cursor: p.Cursor} }

// ByID is the input of what concerns one thing.
type ByID struct {
	ID string `path:"id"`
}

// Removal is ByID for DELETE.
type Removal struct {
	ByID
	Force bool `query:"force" doc:"Also cancel unsettled deliveries and remove what depends on it. Has no effect on things that nothing can hold."`
}

// listed answers with one page, each item as show makes it.
func listed[N, T any](items []N, next string, err error, show func(N) T) (*body[list[T]], error) {
	if err != nil {
		return nil, err
	}
	out := list[T]{Items: make([]T, len(items)), NextCursor: next}
	for i, n := range items {
		out.Items[i] = show(n)
	}
	return &body[list[T]]{out}, nil
}

func single[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return &body[T]{v}, nil
}

func created[T any](v T, path string, err error) (*made[T], error) {
	if err != nil {
		return nil, err
	}
	return &made[T]{Prefix + path, v}, nil
}

// write stores a change on behalf of the caller.
func (a *API) write(c call, fn func(tx *db.Tx) error) error {
	return a.store.Write(c, c.actor, fn)
}

// route describes one operation. Status is that of success, 0 for the one that the method suggests.
type route struct {
	method, path, id, summary, tag, text string
	right                                model.Right
	status                               int
}

// add registers an operation: its documentation, its row in the route table, and h as what it does.
func add[I, O any](a *API, r route, h func(c call, in *I) (*O, error)) {
	op := huma.Operation{OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary, Description: r.text, Tags: []string{r.tag},
		DefaultStatus: r.status, MaxBodyBytes: mostBody, Security: bearerOnly()}
	if op.DefaultStatus == 0 {
		op.DefaultStatus = map[string]int{http.MethodPost: http.StatusCreated, http.MethodDelete: http.StatusNoContent}[r.method]
	}
	a.explainRight(&op, r.right)
	op.Responses = a.problems(r)
	op.RequestBody = bodyOf[I]()
	a.right = r.right
	a.learn(r, reflect.TypeFor[I](), reflect.TypeFor[O]())
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		ifMatch, _ := ctx.Value(ifMatchKey{}).(string)
		if err := heed(ifMatch, in); err != nil {
			return nil, failure{err}
		}
		out, err := h(call{ctx, ctx.Value(actorKey{}).(model.Actor)}, in)
		if err != nil {
			return nil, failure{err}
		}
		return out, nil
	})
	if f, ok := reflect.TypeFor[I]().FieldByName("Body"); ok && f.Tag.Get("required") == "false" {
		op.RequestBody.Required = false // huma heeds the tag of pointers only
	}
}

// bodyOf is where huma puts what it finds out of the body of a request, nil when I has none.
func bodyOf[I any]() *huma.RequestBody {
	if _, ok := reflect.TypeFor[I]().FieldByName("Body"); ok {
		return &huma.RequestBody{}
	}
	return nil
}

// mostBody bounds the body of everything but events: a template of 256 KiB in which every byte is escaped fits.
const mostBody = 2 << 20

// problems lists the ways in which a call can go wrong.
func (a *API) problems(r route) map[string]*huma.Response {
	codes := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	if strings.Contains(r.path, "{") {
		codes = append(codes, http.StatusNotFound)
	}
	if r.method != http.MethodGet {
		codes = append(codes, http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	slices.Sort(codes)
	return a.problemResponses(codes...)
}
