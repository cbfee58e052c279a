package main

// fields are the slots of props that views/ui and the layout look up, by type.
var fields = map[string][]string{
	"FieldProps":    {"Label", "Hint", "Error", "Placeholder", "Prefix", "Suffix"},
	"EditorProps":   {"Note"},
	"KeyValueProps": {"Legend", "Hint", "Error", "NameLabel", "ValueLabel", "AddLabel"},
	"SearchProps":   {"Label", "Placeholder"},
	"ButtonProps":   {"Label"},
	"ConfirmProps":  {"Label", "Title", "Confirm", "Keep"},
	"Tab":           {"Label"},
	"Crumb":         {"Label"},
	"Step":          {"Label"},
	"Banner":        {"Text", "LinkLabel"},
	"Flash":         {"Text"},
	"Mark":          {"Word"},
	"PageHeadProps": {"Lead"},
	"CardProps":     {"Title", "Lead"},
	"ItemCardProps": {"KindLabel", "FootLeft", "FootRight"},
	"TypeCardProps": {"Title", "Lead", "Note"},
	"Stat":          {"Label", "Note"},
	"ChartProps":    {"Title"},
	"Series":        {"Label"},
	"TableProps":    {"Caption"},
	"Column":        {"Label"},
	"Fact":          {"Label"},
	"EmptyProps":    {"Title", "Text"},
	"CodeProps":     {"Label", "Note"},
	"Stored":        {"Hint"},
	"TimelineItem":  {"Title", "Aside"},
	"Bits":          {"Title"},
	"ErrorProps":    {"Title", "Message"},
	"Option":        {"Label"},
	"FieldError":    {"Message"},
	"NavGroup":      {"Label"},
	"Hit":           {"Label"},
	"FirstStep":     {"Title", "Text"},
	"Finding":       {"Label"},
	"DeleteProps":   {"Noun", "Lead", "Consequence"},
	"Need":          {"Kind"},

	"ChooseCredentialProps": {"Legend", "NoneLabel", "NoneHint"},
}

// told are the slots of what is said by all of the program, not by pages alone: complaints, and what is described by data
// that pages draw, such as the forms of credentials and connections.
var told = map[string][]string{
	"Fault": {"Message"}, "Use": {"Kind"}, "Problem": {"Message"}, "scanError": {"text"},
	"Field":         {"Label", "Help", "Placeholder", "Unit", "Group"},
	"Option":        {"Label"},
	"Kind":          {"Title", "Summary", "Docs"},
	"Type":          {"Title", "Summary", "Docs", "NoDestinations"},
	"Form":          {"Name", "Where", "WhereHelp", "URL", "URLHelp", "Groups"},
	"Sample":        {"Title"},
	"Probe":         {"Title"},
	"Role":          {"Description"},
	"AlertType":     {"Title", "Lead"},
	"ReceiverTrick": {"Title", "Text"},
	"Helper":        {"Doc"},
	"Step":          {"Title"},
	"stop":          {"what"},
	"Op":            {"Words"},
	"Template":      {"Title", "Text"},
	"NavCount":      {"Words"},
}

// places are the fields of types whose literals name none.
var places = map[string][]string{
	"Mark":    {"", "", "Word"},
	"navPage": {"", "label", "", "", ""},
	"source":  {"label", "", ""},
	"deed":    {"", "Words"},
	"Crumb":   {"Label", ""},
	"Pair":    {"", "", ""},
	"Use":     {"Kind", "", ""},
	"Option":  {"", "Label", ""},

	"Kind":          {"", "Title", "Summary", "", "Docs", ""}, // of jobs/inbound
	"Probe":         {"Title", "", ""},
	"AlertType":     {"", "Title", "Lead", "", "", "", "", ""},
	"ReceiverTrick": {"", "Title", "Text"},
	"Helper":        {"", "", "Doc", "", "", ""},
	"Step":          {"Title", ""}, // of jobs/scheme
	"Op":            {"", "Words", ""},
	"stop":          {"label", "what", "", ""},
}

// args are the arguments that are looked up, by the name of what is called; of methods the name alone counts.
var args = map[string][]int{
	"T": {1}, "say": {1}, "N": {2}, "ID": {0}, "Sentence": {0}, "Link": {0},
	"Section": {0, 1}, "Badge": {2}, "CopyButton": {0}, "Copyable": {0}, "MenuLink": {1}, "MenuPost": {1}, "Menu": {1},
	"Choices": {0}, "SegmentedLinks": {0}, "Tabs": {0}, "Cell": {0}, "CellText": {0}, "CellTwo": {0}, "Note": {1}, "NoteBox": {1}, "Standing": {1}, "StandingBox": {1}, "Refusal": {0},
	"EmptyFiltered": {0}, "EmptyError": {0}, "AddCard": {1, 2}, "DiffView": {0, 1}, "SideBySide": {0, 1, 2},
	"Done": {2}, "Flash": {2}, "crumb": {0}, "under": {1}, "shortcut": {0}, "listFilter": {0},
}

// faults are those that make complaints, with the argument that is their format (package fmt).
var faults = map[string]int{"fault.New": 1, "fault.Coded": 2, "fault.Say": 0, "fault.Complaint": 1, "Add": 1, "complain": 1, "problem": 1}

// kinds are the arguments that name a kind of thing, which stands in a sentence as one of its values.
var kinds = map[string]int{"fault.Noun": 0, "fault.Text": 0, "current": 0, "duplicate": 1, "inUse": 0, "vacate": 0}

// absent are the arguments that name a kind of thing, of which it is said that there is none.
var absent = map[string]int{"fault.Absent": 0, "one": 1}

// nouns are those whose count has a plural of its own form.
var nouns = map[string]int{"Many": 2, "Plural": 1}

// makers are functions that make such descriptions, with the arguments that they put into them.
var makers = map[string][]int{"messageFields": {0}, "secretField": {0, 1}}

// counted are the slots of nouns that stand behind a count.
var counted = map[string]string{"stop": "label"}

// inner are what queries call what no person asks for by its name.
var inner = []string{"count", "counts", "day", "hour", "mark", "sequence", "size", "throttle", "timer"}
