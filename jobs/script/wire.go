package script

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// What travels between pool and worker: frames of a 4-byte big-endian length and a body of varints, and byte strings
// with their length before them. The pool sends groups: the template as one byte string, then the jobs. The worker
// says `ready` once, and answers with one result for each job, in order, and `done`. `running` tells which job has been going on for a while.
const (
	frameResult  = 1 // index, status, µs, then strings
	frameRunning = 2 // index
	frameDone    = 3 // recycle: 0 or 1
	frameReady   = 4 // once, at the start

	statusOK      = 0
	statusSkip    = 1
	statusProblem = 2

	maxGroupBytes = 8 << 20
	maxAnswer     = MaxOutput + 64<<10 // no frame of a worker is longer
	maxMessage    = 2000
)

var errWire = errors.New("malformed frame")

// frame appends a frame whose body is what body appends.
func frame(b []byte, body func([]byte) []byte) []byte {
	at := len(b)
	b = body(append(b, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendString[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// readFrame reads one frame into buf, which it may replace, and refuses longer ones than limit.
func readFrame(r io.Reader, buf []byte, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if int64(n) > int64(limit) {
		return nil, fmt.Errorf("%w: %d bytes", errWire, n)
	}
	if cap(buf) < int(n) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := io.ReadFull(r, buf)
	return buf, err
}

// cursor reads the body of a frame. After a mistake it reads zeros and bad is set.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > limit {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) int64() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes() []byte {
	n := c.uint(uint64(len(c.b)))
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) string() string { return string(c.bytes()) }

func appendTemplate(b []byte, parts []Part) []byte {
	b = binary.AppendUvarint(b, uint64(len(parts)))
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(p.Place))
		b = appendString(appendString(b, p.Name), p.Source)
	}
	return b
}

func readTemplate(b []byte) ([]Part, bool) {
	c := &cursor{b: b}
	parts := make([]Part, c.uint(maxParts+1))
	for i := range parts {
		parts[i] = Part{Place: Place(c.uint(uint64(Header))), Name: c.string(), Source: c.string()}
	}
	return parts, !c.bad
}

// appendJob appends a job; one that only checks is compiled, not run.
func appendJob(b []byte, j *Job, check bool) []byte {
	kind := byte(0)
	if check {
		kind = 1
	}
	b = binary.AppendVarint(append(b, kind), j.Now.UnixNano())
	return appendString(appendString(b, j.Seed), j.Input)
}

// appendAnswer appends the body of a result frame.
func appendAnswer(b []byte, index int, took time.Duration, out Output, problem *Problem) []byte {
	b = binary.AppendUvarint(append(b, frameResult), uint64(index))
	status := statusOK
	switch {
	case problem != nil:
		status = statusProblem
	case out.Skip:
		status = statusSkip
	}
	b = binary.AppendUvarint(append(b, byte(status)), uint64(took.Microseconds()))
	switch status {
	case statusProblem:
		b = appendString(appendString(b, problem.Part), problem.Bound)
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(problem.Line)), uint64(problem.Column))
		return appendString(b, problem.Message[:min(len(problem.Message), maxMessage)])
	case statusSkip:
		return appendString(b, out.SkipReason[:min(len(out.SkipReason), maxMessage)])
	}
	for _, p := range out.Parts {
		b = appendString(b, p)
	}
	return b
}

// readAnswer reads the rest of a result frame, behind type and index, of a template with n parts.
func readAnswer(c *cursor, n int) (Output, *Problem, error) {
	status := c.uint(statusProblem)
	out := Output{Took: time.Duration(c.uint(uint64(time.Hour/time.Microsecond))) * time.Microsecond}
	var problem *Problem
	switch status {
	case statusProblem:
		problem = &Problem{Part: c.string(), Bound: c.string(), Line: int(c.uint(MaxTemplate + 2)), Column: int(c.uint(MaxTemplate + 2)), Message: c.string()}
		problem.Part, problem.Message = printable(problem.Part), printable(problem.Message)
		if _, known := bounds[problem.Bound]; !known && problem.Bound != BoundSize {
			problem.Bound = ""
		}
	case statusSkip:
		out.Skip, out.SkipReason = true, printable(c.string())
	default:
		out.Parts = make([]string, n)
		for i := range out.Parts {
			out.Parts[i] = c.string()
		}
	}
	if c.bad || len(c.b) > 0 {
		return Output{}, nil, errWire
	}
	return out, problem, nil
}
