package api

import (
	"slices"
	"strings"

	"waybill/db"
	"waybill/db/model"
	"waybill/jobs"
)

// CallRow is a call as lists show it; inboundCall adds headers and body.
type CallRow struct {
	Receipt     string   `json:"receipt"`
	EndpointID  string   `json:"endpoint_id"`
	KeyID       string   `json:"key_id"`
	Status      string   `json:"status" doc:"accepted, mapping, skipped, failed, duplicate, refused, handshake, sample"`
	StatusCode  int      `json:"status_code" doc:"Of the answer"`
	Reason      string   `json:"reason"`
	Line        int      `json:"line" doc:"Of the mapping; 0 = none"`
	Column      int      `json:"column"`
	Method      string   `json:"method"`
	Address     string   `json:"address"`
	ContentType string   `json:"content_type"`
	Size        int      `json:"size"`
	EventIDs    []string `json:"event_ids"`
	RunIDs      []string `json:"run_ids"`
	FirstID     string   `json:"first_receipt" doc:"Of the call that this one repeats"`
	CreatedAt   *string  `json:"created_at" format:"date-time"`
	SettledAt   *string  `json:"settled_at" format:"date-time"`
}

type inboundCall struct {
	CallRow
	Query   string         `json:"query"`
	Headers []model.Header `json:"headers" doc:"Secrets masked"`
	Body    string         `json:"body" doc:"What is not UTF-8 is replaced"`
}

func showCallRow(c model.InboundCall) CallRow {
	out := CallRow{Receipt: string(c.ID), EndpointID: string(c.EndpointID), KeyID: string(c.KeyID), Status: string(c.State), StatusCode: c.StatusCode, Reason: c.Reason,
		Line: c.Line, Column: c.Column, Method: c.Method, Address: c.Address, ContentType: c.ContentType, Size: c.Size, EventIDs: []string{}, RunIDs: full(c.Runs),
		FirstID: string(c.FirstID), CreatedAt: stamp(c.CreatedAt), SettledAt: stamp(c.SettledAt)}
	for _, id := range c.Events {
		out.EventIDs = append(out.EventIDs, string(id))
	}
	return out
}

func showInboundCall(c model.InboundCall) inboundCall {
	out := inboundCall{CallRow: showCallRow(c), Query: c.Query, Headers: []model.Header{}, Body: strings.ToValidUTF8(string(c.Body), "\uFFFD")}
	out.Headers = append(out.Headers, c.Headers...)
	return out
}

func (a *API) listCalls(c call, in *struct {
	ByID
	Paging
	Status string `query:"status"`
}) (*body[list[CallRow]], error) {
	if _, err := a.store.InboundEndpoint(c, model.InboundID(in.ID)); err != nil {
		return nil, err
	}
	items, next, err := a.store.InboundCalls(c, model.InboundID(in.ID), db.CallFilter{State: model.CallState(in.Status)}, in.page())
	return listed(items, next, err, showCallRow)
}

// ByCall is the input of what concerns one call.
type ByCall struct {
	ByID
	Receipt string `path:"receipt"`
}

func (a *API) showCall(c call, in *ByCall) (*body[inboundCall], error) {
	x, err := a.store.InboundCall(c, model.InboundID(in.ID), model.ReceiptID(in.Receipt))
	return single(showInboundCall(x), err)
}

func (a *API) replayCall(c call, in *ByCall) (*body[CallRow], error) {
	x, err := a.jobs.ReplayCall(c, c.actor, model.InboundID(in.ID), model.ReceiptID(in.Receipt))
	return single(showCallRow(x), err)
}

// Receipt is what a caller is told of his call.
type Receipt struct {
	Receipt    string         `json:"receipt"`
	Status     string         `json:"status" doc:"accepted, mapping (stored, still to be worked out), skipped, failed, sample"`
	Detail     string         `json:"detail" doc:"Why, in words"`
	Line       int            `json:"line"`
	Column     int            `json:"column"`
	ReceivedAt *string        `json:"received_at"`
	Events     []ReceiptEvent `json:"events"`
	Runs       []ReceiptRun   `json:"runs"`
}

// ReceiptEvent is an event that a call raised, with what became of its deliveries.
type ReceiptEvent struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Deliveries []ReceiptDelivery `json:"deliveries"`
}

// ReceiptDelivery is one delivery. Where it goes is not the caller's business.
type ReceiptDelivery struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Attempts int    `json:"attempts"`
}

// ReceiptRun is a run that a call started or moved on.
type ReceiptRun struct {
	ID         string            `json:"id"`
	Status     string            `json:"status" doc:"Empty when it is no longer kept"`
	Deliveries []ReceiptDelivery `json:"deliveries"`
}

// ShowReceipt is the answer to a caller who asks for a receipt.
func ShowReceipt(r jobs.Receipt) Receipt {
	out := Receipt{Receipt: string(r.Call.ID), Status: string(r.Call.State), Detail: r.Call.Reason, Line: r.Call.Line, Column: r.Call.Column,
		ReceivedAt: stamp(r.Call.CreatedAt), Events: []ReceiptEvent{}, Runs: []ReceiptRun{}}
	for _, e := range r.Events {
		x := ReceiptEvent{ID: string(e.ID), Name: e.Name, Deliveries: []ReceiptDelivery{}}
		for _, d := range r.Deliveries {
			if d.EventID == e.ID {
				x.Deliveries = append(x.Deliveries, ReceiptDelivery{string(d.ID), string(d.Status), d.Attempts})
			}
		}
		out.Events = append(out.Events, x)
	}
	for _, r := range r.Runs {
		out.Runs = append(out.Runs, ReceiptRun{ID: string(r.ID), Status: string(r.Status), Deliveries: []ReceiptDelivery{}})
	}
	for _, d := range r.Deliveries {
		if i := slices.IndexFunc(out.Runs, func(x ReceiptRun) bool { return x.ID == string(d.RunID) }); i >= 0 && d.RunID != "" {
			out.Runs[i].Deliveries = append(out.Runs[i].Deliveries, ReceiptDelivery{string(d.ID), string(d.Status), d.Attempts})
		}
	}
	return out
}
