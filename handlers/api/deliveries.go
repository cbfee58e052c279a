package api

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"waybill/db"
	"waybill/db/model"
)

// delivery is a delivery as it is answered.
type delivery struct {
	Meta
	EventID         string  `json:"event_id"`
	EventName       string  `json:"event_name"`
	ConnectionID    string  `json:"connection_id"`
	ConnectionName  string  `json:"connection_name"`
	DestinationID   string  `json:"destination_id"`
	DestinationName string  `json:"destination_name"`
	ActionID        string  `json:"action_id"`
	RunID           string  `json:"run_id" doc:"Of a workflow; empty when an action made it of an event"`
	Step            string  `json:"step" doc:"Key of the run's step"`
	Lane            string  `json:"lane" enum:"realtime,bulk"`
	Status          string  `json:"status" enum:"pending,sending,retrying,delivered,failed,skipped,held,cancelled"`
	Attempts        int     `json:"attempts" doc:"Stored outcomes"`
	Interruptions   int     `json:"interruptions" doc:"How often the server had it in hand and ended without warning; a request that was under way then may have arrived and is listed nowhere"`
	NextAttemptAt   *string `json:"next_attempt_at" format:"date-time"`
	WaitingFor      string  `json:"waiting_for" enum:",order,breaker,rate,concurrency,batch,outcome" doc:"Why it waits although it is due: for an earlier one of its subject, until the target is tried again, for its rate, for one of its places, for others to go along; or, after an attempt, for the other side to tell what became of what it took"`
	WaitingUntil    *string `json:"waiting_until" format:"date-time" doc:"The earliest time when that ends, if it is known"`
	BatchID         string  `json:"batch_id" doc:"The message that it shares with others, which is the webhook-id; empty when it goes by itself"`
	LastStatusCode  *int    `json:"last_status_code" doc:"null without an answer"`
	LastError       string  `json:"last_error" doc:"In words; names the rule"`
	UserMessage     string  `json:"user_message"`
	ReplayOf        string  `json:"replay_of"`
	SettledAt       *string `json:"settled_at" format:"date-time"`
	Note            string  `json:"note" doc:"What to know about what was just done to it"`
}

func showDelivery(d model.Delivery) delivery {
	return delivery{Meta: newMeta(d.ID, d.CreatedAt, d.UpdatedAt, d.Version), EventID: string(d.EventID), EventName: d.EventName,
		ConnectionID: string(d.ConnectionID), ConnectionName: d.Connection, DestinationID: string(d.DestinationID), DestinationName: d.Destination,
		ActionID: string(d.ActionID), RunID: string(d.RunID), Step: d.Step, Lane: string(d.Lane), Status: string(d.Status), Attempts: d.Attempts, Interruptions: d.Interruptions,
		NextAttemptAt: stamp(d.NextAttemptAt), WaitingFor: d.WaitingFor, WaitingUntil: stamp(d.WaitingUntil), BatchID: batchOf(d), LastStatusCode: orNull(d.LastStatusCode), LastError: d.LastError,
		UserMessage: d.UserMessage, ReplayOf: string(d.ReplayOf), SettledAt: stamp(d.SettledAt)}
}

// batchOf is the message that a delivery shares, "" for one that goes by itself.
func batchOf(d model.Delivery) string {
	if d.Batched() {
		return string(d.BatchID)
	}
	return ""
}

// orNull is a status code, nil when there was no answer.
func orNull(code int) *int {
	if code == 0 {
		return nil
	}
	return &code
}

// attempt is one exchange as it is answered.
type attempt struct {
	Number     int           `json:"number"`
	StartedAt  *string       `json:"started_at" format:"date-time"`
	Request    request       `json:"request"`
	Response   *response     `json:"response" doc:"null without an answer"`
	Address    string        `json:"address" doc:"The resolved address; empty when none was dialled"`
	TimingsUS  model.Timings `json:"timings_us" doc:"Microseconds; first_byte and total count from the start"`
	ErrorClass string        `json:"error_class" enum:",status,refused,dns,connect,tls,timeout,broken,template,auth,setup"`
	Error      string        `json:"error"`
	Verdict    string        `json:"verdict" doc:"What the delivery became"`
	NextAt     *string       `json:"next_at" format:"date-time"`
	Template   int64         `json:"template_version" doc:"Version of the destination that was rendered"`
	Said       string        `json:"said" doc:"What the other side said of this delivery where it answers for each one of several"`
	FollowUp   bool          `json:"follow_up" doc:"It asked what became of an earlier attempt, and does not count as one"`
	// UserMessage is of tests.
	UserMessage string `json:"user_message" doc:"Of a test that was not answered in time: the connection's timeout message, which people see in place of the error"`
}

type request struct {
	Method       string         `json:"method"`
	URL          string         `json:"url"`
	Headers      []model.Header `json:"headers"`
	Body         string         `json:"body"`
	BodyEncoding string         `json:"body_encoding" enum:"text,base64"`
	Size         int64          `json:"size" doc:"Bytes, also when the body is no longer kept"`
}

type response struct {
	Status       int            `json:"status"`
	Headers      []model.Header `json:"headers"`
	Body         string         `json:"body"`
	BodyEncoding string         `json:"body_encoding" enum:"text,base64"`
	Size         int64          `json:"size"`
	Truncated    bool           `json:"truncated"`
}

func showAttempt(x model.Attempt) attempt {
	out := attempt{Number: x.Number, StartedAt: stamp(x.StartedAt), Address: x.Address, TimingsUS: x.Timings, ErrorClass: string(x.Class), Error: x.Error,
		Verdict: string(x.Verdict), NextAt: stamp(x.NextAt), Template: x.Template, Said: x.Said, FollowUp: x.FollowUp, UserMessage: x.UserMessage}
	out.Request = request{Method: x.Method, URL: x.URL, Headers: full(x.Request.Headers), Size: x.Request.Size}
	out.Request.Body, out.Request.BodyEncoding = bodyText(x.Request.Body)
	if x.StatusCode != 0 {
		out.Response = &response{Status: x.StatusCode, Headers: full(x.Response.Headers), Size: x.Response.Size, Truncated: x.Response.Truncated}
		out.Response.Body, out.Response.BodyEncoding = bodyText(x.Response.Body)
	}
	return out
}

// bodyText is a body as JSON can hold it, and how.
func bodyText(b []byte) (text, encoding string) {
	if utf8.Valid(b) {
		return string(b), "text"
	}
	return base64.StdEncoding.EncodeToString(b), "base64"
}

func (a *API) deliveries() {
	view, manage := model.Deliveries.View(), model.Deliveries.Manage()
	add(a, route{http.MethodGet, "/deliveries", "list-deliveries", "List deliveries", "Deliveries", "", view, 0}, a.listDeliveries)
	add(a, route{http.MethodGet, "/deliveries/{id}", "show-delivery", "Show a delivery", "Deliveries", "", view, 0}, a.showDelivery)
	add(a, route{http.MethodGet, "/deliveries/{id}/attempts", "list-attempts", "List the attempts of a delivery", "Deliveries", "First one first.", view, 0}, a.listAttempts)
	add(a, route{http.MethodPost, "/deliveries/{id}/retry", "retry-delivery", "Start the schedule again, now", "Deliveries", "", manage, http.StatusOK}, a.retryDelivery)
	add(a, route{http.MethodPost, "/deliveries/{id}/cancel", "cancel-delivery", "Cancel a delivery", "Deliveries", "An exchange that is under way may still arrive.", manage, http.StatusOK}, a.cancelDelivery)
}

type deliveryQuery struct {
	Paging
	Between
	EventID       string `query:"event_id"`
	Event         string `query:"event" doc:"Name of the event, or a pattern such as order.*; looks at 10,000 deliveries a page, so a page may be short although there is a next one."`
	DestinationID string `query:"destination_id"`
	RunID         string `query:"run_id"`
	Status        string `query:"status" enum:"pending,sending,retrying,delivered,failed,skipped,held,cancelled"`
	Lane          string `query:"lane" enum:"realtime,bulk"`
	Interrupted   bool   `query:"interrupted" doc:"true: only those that the server had in hand when it ended without warning"`
}

func (a *API) listDeliveries(c call, in *deliveryQuery) (*body[list[delivery]], error) {
	from, to, err := in.times()
	if err != nil {
		return nil, err
	}
	f := db.DeliveryFilter{EventID: model.EventID(in.EventID), Event: strings.TrimSpace(in.Event), DestinationID: model.DestID(in.DestinationID), RunID: model.RunID(in.RunID), Status: model.Status(in.Status),
		Lane: model.Lane(in.Lane), Interrupted: in.Interrupted, From: from, To: to}
	if f.Status == model.Sending { // known in memory only
		f.Status, f.IDs = "", full(a.jobs.Sending())
	}
	items, next, err := a.store.Deliveries(c, f, in.page())
	if err != nil {
		return nil, err
	}
	return listed(a.now(items, model.Status(in.Status)), next, nil, showDelivery)
}

// now marks what is being sent this moment, and drops what is no longer, or not yet, in the state that was asked for.
func (a *API) now(items []model.Delivery, want model.Status) []model.Delivery {
	out := items[:0]
	for _, d := range items {
		a.jobs.Now(&d)
		if want == "" || d.Status == want {
			out = append(out, d)
		}
	}
	return out
}

func (a *API) showDelivery(c call, in *ByID) (*body[delivery], error) {
	d, err := a.store.Delivery(c, model.DeliveryID(in.ID))
	a.jobs.Now(&d)
	return single(showDelivery(d), err)
}

func (a *API) listAttempts(c call, in *ByID) (*body[list[attempt]], error) {
	d, err := a.store.Delivery(c, model.DeliveryID(in.ID))
	if err != nil {
		return nil, err
	}
	items, err := a.store.Attempts(c, d.ID)
	return listed(items, "", err, showAttempt)
}

func (a *API) retryDelivery(c call, in *ByID) (*body[delivery], error) {
	d, err := a.jobs.Retry(c, c.actor, model.DeliveryID(in.ID))
	out := showDelivery(d)
	if d.Seq > 0 {
		out.Note = "It goes at once, without waiting for its turn: that breaks the order of its subject."
	}
	return single(out, err)
}

func (a *API) cancelDelivery(c call, in *ByID) (*body[delivery], error) {
	d, err := a.jobs.Cancel(c, c.actor, model.DeliveryID(in.ID))
	return single(showDelivery(d), err)
}
