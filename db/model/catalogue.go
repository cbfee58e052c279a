package model

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
)

// EventDefinition says what events of one name are.
type EventDefinition struct {
	ID          EventDefID
	Name        string // of the events; unique
	Description string
	Schema      json.RawMessage // JSON Schema as typed, nil = none
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Version     int64
}

// MaxSchema bounds the text of a JSON Schema, in bytes.
const MaxSchema = 64 << 10

// Clean puts what was typed into its stored form.
func (d *EventDefinition) Clean() {
	d.Name, d.Description = strings.TrimSpace(d.Name), strings.TrimSpace(d.Description)
	if text := strings.TrimSpace(string(d.Schema)); text == "" || text == "null" {
		d.Schema = nil
	}
}

// Check lists what is wrong with the definition by itself; the schema is jobs.CheckEventDefinition's word.
func (d EventDefinition) Check() []fault.Field {
	var bad fault.Check
	if words := CheckEventName(d.Name); words != "" {
		bad.Add("name", "%s", words)
	}
	checkText(&bad, "description", d.Description, 2000)
	if len(d.Schema) > MaxSchema {
		bad.Add("schema", "At most 64 KiB; these are %d bytes.", len(d.Schema))
	}
	return bad.Fields()
}

// Audience is a named list of records.
type Audience struct {
	ID           AudienceID
	Name         string // unique
	Description  string
	SubjectField string // member of a record that a run takes its subject from, "" = runs have none
	Generation   int64  // which list of records is the current one; grows when it is replaced
	Count        int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Version      int64
}

// Clean puts what was typed into its stored form.
func (a *Audience) Clean() {
	a.Name, a.Description, a.SubjectField = clean(a.Name), strings.TrimSpace(a.Description), strings.TrimSpace(a.SubjectField)
}

// Check lists what is wrong with the audience by itself.
func (a Audience) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, a.Name)
	checkText(&bad, "description", a.Description, 2000)
	checkText(&bad, "subject_field", a.SubjectField, 200)
	return bad.Fields()
}

// Bounds of an audience.
const (
	MaxMember  = 64 << 10  // bytes of one record
	MaxMembers = 5_000_000 // records
)

// Member is one record of an audience.
type Member struct {
	Number int64           // from 0
	Data   json.RawMessage // an object
}

// Subject is the text at one member of the record, "" when there is none.
func (m Member) Subject(field string) string {
	if field == "" {
		return ""
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(m.Data, &all) != nil {
		return ""
	}
	raw := all[field]
	var text string
	switch {
	case len(raw) == 0, string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &text) != nil:
		text = string(raw)
	}
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200])
	}
	return text
}

// AudienceRun starts a workflow once for every record of an audience.
type AudienceRun struct {
	ID              AudienceRunID
	AudienceID      AudienceID
	Audience        string // name, as it now is
	WorkflowID      WorkflowID
	Workflow        string // name, as it now is
	WorkflowVersion int64
	Generation      int64
	Total           int64
	Next            int64 // number of the first record that is not started yet
	Rate            int   // runs a second, 0 = as fast as it goes
	Status          AudienceRunStatus
	Reason          string // why it failed
	StartedBy       Actor
	CreatedAt       time.Time
	UpdatedAt       time.Time
	FinishedAt      time.Time
	Version         int64
}

// Pace is how many runs a second were begun so far.
func (x AudienceRun) Pace(now time.Time) float64 {
	if !x.FinishedAt.IsZero() {
		now = x.FinishedAt
	}
	return float64(x.Next) / max(now.Sub(x.CreatedAt).Seconds(), 1)
}

// Remaining is how long it will still take at this pace; it is not known before there is one, and of one that has ended.
func (x AudienceRun) Remaining(now time.Time) (left time.Duration, known bool) {
	pace := x.Pace(now)
	if x.Status != AudienceRunning || pace == 0 {
		return 0, false
	}
	return time.Duration(float64(x.Total-x.Next) / pace * float64(time.Second)).Round(time.Second), true
}

// AudienceRunStatus is how far it is.
type AudienceRunStatus string

const (
	AudienceRunning   AudienceRunStatus = "running"
	AudienceStopped   AudienceRunStatus = "stopped"
	AudienceCompleted AudienceRunStatus = "completed"
	AudienceFailed    AudienceRunStatus = "failed"
)

// Integration is a reusable request with a form of inputs. Steps use what is published; the draft is what people edit.
type Integration struct {
	ID          IntegrationID
	Name        string // unique
	Description string
	Draft       IntegrationSpec
	Live        *IntegrationSpec // as published, nil = never
	Published   int64            // how often it was published
	PublishedAt time.Time
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Version     int64
}

// IntegrationSpec is what an integration asks for and sends. Templates see the inputs as it.input.KEY.
type IntegrationSpec struct {
	Fields  []FormField `json:"fields"`
	Request Request     `json:"request"`
}

// Changed reports whether the draft is not what is published.
func (n Integration) Changed() bool {
	if n.Live == nil {
		return true
	}
	a, _ := json.Marshal(n.Draft) // our own types, always encodable
	b, _ := json.Marshal(*n.Live)
	return string(a) != string(b)
}

// InputTypes are the types that fields of an integration can have: what a step can fill in.
func InputTypes() []FieldType {
	return []FieldType{TypeText, TypeTextArea, TypeSelect, TypeRadio, TypeMultiSelect, TypeCheckbox, TypeEmail, TypeDate, TypeDateTime, TypeNumber, TypeCurrency, TypeInstruction}
}

// Clean puts what was typed into its stored form.
func (n *Integration) Clean() {
	n.Name, n.Description = clean(n.Name), strings.TrimSpace(n.Description)
	if n.Draft.Fields == nil {
		n.Draft.Fields = []FormField{}
	}
	cleanFields(n.Draft.Fields)
	n.Draft.Request.clean()
}

// Check lists what is wrong with the draft as far as it goes; its templates are jobs.CheckIntegration's word.
func (n Integration) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, n.Name)
	checkText(&bad, "description", n.Description, 2000)
	checkFields(&bad, "fields", n.Draft.Fields)
	for i, f := range n.Draft.Fields {
		if f.Type == TypeFile {
			bad.Add("fields["+itoa(i)+"].type", "A step cannot fill in a file; take a text.")
		}
	}
	var own fault.Check
	n.Draft.Request.check(&own)
	bad.Join("request.", own.Fields())
	return bad.Fields()
}

// CheckWhole lists what is missing before it can be published.
func (n Integration) CheckWhole() []fault.Field {
	var bad fault.Check
	if n.Draft.Request.URL == "" {
		bad.Add("request.url", "Where the request goes, for instance https://api.example.com/orders.")
	}
	return bad.Fields()
}

func itoa(n int) string { return strconv.Itoa(n) }

// Example is a value that fits a field: its default, or what somebody could fill in.
func Example(f FormField) any {
	if f.Default != nil {
		return f.Default
	}
	switch f.Type {
	case TypeSelect, TypeRadio:
		return f.Options[0].Value
	case TypeMultiSelect:
		return []string{f.Options[0].Value}
	case TypeCheckbox:
		return true
	case TypeEmail:
		return "ada@example.com"
	case TypeDate:
		return "2030-01-31"
	case TypeDateTime:
		return "2030-01-31T14:30:00Z"
	case TypeNumber, TypeCurrency:
		n := 120.0
		if f.Max != nil {
			n = min(n, *f.Max)
		}
		if f.Min != nil {
			n = max(n, *f.Min)
		}
		return n
	}
	return f.Name
}
