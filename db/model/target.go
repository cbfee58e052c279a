package model

import (
	"strings"
	"time"
)

// request stands for the webhook's id in the target of a step's own request.
const request = "request"

// StepTarget is the queue of one webhook of a workflow's step, or with webhook "" of the step's own request. It stays the
// same across the workflow's versions.
func StepTarget(w WorkflowID, step string, webhook WebhookID) TargetID {
	if webhook == "" {
		webhook = request
	}
	return TargetID(string(w) + "/" + step + "/" + string(webhook))
}

// Step takes a target apart that StepTarget made; ok is false for a destination.
func (t TargetID) Step() (w WorkflowID, step string, webhook WebhookID, ok bool) {
	first, rest, ok := strings.Cut(string(t), "/")
	step, last, two := strings.Cut(rest, "/")
	if !ok || !two {
		return "", "", "", false
	}
	if last == request {
		last = ""
	}
	return WorkflowID(first), step, WebhookID(last), true
}

// Breaker is what stands between a target that fails and its queue (SEMANTICS 4).
type Breaker string

const (
	BreakerClosed Breaker = ""     // everything goes
	BreakerOpen   Breaker = "open" // nothing goes until a time, then one message as a probe
	BreakerRamp   Breaker = "ramp" // the probe went well: 1, 2, 4 … at once
)

// Health is what must be known of a target after a restart. The zero value but for ID is a target that is well.
type Health struct {
	ID           TargetID
	FailingSince time.Time // first failure since the last success, zero = it does not fail
	Tries        int       // failures since then
	Breaker      Breaker
	Opens        int       // how often the breaker opened in a row
	Until        time.Time // BreakerOpen: when it lets a probe through
	LastError    string
	// Of targets that are not destinations: when Waybill switched it off, and why.
	DisabledAt     time.Time
	DisabledReason string
	UpdatedAt      time.Time
}

// Well reports whether there is nothing to remember.
func (h Health) Well() bool {
	return h.FailingSince.IsZero() && h.Breaker == BreakerClosed && h.DisabledAt.IsZero()
}
