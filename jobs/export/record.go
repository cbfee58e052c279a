package export

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"waybill/db"
	"waybill/db/model"
)

// Event is one record of the dataset events. Data is null once retention has removed it, or where it is not asked for.
type Event struct {
	ID         model.EventID   `json:"id"`
	ExternalID string          `json:"external_id"`
	Name       string          `json:"name"`
	Subject    string          `json:"subject"`
	Time       string          `json:"time"`
	CreatedAt  string          `json:"created_at"`
	Depth      int             `json:"depth"`
	Deliveries int             `json:"deliveries"`
	Data       json.RawMessage `json:"data"`
}

// Delivery is one record of the dataset deliveries, as it was when it was settled. Names are today's.
type Delivery struct {
	ID             model.DeliveryID   `json:"id"`
	EventID        model.EventID      `json:"event_id"`
	EventName      string             `json:"event_name"`
	EventSubject   string             `json:"event_subject"`
	ConnectionID   model.ConnectionID `json:"connection_id"`
	Connection     string             `json:"connection"`
	DestinationID  model.DestID       `json:"destination_id"`
	Destination    string             `json:"destination"`
	TargetID       model.TargetID     `json:"target_id"`
	ActionID       model.ActionID     `json:"action_id"`
	RunID          model.RunID        `json:"run_id"`
	Step           string             `json:"step"`
	Lane           model.Lane         `json:"lane"`
	Status         model.Status       `json:"status"`
	Attempts       int                `json:"attempts"`
	Interruptions  int                `json:"interruptions"`
	LastStatusCode int                `json:"last_status_code"`
	LastError      string             `json:"last_error"`
	ReplayOf       model.DeliveryID   `json:"replay_of"`
	BatchID        model.BatchID      `json:"batch_id"`
	CreatedAt      string             `json:"created_at"`
	SettledAt      string             `json:"settled_at"`
	Milliseconds   int64              `json:"milliseconds"` // from created to settled
}

// Attempt is one record of the dataset attempts. MessageID is the delivery's id, or that of the batch it was part of.
type Attempt struct {
	DeliveryID    model.DeliveryID `json:"delivery_id"`
	MessageID     string           `json:"message_id"`
	ID            model.AttemptID  `json:"id"`
	Number        int              `json:"number"`
	StartedAt     string           `json:"started_at"`
	Method        string           `json:"method"`
	URL           string           `json:"url"`
	Address       string           `json:"address"`
	StatusCode    int              `json:"status_code"`
	Class         model.ErrorClass `json:"class"`
	Error         string           `json:"error"`
	Verdict       model.Status     `json:"verdict"`
	RequestBytes  int64            `json:"request_bytes"`
	ResponseBytes int64            `json:"response_bytes"`
	Microseconds  int64            `json:"microseconds"`
}

// Columns are the names of a dataset's fields in their order: the first line of a CSV file.
func Columns(d model.Dataset) []string {
	switch d {
	case model.DatasetEvents:
		return strings.Fields("id external_id name subject time created_at depth deliveries data")
	case model.DatasetDeliveries:
		return strings.Fields("id event_id event_name event_subject connection_id connection destination_id destination target_id action_id run_id step lane status attempts interruptions last_status_code last_error replay_of batch_id created_at settled_at milliseconds")
	case model.DatasetAttempts:
		return strings.Fields("delivery_id message_id id number started_at method url address status_code class error verdict request_bytes response_bytes microseconds")
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return model.Stamp(t)
}

func event(e model.Event, data bool) Event {
	out := Event{e.ID, e.ExternalID, e.Name, e.Subject, stamp(e.Time), stamp(e.CreatedAt), e.Depth, e.Deliveries, nil}
	if data && len(e.Data) > 0 && json.Valid(e.Data) {
		out.Data = json.RawMessage(e.Data)
	}
	return out
}

func delivery(d db.ExportedDelivery) Delivery {
	batch := d.BatchID
	if !d.Batched() {
		batch = ""
	}
	return Delivery{d.ID, d.EventID, d.EventName, d.Subject, d.ConnectionID, d.Connection, d.DestinationID, d.Destination, d.TargetID, d.ActionID, d.RunID, d.Step, d.Lane, d.Status,
		d.Attempts, d.Interruptions, d.LastStatusCode, d.LastError, d.ReplayOf, batch, stamp(d.CreatedAt), stamp(d.SettledAt), d.SettledAt.Sub(d.CreatedAt).Milliseconds()}
}

func attempt(a db.ExportedAttempt) Attempt {
	return Attempt{a.DeliveryID, a.Message, a.ID, a.Number, stamp(a.StartedAt), a.Method, a.URL, a.Address, a.StatusCode, a.Class, a.Error, a.Verdict, a.Request.Size, a.Response.Size, a.Timings.Total}
}

func (e Event) row() []string {
	return []string{string(e.ID), e.ExternalID, e.Name, e.Subject, e.Time, e.CreatedAt, strconv.Itoa(e.Depth), strconv.Itoa(e.Deliveries), string(e.Data)}
}

func (d Delivery) row() []string {
	return []string{string(d.ID), string(d.EventID), d.EventName, d.EventSubject, string(d.ConnectionID), d.Connection, string(d.DestinationID), d.Destination, string(d.TargetID),
		string(d.ActionID), string(d.RunID), d.Step, string(d.Lane), string(d.Status), strconv.Itoa(d.Attempts), strconv.Itoa(d.Interruptions), strconv.Itoa(d.LastStatusCode), d.LastError,
		string(d.ReplayOf), string(d.BatchID), d.CreatedAt, d.SettledAt, strconv.FormatInt(d.Milliseconds, 10)}
}

func (a Attempt) row() []string {
	return []string{string(a.DeliveryID), a.MessageID, string(a.ID), strconv.Itoa(a.Number), a.StartedAt, a.Method, a.URL, a.Address, strconv.Itoa(a.StatusCode), string(a.Class), a.Error,
		string(a.Verdict), strconv.FormatInt(a.RequestBytes, 10), strconv.FormatInt(a.ResponseBytes, 10), strconv.FormatInt(a.Microseconds, 10)}
}

// record is one of the above.
type record interface{ row() []string }

// encoder writes records in a format.
type encoder struct {
	json *json.Encoder
	csv  *csv.Writer
	safe bool
}

func newEncoder(w io.Writer, q Query) (*encoder, error) {
	if q.Format == model.FormatCSV {
		e := &encoder{csv: csv.NewWriter(w), safe: q.Harmless}
		return e, e.csv.Write(Columns(q.Dataset))
	}
	e := &encoder{json: json.NewEncoder(w)}
	e.json.SetEscapeHTML(false)
	return e, nil
}

func (e *encoder) write(r record) error {
	if e.json != nil {
		return e.json.Encode(r)
	}
	row := r.row()
	if e.safe {
		for i := range row {
			row[i] = Harmless(row[i])
		}
	}
	return e.csv.Write(row)
}

func (e *encoder) flush() error {
	if e.csv == nil {
		return nil
	}
	e.csv.Flush()
	return e.csv.Error()
}

// Harmless keeps spreadsheets from taking a text for a formula.
func Harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		if _, err := strconv.ParseFloat(cell, 64); err != nil {
			return "'" + cell
		}
	}
	return cell
}
