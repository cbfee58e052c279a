package api

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
)

// Files of forms: uploaded as they are, then named by their id in the fields of a task or a run. Bodies are no JSON, so these
// operations go around huma.

// file is an uploaded file as it is answered.
type file struct {
	ID          string `json:"id" doc:"What a field of the type file is given"`
	Name        string `json:"name"`
	Size        int64  `json:"size" doc:"Bytes"`
	ContentType string `json:"content_type"`
}

const uploadText = `The body is the file, of at most 25 MiB; its Content-Type is kept. Give the id that is answered as the value of a field of the
type file when a task is completed or a run is started, within a day and with the same user; what is not used goes after two days. A key that is limited to some rights needs Run Workflows.`

func (a *API) files() {
	raw := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	id := &huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}
	up := &huma.Operation{OperationID: "upload-file", Method: http.MethodPost, Path: "/files", Summary: "Upload a file for a form", Description: uploadText, Tags: []string{"Tasks"}, Security: bearerOnly(),
		Parameters:  []*huma.Param{{Name: "name", In: "query", Description: "What the file is called; “file” when absent", Schema: &huma.Schema{Type: huma.TypeString}}},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: raw}}},
		Responses:   a.problemResponses(400, 401, 403, 413, 415, 422, 429, 503)}
	up.Responses["201"] = &huma.Response{Description: "Stored", Content: map[string]*huma.MediaType{"application/json": {Schema: a.schema(reflect.TypeFor[file]())}}}
	down := &huma.Operation{OperationID: "download-file", Method: http.MethodGet, Path: "/files/{id}", Summary: "Download a file of a form", Tags: []string{"Tasks"}, Security: bearerOnly(),
		Description: "For who uploaded it, those who may see workflows, and those with an open task of its run. A key that is limited to some rights needs View Workflows.",
		Parameters:  []*huma.Param{id}, Responses: a.problemResponses(401, 403, 404, 422, 429, 503)}
	down.Responses["200"] = &huma.Response{Description: "The file", Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: raw}}}
	for _, op := range []*huma.Operation{up, down} {
		a.explainRight(op, model.SignedIn)
		a.huma.OpenAPI().AddOperation(op)
	}
	a.routes = append(a.routes, web.Program(http.MethodPost, model.SignedIn, Prefix+"/files", a.uploadFile).Up(jobs.MaxFile+1),
		web.Program(http.MethodGet, model.SignedIn, Prefix+"/files/:id", a.downloadFile))
}

func (a *API) uploadFile(c echo.Context) error {
	if err := a.web.Actor(c).Stands(model.RunWorkflows); err != nil {
		return err
	}
	var bad fault.Check
	known(c, &bad, "name")
	err := bad.Err()
	if err == nil {
		err = uncoded(c.Request().Header)
	}
	if err != nil {
		return err
	}
	kind, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	switch {
	case err != nil:
		kind = "application/octet-stream"
	case kind == "multipart/form-data": // it would be kept with the form around it, and opened by nobody
		return fault.New(fault.Unsupported, "The body is the file itself, not a form with it: send its bytes with its own Content-Type (curl: --data-binary @file in place of -F).")
	}
	text, err := readAll(c.Request(), jobs.MaxFile)
	if err != nil {
		return err
	}
	f, err := a.jobs.SaveFile(c.Request().Context(), a.web.Actor(c), c.QueryParam("name"), kind, bytes.NewReader(text))
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", Prefix+"/files/"+string(f.ID))
	return c.JSON(http.StatusCreated, file{string(f.ID), f.Name, f.Size, f.ContentType})
}

func (a *API) downloadFile(c echo.Context) error {
	if err := noQuery(c); err != nil {
		return err
	}
	ctx := c.Request().Context()
	f, err := a.jobs.FileFor(ctx, a.web.Actor(c), model.FileID(c.Param("id")))
	if err != nil {
		return err
	}
	body, err := a.jobs.OpenFile(ctx, f.ID)
	if err != nil {
		return err
	}
	defer body.Close()
	w := c.Response()
	w.Header().Set("Content-Type", "application/octet-stream") // never shown as a page of our own origin
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	w.Header().Set("Content-Length", strconv.FormatInt(f.Size, 10))
	w.WriteHeader(http.StatusOK)
	_, err = io.Copy(w, body)
	return err
}
