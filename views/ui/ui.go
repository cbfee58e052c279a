// Package ui holds the components that pages are made of: dumb templ components
// that take plain values and know nothing of the database, echo or the nouns of
// the product (they get words, tones and URLs). A component never carries an
// inline style or script; everything works as plain links and forms, and
// static/src/js adds comfort where scripts run. The pages in views are the
// neighbours above; views/href below.
//
// # What there is, with one example each
//
// Page frame (inside views.Layout):
//
//	@ui.PageHead(ui.PageHeadProps{Title: "Connections", Lead: "Systems that events go to."}) { @ui.LinkButton(…) }
//	@ui.Breadcrumb([]ui.Crumb{{Label: "Connections", URL: href.Connections()}, {Label: "ERP"}})   // the last one is the page itself; Layout draws Shell.Crumbs by itself
//	@ui.Tabs("Connection", []ui.Tab{{Label: "Settings", URL: u, Current: true}, {Label: "Destinations", URL: d, Count: "3"}})
//	@ui.Toolbar() { @ui.Search(…) @ui.SegmentedLinks(…) }
//
// Words and marks:
//
//	@ui.Icon("plug")                                                      // names in icon.go; unknown names draw a plug
//	@ui.Badge(ui.OK, "check", "Connected")                                // tone, icon ("" = the tone's own), word
//	@ui.Status("delivered")                                               // a badge for a status word (status.go)
//	@ui.TypeMark("webhook")                                               // tinted square with the glyph of a connection type
//	@ui.Method("POST")
//	@ui.Time(t, now)                                                      // "5 min ago", exact time in the title
//	@ui.Moments(t, now)                                                   // the exact time and how long ago
//	@ui.Live(href.LiveDeliveries())   @ui.Region("live-list", url, time.Second) { … }   // "Live / Reconnecting… / Updates paused"; the part of the page that then asks for itself
//	@ui.Code("wbk_…")                                                     // inline mono text
//	@ui.CopyButton("Copy URL", text)   @ui.Copyable("Inbound URL", text)  // a button; a read-only line with a button
//
// Controls:
//
//	@ui.Button(ui.ButtonProps{Label: "Save changes", Kind: ui.Primary})   // type=submit unless Type says otherwise; Icon, Name, Value, FormAction, Attrs
//	@ui.LinkButton(ui.ButtonProps{Label: "New connection", Icon: "plus", URL: href.NewConnection(), Kind: ui.Primary})
//	@ui.IconButton(ui.ButtonProps{Label: "Remove", Icon: "trash"})        // Label is the accessible name; with URL it is a link
//	@ui.PostButton(href.RetryDelivery(id), ui.ButtonProps{Label: "Retry", Icon: "retry"})   // a form with one button
//	@ui.Menu("menu-x", "Actions for ERP") { @ui.MenuLink("edit", "Edit", u) @ui.MenuPost("pause", "Disable", action, "") @ui.MenuSeparator() }
//	@ui.Confirm(ui.ConfirmProps{ID: "delete-x", Page: href.DeleteConnection(id), Action: href.DeleteConnection(id), Label: "Delete", Title: "Delete ERP?", Confirm: "Delete connection"}) { <p>2 destinations …</p> }
//	@ui.ConfirmCard(same props) { … }                                     // the plain page that Page leads to without scripts
//
// Forms. One props struct for all fields: FieldProps{Name, Label, Hint, Error, Required, Value, Type, Placeholder, …}; ID defaults to "f-"+Name:
//
//	@ui.ErrorSummary([]ui.FieldError{{Name: "base_url", Message: "…"}})   // drawn only when there are more than 3; Form-wide errors: @ui.Note(ui.Bad, "…")
//	@ui.Section("Authentication", "How requests prove who sends them.") { fields }
//	@ui.Input(ui.FieldProps{Name: "name", Label: "Name", Value: f.Name, Error: f.Errors["name"], Required: true})
//	@ui.Input(ui.FieldProps{Name: "timeout_seconds", Label: "Timeout", Type: "number", Value: "30", Suffix: "seconds", Narrow: true})
//	@ui.Textarea(ui.FieldProps{Name: "description", Label: "Description", Rows: 3})
//	@ui.Select(ui.FieldProps{Name: "method", Label: "Method", Value: f.Method}, []ui.Option{{Value: "POST", Label: "POST"}})
//	@ui.Secret(ui.FieldProps{Name: "password", Label: "Password", Error: e}, ui.Stored{Set: true, Hint: "ends in 4f2a"})   // write-only; Multiline for keys
//	@ui.Switch(ui.FieldProps{Name: "enabled", Label: "Enabled", Hint: "…"}, f.Enabled)      // value "true" when on, absent when off
//	@ui.Checkbox(ui.FieldProps{Name: "roles", Label: "Operator", Value: "operator"}, checked)
//	@ui.Choice(ui.FieldProps{Name: "auth", Value: "pick", Label: "Use a credential", Hint: "…"}, checked) { what is shown while chosen }   // inside @ui.Choices("Authentication", error)
//	@ui.Segmented(ui.FieldProps{Name: "lane", Label: "Lane", Value: v}, options)            // radio group
//	@ui.SegmentedLinks("Status", []ui.Tab{{Label: "All", Count: "84", URL: u, Current: true}})
//	@ui.Search(ui.SearchProps{Name: "q", Label: "Filter by name", Value: q, Attrs: templ.Attributes{"hx-get": …}})
//	@ui.KeyValueRows(ui.KeyValueProps{Legend: "Headers", Name: "headers", Rows: []ui.Pair{{Name: "X-A", Value: "1"}}})     // posts headers_name[] and headers_value[] in pairs; empty names are blank rows
//	@ui.CodeEditor(ui.FieldProps{Name: "template", Label: "Template", Value: t, Error: e}, ui.EditorProps{Lang: "template", ErrorLine: 3, Rows: 18})
//	@ui.EditorError(ui.EditorErrorProps{For: "f-template", Line: 20, Column: 12, Message: "ReferenceError: …"})            // in a preview: also marks the gutter
//	@ui.Field(ui.FieldProps{…}) { own control; give it ui.FieldAttrs(p)… }
//	@ui.FormActions() { @ui.Button(…) @ui.LinkButton(…) }                 // the row at the end of a form
//
// Surfaces and data:
//
//	@ui.Card(ui.CardProps{Title: "Request", Lead: "…", Flush: true}) { … } // Actions: a component at the right of the head
//	@ui.Grid() { @ui.ItemCard(ui.ItemCardProps{ID, Title, URL, Kind: "webhook", KindLabel: "Webhook", Line: effectiveURL, FootLeft, FootRight, Menu: menu}) { badge, spark } @ui.AddCard(url, "Add a connection", "…") }
//	@ui.Grid() { @ui.TypeCard(ui.TypeCardProps{Kind: "webhook", Title: "Webhook", Lead: "…", URL: href.NewConnectionOf("webhook")}) }
//	@ui.StatStrip([]ui.Stat{{Label: "Delivered, 24 h", Value: "2,481", Note: "99.2 %", Tone: ui.OK, URL: u}})
//	@ui.BarChart(ui.ChartProps{Title: "Deliveries, 24 h", Series: []ui.Series{{Label: "Delivered", Tone: ui.Accent}}, Bars: []ui.Bar{{Label: "14:00", Values: []float64{50}, URL: u}}})
//	@ui.Columns() { two cards beside each other }   @ui.CardFoot() { … }   // below the body of a card
//	@ui.Spark([]float64{…}, ui.Accent)
//	@ui.Table(ui.TableProps{ID: "deliveries", Caption: "Deliveries", Columns: []ui.Column{{Label: "Status"}, {Label: "When", Right: true}}}) {
//	    <tr id={ d.ID }>@ui.Cell("Status", "") { … } @ui.CellMain(title, url, sub) @ui.Cell("When", "num") { … }</tr> }
//	@ui.AttemptBars([]ui.Tone{ui.Bad, ui.OK}, 5)
//	@ui.Timeline([]ui.TimelineItem{{Tone: ui.Bad, Title: "Attempt 1", Aside: "3.1 s", At: t, Body: component}}, now)
//	@ui.Facts([]ui.Fact{{Label: "Method", Text: "POST"}, {Label: "Event", Body: component}})     // a definition list
//	@ui.CodeBlock(ui.CodeProps{Label: "Body", Lang: "json", Text: body, Copy: true})              // json, headers, http, text
//	@ui.DiffView("Saved", "Edited", ui.DiffLines(old, new))
//	@ui.Pagination(ui.PaginationProps{Next: url, First: url, Shown: "50 deliveries"})             // keyset: no page numbers
//	@ui.StepList([]ui.Step{{Label: "Type", Done: true, URL: u}, {Label: "Settings", Current: true}})
//
// Messages:
//
//	@ui.Note(ui.Warn, "Saved, but this address is refused when sending.")   @ui.NoteBox(ui.Bad, "Title") { body }
//	@ui.BannerBar(ui.Banner{Tone: ui.Warn, Text: "…", LinkLabel: "Open", URL: u})                 // Layout draws Shell.Banners
//	@ui.EmptyFirst(ui.EmptyProps{Icon: "plug", Title: "No connections yet", Text: "…"}) { buttons }
//	@ui.EmptyFiltered("No delivery has the status “failed”.", clearURL)   @ui.EmptyError("The list could not be read.", retryURL)
//	@ui.Skeleton(3)
//
// Attributes that scripts understand, on elements of one's own: form data-guard
// (warns before typed text is lost, with the value "dirty" from the start; Ctrl-S saves), data-leave (a link that
// throws it away on purpose), form data-auto (selects and
// radios submit by themselves), data-copy=TEXT, data-dialog=ID, class js-only
// (hidden without scripts), class no-htmx (hidden where htmx runs: the plain
// Preview or Filter button), class form-row (fields side by side), class stack.
// The server may answer htmx with HX-Trigger: {"toast":{"tone":"ok","text":"…"}}.
//
// A Flash is shown by the layout: a toast for good news, a note at the top of the page for bad.
// Text helpers: Ago, Moment, Took, Count, Bytes, Plural, StatusMark (format.go, status.go).
package ui

import (
	"context"

	"github.com/a-h/templ"
)

// Kind is the weight of a button. One primary button a page.
type Kind string

// The kinds of button. The empty kind is the plain one with a border.
const (
	Plain   Kind = ""
	Primary Kind = "primary"
	Danger  Kind = "danger"
	Ghost   Kind = "ghost"
)

// ButtonProps describe a button, a link that looks like one, or an icon button.
type ButtonProps struct {
	Label string // the word; for an icon button the accessible name
	Icon  string // "" = none
	Kind  Kind
	Small bool
	URL   string // links only

	Type       string // "" = submit
	Name       string
	Value      string
	FormAction string // posts the form elsewhere (a plain Preview or Test button)
	Form       string // id of a form that the button stands outside of
	Disabled   bool
	Attrs      templ.Attributes
}

func (p ButtonProps) class(base string) string {
	c := base
	if p.Kind != Plain {
		c += " btn-" + string(p.Kind)
	}
	if p.Small {
		c += " btn-small"
	}
	return c
}

func (p ButtonProps) kind() string {
	if p.Type == "" {
		return "submit"
	}
	return p.Type
}

// Tab is one entry of a tab strip or of segmented links.
type Tab struct {
	Label, Count, URL string
	Current           bool
	Attrs             templ.Attributes
}

// Crumb is one step of a breadcrumb; without URL it is the page itself.
type Crumb struct {
	Label, URL string
	Own        bool // Label is a name that people gave
}

func (c Crumb) words(ctx context.Context) string { return ours(ctx, c.Label, c.Own) }

// Flash is a message carried over a redirect.
type Flash struct {
	Tone Tone
	Text string
}

// Banner is a standing message above every page.
type Banner struct {
	Tone           Tone
	Text           string
	LinkLabel, URL string
}

// PageHeadProps describe the head of a page.
type PageHeadProps struct {
	Title string
	Lead  string
	Kind  string          // connection type whose mark stands before the title; "" = none
	Badge templ.Component // nil = none
}
