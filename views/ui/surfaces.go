package ui

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"waybill/views/texts"
)

// CardProps describe a card; without Title it has no head.
type CardProps struct {
	ID, Title, Lead string
	Flush           bool            // children reach the edges: tables, code
	Actions         templ.Component // right side of the head; nil = none
	Tone            Tone            // Bad for a danger zone
}

// ItemCardProps describe one thing in a grid of things.
type ItemCardProps struct {
	ID, Title, URL      string
	Kind, KindLabel     string // glyph, and the words under the title
	Line                string // mono line: an address
	FootLeft, FootRight string
	Menu                templ.Component // nil = none
	Off                 bool            // dimmed: switched off
}

// TypeCardProps describe a kind of thing that can be made.
type TypeCardProps struct{ Kind, Title, Lead, URL, Note string }

// Stat is one figure of a strip.
type Stat struct {
	Label, Value, Note string
	Tone               Tone // of the note
	URL                string
	Aside              templ.Component // in place of the note
}

// Series is one layer of a stacked bar chart, from the bottom up.
type Series struct {
	Label string
	Tone  Tone
}

// Bar is one stack; Values are parallel to the series. A bar that begins At a time has its clock in Label, UTC ("14:00");
// scripts put the reader's there.
type Bar struct {
	Label  string
	At     time.Time
	Values []float64
	URL    string // a click filters by it; "" = no link
}

// ChartProps describe a stacked bar chart, or lines. About five labels are drawn. Title is for those who do not see it, Short for
// those who do (lines). Format writes a value, nil = as a number.
type ChartProps struct {
	Title, Short string
	Series       []Series
	Bars         []Bar
	Format       func(float64) string
}

const (
	chartHeight = 136.0 // px of the tallest bar
	chartTop    = 8.0
)

type rect struct{ class, x, y, w, h string }

func (p ChartProps) max() float64 {
	top := 0.0
	for _, b := range p.Bars {
		top = math.Max(top, b.sum())
	}
	return top
}

func (b Bar) sum() float64 {
	s := 0.0
	for _, v := range b.Values {
		s += v
	}
	return s
}

// newest is the last bar that leads somewhere, -1 without one.
func (p ChartProps) newest() int {
	for i := len(p.Bars) - 1; i >= 0; i-- {
		if p.Bars[i].URL != "" {
			return i
		}
	}
	return -1
}

// shownTo hides the drawing from assistive technology, which has the table; but not links in it.
func (p ChartProps) shownTo() templ.Attributes {
	if p.newest() < 0 {
		return templ.Attributes{"aria-hidden": "true"}
	}
	return templ.Attributes{"role": "group", "aria-label": p.Title}
}

// stop makes the newest bar alone a stop of the Tab key: arrows go on from there, so that what follows the chart stays near.
func (p ChartProps) stop(i int) templ.Attributes {
	if i == p.newest() {
		return nil
	}
	return templ.Attributes{"tabindex": "-1"}
}

// summary is what a bar says in words: "14:00: 50 Delivered, 2 Failed".
func (p ChartProps) summary(ctx context.Context, b Bar) string {
	parts := make([]string, 0, len(b.Values))
	for i, v := range b.Values {
		if i < len(p.Series) {
			parts = append(parts, In(ctx).Count(int64(v))+" "+lower(ctx, p.Series[i].Label))
		}
	}
	return b.Label + ": " + strings.Join(parts, ", ")
}

// widestBar keeps the bars of a chart that has few of them from becoming walls, in percent.
const widestBar = 12

// rects are the pieces of bar i: x and width in percent, so that the drawing
// stretches without distortion, y and height in px.
func (p ChartProps) rects(i int) []rect {
	slot := 100 / float64(len(p.Bars))
	y := chartTop + chartHeight
	top := math.Max(p.max(), 1)
	var out []rect
	for s, v := range p.Bars[i].Values {
		if v <= 0 || s >= len(p.Series) {
			continue
		}
		h := math.Max(v/top*chartHeight, 2)
		y -= h
		out = append(out, rect{
			class: p.Series[s].Tone.class("bar"),
			x:     percent(slot * (float64(i) + 0.14)), w: percent(math.Min(slot*0.72, widestBar)),
			y: px(y), h: px(math.Max(h-1, 1)),
		})
	}
	return out
}

type axisLabel struct {
	x, anchor, text string
	at              time.Time
}

// clock marks a text that begins with the UTC clock of a time.
func clock(at time.Time) templ.Attributes {
	if at.IsZero() {
		return nil
	}
	return templ.Attributes{"data-clock": at.UTC().Format(time.RFC3339)}
}

// clocked reports whether the chart is one over time.
func (p ChartProps) clocked() bool { return len(p.Bars) > 0 && !p.Bars[0].At.IsZero() }

func (p ChartProps) labels(now string) []axisLabel {
	n := len(p.Bars)
	if n == 0 {
		return nil
	}
	slot := 100 / float64(n)
	step := max(1, (n+3)/4)
	var out []axisLabel
	for i := 0; i < n; i += step {
		if i > 0 && n-1-i < step/2 {
			break
		}
		anchor, x := "middle", slot*(float64(i)+0.5)
		if i == 0 {
			anchor, x = "start", slot*0.14
		}
		out = append(out, axisLabel{percent(x), anchor, p.Bars[i].Label, p.Bars[i].At})
	}
	if n > 1 && (n-1)%step != 0 {
		last := axisLabel{percent(100 - slot*0.14), "end", p.Bars[n-1].Label, time.Time{}}
		if p.clocked() {
			last.text = now
		}
		out = append(out, last)
	}
	return out
}

func percent(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + "%" }
func px(f float64) string      { return strconv.FormatFloat(f, 'f', 1, 64) }
func number(f float64) string  { return strconv.FormatFloat(f, 'f', -1, 64) }

// sparkPath draws values into a box of 100 × 28; area closes it at the bottom.
func sparkPath(values []float64, area bool) string {
	if len(values) < 2 {
		values = []float64{0, 0}
	}
	top := 0.0
	for _, v := range values {
		top = math.Max(top, v)
	}
	var b strings.Builder
	for i, v := range values {
		y := 26.0
		if top > 0 {
			y -= v / top * 23
		}
		op := "L"
		if i == 0 {
			op = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", op, float64(i)*100/float64(len(values)-1), y)
	}
	if area {
		b.WriteString("L100 28L0 28Z")
	}
	return b.String()
}

// Column is one head of a table. With SortURL the head is a link; Sorted is
// "ascending", "descending" or empty.
type Column struct {
	Label, SortURL, Sorted string
	Right                  bool
	Hidden                 bool // for a column of buttons: the label is for assistive technology only
}

// TableProps describe a data table, which becomes a stack of cards on a phone.
// Its rows are the children: tr elements with an id, made of Cell and CellMain.
type TableProps struct {
	ID, Caption string
	Columns     []Column
	Attrs       templ.Attributes // of the tbody: hx-get, hx-trigger, …
}

func (c Column) attrs() templ.Attributes {
	if c.Sorted == "" {
		return nil
	}
	return templ.Attributes{"aria-sort": c.Sorted}
}

func attemptSlots(results []Tone, of int) []Tone {
	const most = 12
	if len(results) > most {
		results = results[len(results)-most:]
	}
	out := append([]Tone{}, results...)
	for len(out) < of && len(out) < most {
		out = append(out, Neutral)
	}
	return out
}

func attemptWords(ctx context.Context, results []Tone, of int) string {
	if len(results) == 0 {
		return say(ctx, "No attempt yet")
	}
	last := texts.ID("under way")
	switch results[len(results)-1] {
	case OK:
		last = texts.ID("delivered")
	case Bad:
		last = texts.ID("failed")
	case Warn:
		last = texts.ID("to be retried")
	}
	return say(ctx, "{n} of {most} attempts, last one {state}", "n", itoa(len(results)), "most", itoa(max(of, len(results))), "state", say(ctx, last))
}

// TimelineItem is one entry of a timeline, oldest or newest first as given.
type TimelineItem struct {
	ID    string
	Tone  Tone
	Icon  string // "" = the tone's own
	Title string
	Aside string // duration, status
	At    time.Time
	Body  templ.Component // nil = none
	Open  bool            // a body stands behind a disclosure; Open shows it
}

// Fact is one line of a definition list; Body wins over Text.
type Fact struct {
	Label, Text string
	Mono        bool
	Body        templ.Component
}

// EmptyProps describe an empty state.
type EmptyProps struct{ Icon, Title, Text string }

// ConfirmProps describe a question before something is done that cannot be undone.
type ConfirmProps struct {
	ID      string // of the dialog, unique on the page
	Action  string // where the POST goes
	Page    string // GET URL of the same question as a page, for those without scripts; "" = the button posts at once then
	Label   string // of the button that asks
	Icon    string // "" = trash
	Kind    Kind   // of the button that asks
	Small   bool
	InMenu  bool // the asking button is a menu entry
	Mild    bool // it can be taken back: the button that does it is not red
	Title   string
	Confirm string // verb on the button that does it
	Keep    string // on the button that leaves all as it is, "" = Cancel; where the verb is to cancel, that would be two of it
	Cancel  string // URL that the page's Cancel goes to
	Hidden  []Pair // hidden fields of the form
	Word    string // must be typed first: only where data is lost for good
}

func (p ConfirmProps) asks() string {
	if p.InMenu {
		return "menu-item menu-danger"
	}
	return ButtonProps{Kind: p.Kind, Small: p.Small}.class("btn")
}

func (p ConfirmProps) does() string {
	if p.Mild {
		return ButtonProps{Kind: Primary}.class("btn")
	}
	return ButtonProps{Kind: Danger}.class("btn")
}
