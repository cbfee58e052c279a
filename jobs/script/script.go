// Package script is the template language: it scans, checks and renders what a destination, step or mapping sends.
//
// A template is text with tags of JavaScript; `it` is its one argument.
//
//	{{! statements }}   runs them; `return X` makes X the whole result and throws the text before it away
//	{{ expr }}          writes a value, encoded for the place where the tag stands
//	{{= expr }}         writes a value as it is
//	{{@each(list) => v, i}} … {{/each}}     arrays, iterables, array-likes; a plain object gives value and key; null gives nothing
//	{{@if(cond)}} … {{#elif(cond)}} … {{#else}} … {{/if}}
//
// The end of a tag is found by a scanner that knows JavaScript, so `}}`, `=>`, `||`, strings, comments, regular
// expressions and template literals may stand inside one. Brackets have to be balanced within a tag. A `//` comment
// ends with its line, not with the tag. Text is kept as written, but for one line break directly after a tag that
// writes nothing (statements, @each, @if, #elif, #else, /each, /if), which is dropped. A literal `{{` is `{{= "{{" }}`.
//
// The parts of a template (path, headers, body) are rendered in order, in one JavaScript runtime that lives for one
// render; they share `it` and the globals. Integers beyond 2^53, and other numbers whose digits a JavaScript number
// cannot hold, arrive as Number objects that calculate like numbers and are written with the digits they came with.
//
// JavaScript runs in worker processes only, never in this one: a Pool starts them, bounds them, kills and replaces
// them, and believes nothing that they say. The package knows no database, key, network or file. Its neighbours are
// jobs/deliver and jobs, which render, and the checks of jobs, which call Pool.Check before anything is stored.
package script

import (
	"fmt"
	"strings"
	"time"
)

// Limits of one render. Sizes are bytes.
const (
	MaxTemplate  = 256 << 10              // all parts of a template together
	MaxInput     = 4 << 20                // an event of 1 MiB stands in it.data and in it.events
	MaxOutput    = 1 << 20                // all parts of a result together
	MaxJSONDepth = 200                    // nesting of the input, and of what JSON.parse reads
	maxParts     = 128                    // path, headers and body of one request
	softLimit    = 250 * time.Millisecond // of a processor; then the script is interrupted
	slowLimit    = 500 * time.Millisecond // … whatever it got of a processor
	hardLimit    = time.Second            // then its worker is killed
)

// Place says where a part stands, and so how {{ expr }} encodes.
type Place int

const (
	Text     Place = iota // as text; objects as JSON, null and undefined as nothing
	JSONBody              // inside a string literal: escaped text; elsewhere: a JSON value
	FormBody              // percent-encoded
	Path                  // percent-encoded; the part may hold a query
	Header                // text; CR, LF and NUL are removed from the whole part
)

// Part is one text of a request. Name is how problems call it: "path", "headers[0].value", "template".
type Part struct {
	Name   string
	Place  Place
	Source string
}

// Template is what is rendered together. Equal versions mean equal parts; waiting jobs of one version travel together.
type Template struct {
	Version string
	Parts   []Part
}

// Job is one render. Input is the JSON text of `it`, an object. Now is what now(), Date.now() and new Date() say.
// Seed makes uuid() and Math.random(): equal seeds give equal results.
type Job struct {
	Template *Template
	Input    []byte
	Now      time.Time
	Seed     string
}

// Output is one result. Parts are in the order of the template's. Skip means that a `return` said undefined or null:
// there is nothing to send, and Parts is empty.
type Output struct {
	Parts      []string
	Skip       bool
	SkipReason string
	Took       time.Duration // inside the worker
}

// The bounds that a Problem or a Lost can name.
const (
	BoundTime   = "time"
	BoundMemory = "memory"
	BoundOutput = "output"
	BoundDepth  = "depth"
	BoundWorker = "worker"
	BoundSize   = "size"
)

// Problem is a fault of a template, or of a template with an input. Line and Column count from 1, in characters, in
// the source of the part; both are 0 when there is no place. Bound is empty unless a bound was met.
type Problem struct {
	Part    string
	Line    int
	Column  int
	Message string
	Bound   string
}

func (p *Problem) Error() string {
	switch {
	case p.Line > 0 && p.Part != "":
		return fmt.Sprintf("%s, line %d, column %d: %s", p.Part, p.Line, p.Column, p.Message)
	case p.Part != "":
		return p.Part + ": " + p.Message
	}
	return p.Message
}

// Lost is the error of a render that took its worker down: the worker died of it, or had to be killed. Bound says
// what was met: time, memory, depth, or worker when the cause is not known.
type Lost struct {
	Bound   string
	Message string
}

func (l *Lost) Error() string { return l.Message }

// Plain reports whether source holds no tag, so that it renders to itself and needs no worker.
func Plain(source string) bool { return !strings.Contains(source, "{{") }

// Check reports what is wrong with the syntax of parts: at most one problem for each part. It scans and parses, in
// this process, in a time that is in proportion to the source. What only the compiler finds (a name declared twice, a
// break without a loop) is reported by Pool.Check, which is the one to call before anything is stored.
func Check(parts []Part) []Problem {
	if p := checkSize(parts); p != nil {
		return []Problem{*p}
	}
	var out []Problem
	for _, part := range parts {
		if _, _, p := parsePart(part); p != nil {
			out = append(out, *p)
		}
	}
	return out
}

func checkSize(parts []Part) *Problem {
	if len(parts) > maxParts {
		return &Problem{Message: fmt.Sprintf("the request has %d templated parts; %d are allowed", len(parts), maxParts), Bound: BoundSize}
	}
	total := 0
	for _, p := range parts {
		total += len(p.Source)
	}
	if total > MaxTemplate {
		return &Problem{Message: fmt.Sprintf("the template is %d bytes long; %d are allowed", total, MaxTemplate), Bound: BoundSize}
	}
	return nil
}

func stripHeader(s string) string {
	if !strings.ContainsAny(s, "\r\n\x00") {
		return s
	}
	return strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(s)
}
