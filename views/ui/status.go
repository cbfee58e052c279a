package ui

// Tone says what a thing means; it picks colour and default mark. Colour is
// never alone: a tone comes with a word.
type Tone string

// The tones. The empty tone is neutral.
const (
	Neutral Tone = ""
	OK      Tone = "ok"
	Warn    Tone = "warn"
	Bad     Tone = "bad"
	Info    Tone = "info"
	Accent  Tone = "accent"
)

// icon is the mark that a tone wears when none is named.
func (t Tone) icon() string {
	switch t {
	case OK:
		return "check"
	case Warn, Bad:
		return "alert"
	case Info, Accent:
		return "info"
	}
	return "minus"
}

// noteIcon is the mark of a note: one that is neither good nor bad tells something.
func (t Tone) noteIcon() string {
	if t == Neutral {
		return "info"
	}
	return t.icon()
}

func (t Tone) class(prefix string) string {
	if t == Neutral {
		return prefix
	}
	return prefix + " " + prefix + "-" + string(t)
}

// Mark is how a status looks: shape, word and tone.
type Mark struct {
	Tone Tone
	Icon string
	Word string
}

var marks = map[string]Mark{
	// Deliveries.
	"pending":   {Neutral, "clock", "Pending"},
	"sending":   {Info, "send", "Sending"},
	"retrying":  {Warn, "retry", "Retrying"},
	"delivered": {OK, "check", "Delivered"},
	"failed":    {Bad, "x", "Failed"},
	"skipped":   {Neutral, "skip", "Skipped"},
	"held":      {Warn, "pause", "Held"},
	"cancelled": {Neutral, "ban", "Cancelled"},
	// Things that can be switched.
	"enabled":  {OK, "check", "Enabled"},
	"disabled": {Neutral, "pause", "Disabled"},
	"active":   {OK, "check", "Active"},
	"revoked":  {Bad, "ban", "Revoked"},
	"expired":  {Bad, "clock", "Expired"},
	"expiring": {Warn, "clock", "Expires soon"},
	"untested": {Neutral, "clock", "Not tested"},
	"ok":       {OK, "check", "Working"},
	"error":    {Bad, "alert", "Failing"},
	// Decisions in a trace.
	"sent":     {OK, "check", "Sent"},
	"matched":  {OK, "check", "Matched"},
	"no_match": {Neutral, "minus", "No match"},
	"filtered": {Neutral, "filter", "Filtered out"},
	// Breaker of a target.
	"open":      {Bad, "ban", "Open"},
	"half_open": {Warn, "clock", "Probing"},
	"closed":    {OK, "check", "Closed"},
	// Runs and steps.
	"running":   {Info, "play", "Running"},
	"waiting":   {Warn, "clock", "Waiting"},
	"completed": {OK, "check", "Completed"},
	"rejected":  {Bad, "x", "Rejected"},
	"paused":    {Neutral, "pause", "Paused"},
	"abandoned": {Neutral, "ban", "Abandoned"},
	"open_step": {Info, "user", "Open"},
	"stopped":   {Neutral, "stop", "Stopped"},
}

// StatusMark is the look of a status word; an unknown word is shown as it is, neutral.
func StatusMark(status string) Mark {
	if m, ok := marks[status]; ok {
		return m
	}
	return Mark{Neutral, "minus", status}
}
