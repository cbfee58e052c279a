// Package inbound says what a call from outside proves and holds: it verifies signatures on raw bytes and headers, finds
// the key by which a repeated call is recognised, and reads bodies. It is pure: no clock, no database, no network; now
// and secrets are parameters. Its neighbour is jobs, which receives calls.
//
// Secrets and signatures are compared in constant time, every signature of a header is tried against every live secret,
// and a call is never told which check it failed.
package inbound

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"waybill/db/model"
)

// Request is a call as it came.
type Request struct {
	Method  string
	Path    string // as it was called, for signatures over it
	Query   url.Values
	Header  http.Header
	Body    []byte
	Address netip.Addr // of the caller, proxies looked through
}

// Step is one line of how a call was checked, for the page that explains it. No step holds a secret.
type Step struct {
	Label string
	Value string
	State StepState
}

// StepState says how a step ended.
type StepState string

const (
	StepInfo StepState = "info"
	StepOK   StepState = "ok"
	StepBad  StepState = "bad"
)

// Verdict is the word on a call.
type Verdict struct {
	OK     bool
	Reason string // why not, for the log of calls
	ID     string // by which the preset recognises a repeated call, "" = it knows none
	Steps  []Step // when they were asked for
}

// Secrets are live secrets by the name of their field.
type Secrets map[string][]model.Secret

// Live sorts opened secrets by name, without those that ended.
func Live(list []model.InboundSecret, now time.Time) Secrets {
	out := Secrets{}
	for _, s := range list {
		if s.Live(now) && s.Secret != "" {
			out[s.Name] = append(out[s.Name], s.Secret)
		}
	}
	return out
}

// Verify checks a call.
func Verify(v model.Verification, secrets Secrets, r Request, now time.Time) Verdict {
	return check(v, secrets, r, now, false)
}

// Explain is Verify with every step of the computation.
func Explain(v model.Verification, secrets Secrets, r Request, now time.Time) Verdict {
	return check(v, secrets, r, now, true)
}

// ExplainWith is Explain with a secret that the reader typed himself, to whom the computed signature can therefore be shown.
func ExplainWith(v model.Verification, secret model.Secret, r Request, now time.Time) Verdict {
	c := &checking{v: v, secrets: []model.Secret{secret}, r: r, now: now, explain: true, reveal: true}
	return c.run()
}

func check(v model.Verification, secrets Secrets, r Request, now time.Time, explain bool) Verdict {
	c := &checking{v: v, secrets: secrets[model.InboundSecretName], r: r, now: now, explain: explain}
	return c.run()
}

func (c *checking) run() Verdict {
	v := c.v
	if !c.network() {
		return c.verdict(false)
	}
	switch v.Preset {
	case model.PresetNone, model.PresetIPList:
		return c.verdict(true)
	case model.PresetBasic:
		return c.verdict(c.basic())
	case model.PresetJWT:
		return c.verdict(c.jwt())
	case model.PresetStandard:
		return c.verdict(c.standard())
	}
	rule, ok := ruleOf(v)
	if !ok {
		c.fail("This way of verifying is not known: " + string(v.Preset) + ".")
		return c.verdict(false)
	}
	return c.verdict(c.hmac(rule))
}

// checking is one call under check.
type checking struct {
	v       model.Verification
	secrets []model.Secret
	r       Request
	now     time.Time
	explain bool
	reveal  bool // computed signatures may be shown
	reason  string
	id      string
	steps   []Step
}

func (c *checking) verdict(ok bool) Verdict {
	if !ok && c.reason == "" {
		c.reason = "The call could not be verified."
	}
	return Verdict{OK: ok, Reason: c.reason, ID: c.id, Steps: c.steps}
}

func (c *checking) step(state StepState, label, value string) {
	if c.explain {
		c.steps = append(c.steps, Step{Label: label, Value: value, State: state})
	}
}

// fail ends a check; words never hold a secret.
func (c *checking) fail(words string) bool {
	c.reason = words
	c.step(StepBad, "Refused", words)
	return false
}

// network checks where the call comes from.
func (c *checking) network() bool {
	if len(c.v.Networks) == 0 {
		return true
	}
	if c.explain && !c.r.Address.IsValid() {
		c.step(StepInfo, "Address of the caller", "not checked here; a real call must come from "+strings.Join(c.v.Networks, ", "))
		return true
	}
	for _, n := range c.v.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			a, err := netip.ParseAddr(n)
			if err != nil {
				continue
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		if p.Masked().Contains(c.r.Address.Unmap()) {
			c.step(StepOK, "Address of the caller", c.r.Address.String()+" is in "+n)
			return true
		}
	}
	return c.fail("The address " + c.r.Address.String() + " is not in the list of those that may call (" + strings.Join(c.v.Networks, ", ") + ").")
}

// needSecret fails when nothing is stored to verify with.
func (c *checking) needSecret() bool {
	if len(c.secrets) > 0 {
		return true
	}
	return c.fail("No secret is stored to verify calls with; type one into the endpoint.")
}
