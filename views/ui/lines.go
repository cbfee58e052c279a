package ui

import (
	"math"
	"strconv"
	"strings"
)

// linesHeight is the height of the plot of a line chart in px, and of its coordinates; linesWidth is stretched to what there is.
const (
	linesHeight = 96.0
	linesWidth  = 1000.0
)

// write says a value in words.
func (p ChartProps) write(v float64) string {
	switch {
	case v < 0:
		return "–"
	case p.Format != nil:
		return p.Format(v)
	}
	return number(v)
}

// peak is the highest value of any series, at least the least that makes a scale.
func (p ChartProps) peak() float64 {
	top := 0.0
	for _, b := range p.Bars {
		for _, v := range b.Values {
			top = math.Max(top, v)
		}
	}
	return top
}

// path draws series s through the middle of each slot; where nothing was measured there is a gap, and what stands alone is a dash.
func (p ChartProps) path(s int) string {
	var out strings.Builder
	top, slot, pen := math.Max(p.peak(), 1e-9), linesWidth/float64(len(p.Bars)), false
	at := func(v float64) string { return px(linesHeight - v/top*linesHeight) }
	has := func(i int) bool { return i >= 0 && i < len(p.Bars) && p.Bars[i].Values[s] >= 0 }
	for i, b := range p.Bars {
		if !has(i) {
			pen = false
			continue
		}
		x, y := slot*(float64(i)+0.5), at(b.Values[s])
		switch {
		case pen:
			out.WriteString("L" + px(x) + " " + y)
		case has(i + 1):
			out.WriteString("M" + px(x) + " " + y)
		default:
			out.WriteString("M" + px(x-slot*0.35) + " " + y + "L" + px(x+slot*0.35) + " " + y)
		}
		pen = true
	}
	return out.String()
}

// lineTitle is what a slot says when it is pointed at.
func (p ChartProps) lineTitle(b Bar) string {
	parts := make([]string, 0, len(b.Values))
	for i, v := range b.Values {
		if i < len(p.Series) {
			parts = append(parts, strings.ToLower(p.Series[i].Label)+" "+p.write(v))
		}
	}
	return b.Label + ": " + strings.Join(parts, ", ")
}

func (p ChartProps) slotX(i int) string {
	return percent(100 / float64(len(p.Bars)) * float64(i))
}

func (p ChartProps) slotWidth() string { return percent(100 / float64(len(p.Bars))) }

func lineClass(i int) string { return "line line-" + strconv.Itoa(i+1) }
