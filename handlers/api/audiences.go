package api

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
)

// audience is an audience as it is answered.
type audience struct {
	Meta
	Name         string `json:"name"`
	Description  string `json:"description"`
	SubjectField string `json:"subject_field" doc:"Member of a record that runs take their subject from"`
	Count        int64  `json:"count" readOnly:"true" doc:"How many records it holds"`
}

func showAudience(m model.Audience) audience {
	return audience{newMeta(m.ID, m.CreatedAt, m.UpdatedAt, m.Version), m.Name, m.Description, m.SubjectField, m.Count}
}

type audienceInput struct {
	Versioned
	Name         string `json:"name" needed:"true"`
	Description  string `json:"description"`
	SubjectField string `json:"subject_field" doc:"Member of a record that runs take their subject from"`
}

func (in audienceInput) audience() model.Audience {
	return model.Audience{Name: in.Name, Description: in.Description, SubjectField: in.SubjectField, Version: in.Version}
}

// member is one record of an audience.
type member struct {
	Number int64           `json:"number" doc:"From 0"`
	Data   json.RawMessage `json:"data"`
}

func (a *API) audiences() {
	view, manage := model.Workflows.View(), model.Workflows.Manage()
	add(a, route{http.MethodGet, "/audiences", "list-audiences", "List audiences", "Workflows", "", view, 0}, a.listAudiences)
	add(a, route{http.MethodPost, "/audiences", "create-audience", "Create an audience", "Workflows", "Without records; add them afterwards.", manage, 0}, a.createAudience)
	add(a, route{http.MethodGet, "/audiences/{id}", "show-audience", "Show an audience", "Workflows", "", view, 0}, a.showAudience)
	add(a, route{http.MethodPut, "/audiences/{id}", "update-audience", "Replace what is said about an audience", "Workflows", "Its records stay.", manage, 0}, a.updateAudience)
	add(a, route{http.MethodDelete, "/audiences/{id}", "delete-audience", "Delete an audience", "Workflows", "", manage, 0}, a.deleteAudience)
	add(a, route{http.MethodGet, "/audiences/{id}/members", "list-members", "List the records of an audience", "Workflows", "In their order.", view, 0}, a.listMembers)
	a.members()
}

func (a *API) listAudiences(c call, in *struct {
	Paging
	Q string `query:"q" doc:"A part of the name"`
}) (*body[list[audience]], error) {
	items, next, err := a.store.Audiences(c, db.AudienceFilter{Query: in.Q}, in.page())
	return listed(items, next, err, showAudience)
}

func (a *API) createAudience(c call, in *struct{ Body audienceInput }) (*made[audience], error) {
	n := in.Body.audience()
	err := a.jobs.CheckAudience(&n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateAudience(&n) })
	}
	return created(showAudience(n), "/audiences/"+string(n.ID), err)
}

func (a *API) showAudience(c call, in *ByID) (*body[audience], error) {
	n, err := a.store.Audience(c, model.AudienceID(in.ID))
	return single(showAudience(n), err)
}

func (a *API) updateAudience(c call, in *struct {
	ByID
	Body audienceInput
}) (*body[audience], error) {
	n := in.Body.audience()
	n.ID = model.AudienceID(in.ID)
	if _, err := a.store.Audience(c, n.ID); err != nil {
		return nil, err
	}
	err := a.jobs.CheckAudience(&n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateAudience(&n) })
	}
	return single(showAudience(n), err)
}

func (a *API) deleteAudience(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteAudience(model.AudienceID(in.ID), in.Force) })
}

func (a *API) listMembers(c call, in *struct {
	ByID
	Paging
}) (*body[list[member]], error) {
	n, err := a.store.Audience(c, model.AudienceID(in.ID))
	if err != nil {
		return nil, err
	}
	cursor, err := in.page().After("")
	if err != nil {
		return nil, err
	}
	first, _ := cursor.(int64)
	first = min(first, n.Count) // it may hold fewer by now
	limit := int64(in.Limit)
	if limit == 0 {
		limit = 50
	}
	end := min(first+limit, n.Count)
	items, err := a.store.Members(c, n.ID, n.Generation, first, end)
	next := ""
	if end < n.Count {
		next = strconv.FormatInt(end, 10)
	}
	return listed(items, next, err, func(m model.Member) member { return member{m.Number, m.Data} })
}

// membersInput is a list of records as JSON. Files have other content types, so the operation goes around huma.
type membersInput struct {
	Members []json.RawMessage `json:"members" needed:"true" doc:"Objects of at most 64 KiB each"`
}

// membersAdded is the answer.
type membersAdded struct {
	Added int64 `json:"added"`
	Count int64 `json:"count" doc:"How many records the audience holds now"`
}

const membersText = `JSON, CSV with a line of names, or JSON lines, at most 8 MiB at once; larger lists are sent in parts. Nothing is taken of a
body that is wrong anywhere. With replace=true the records take the place of those that the audience has, as soon as all
of them are stored.`

func (a *API) members() {
	manage, in := model.Workflows.Manage(), a.schema(reflect.TypeFor[membersInput]())
	file := &huma.Schema{Type: huma.TypeString}
	op := &huma.Operation{OperationID: "add-members", Method: http.MethodPost, Path: "/audiences/{id}/members", Summary: "Add records to an audience", Description: membersText,
		Tags: []string{"Workflows"}, Security: bearerOnly(),
		Parameters: []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: "replace", In: "query", Description: "true = in place of the records that are there", Schema: &huma.Schema{Type: huma.TypeBoolean}}},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: in}, "text/csv": {Schema: file}, "application/x-ndjson": {Schema: file}}},
		Responses:   a.problemResponses(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)}
	op.Responses["200"] = &huma.Response{Description: "Stored", Content: map[string]*huma.MediaType{"application/json": {Schema: a.schema(reflect.TypeFor[membersAdded]())}}}
	a.explainRight(op, manage)
	a.huma.OpenAPI().AddOperation(op)
	a.routes = append(a.routes, web.Program(http.MethodPost, manage, Prefix+"/audiences/:id/members", a.addMembers))
}

func (a *API) addMembers(c echo.Context) error {
	replace, err := replaceAsked(c)
	if err != nil {
		return err
	}
	id := model.AudienceID(c.Param("id"))
	if _, err := a.store.Audience(c.Request().Context(), id); err != nil {
		return err
	}
	list, err := a.readMembers(c)
	if err != nil {
		return err
	}
	n, err := a.jobs.AddMembers(c.Request().Context(), a.web.Actor(c), id, list, replace)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, membersAdded{int64(len(list)), n})
}

func replaceAsked(c echo.Context) (bool, error) {
	var bad fault.Check
	known(c, &bad, "replace")
	replace := yes(c, &bad, "replace")
	return replace, bad.Err()
}

// readMembers reads the body by its content type.
func (a *API) readMembers(c echo.Context) ([]json.RawMessage, error) {
	if err := uncoded(c.Request().Header); err != nil {
		return nil, err
	}
	text, err := readAll(c.Request(), model.MaxBatchRequest)
	if err != nil {
		return nil, err
	}
	media, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	switch {
	case err == nil && (media == "text/csv" || media == "application/x-ndjson" || media == "application/jsonl"):
		return jobs.ReadMembers(bytes.NewReader(text))
	case err != nil && c.Request().Header.Get("Content-Type") != "" || err == nil && media != "application/json":
		return nil, fault.New(fault.Unsupported, "Send application/json, text/csv or application/x-ndjson.")
	}
	if err := checkBody(a.outlineOf(reflect.TypeFor[membersInput]()), text); err != nil {
		return nil, err
	}
	var in membersInput
	var bad fault.Check
	if err := json.Unmarshal(text, &in); err != nil {
		bad.Add("members", "This must be a list of records.")
		return nil, bad.Err()
	}
	for i, m := range in.Members {
		if words := jobs.CheckMember(m); words != "" {
			bad.Add("members["+strconv.Itoa(i)+"]", "%s", words)
		}
		var line bytes.Buffer
		if json.Compact(&line, m) == nil {
			in.Members[i] = line.Bytes()
		}
	}
	if len(in.Members) == 0 {
		bad.Add("members", "At least one record.")
	}
	return in.Members, bad.Err()
}
