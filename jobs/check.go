package jobs

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/connector"
	"waybill/jobs/deliver"
	"waybill/jobs/filter"
	"waybill/jobs/scheme"
	"waybill/jobs/script"
)

// The one door for checks: pages, REST and import call these before they store something. Each cleans what was typed
// and answers with the Invalid fault, or nil.

// CheckConnection cleans and checks a connection.
func (s *Service) CheckConnection(c *model.Connection) error {
	c.Clean()
	var bad fault.Check
	if t, _ := connector.ByType(c.Type); c.BaseURL == "" && t.BaseURL != nil {
		c.BaseURL = t.BaseURL(c.Settings.Clean(t.Fields))
	}
	bad.Join("", c.Check())
	if _, ok := connector.ByType(c.Type); !ok {
		bad.Add("type", "%s", unknownType())
	}
	if c.CA != "" && len(c.CA) <= model.MaxCA {
		if w := scheme.CheckCA(c.CA); w != "" {
			bad.Add("ca", "%s", w)
		}
	}
	snap, err := s.routing.current(context.Background())
	if err != nil {
		return err
	}
	if f := model.FeatureOf(c.Type); c.ID == "" && !snap.Features.Has(f) {
		bad.Add("type", "%s", f.OffWords())
	}
	bad.Join("", connector.Check(c, snap.Credentials[c.CredentialID].Type))
	return bad.Err()
}

func unknownType() *fault.Words {
	var known []string
	for _, k := range connector.Types() {
		known = append(known, string(k.Type))
	}
	return fault.Say("One of %s.", strings.Join(known, ", "))
}

// Warnings are what will be refused when something is sent; a connection is stored all the same.
func (s *Service) Warnings(c model.Connection) []*fault.Words {
	r := s.Refusal(context.Background(), c)
	switch {
	case r.Why == nil:
		return nil
	case len(r.Of) > 0:
		return []*fault.Words{r.Why, fault.Say("This holds for %s; its other destinations may be called.", strings.Join(r.Of, ", "))}
	}
	return []*fault.Words{r.Why}
}

// CheckDestination cleans and checks a destination, its settings, its templates and its headers.
func (s *Service) CheckDestination(d *model.Destination) error {
	snap, err := s.routing.current(context.Background())
	if err != nil {
		return err
	}
	c := snap.Connections[d.ConnectionID] // that it does not exist is the store's word
	d.Clean()
	var bad fault.Check
	bad.Join("", d.Check())
	bad.Join("", connector.CheckDestination(c, d))
	if f := model.FeatureOf(c.Type); d.ID == "" && !snap.Features.Has(f) {
		bad.Add("connection_id", "%s", f.OffWords())
	}
	if w := connector.CheckPath(d.Path); w != "" {
		bad.Add("path", "%s", w)
	}
	checkHeaders(&bad, d.Headers)
	if len(d.Template) <= model.MaxTemplate {
		for _, p := range s.checkParts(append(settingParts(c, *d), deliver.Parts(*d)...)) {
			bad.Add(p.Part, "%s", placed(p))
		}
	}
	return bad.Err()
}

// checkHeaders complains about names that no header of ours can have, and about values; those with tags are checked again when they
// are rendered.
func checkHeaders(bad *fault.Check, headers []model.Header) {
	for i, h := range headers {
		at := "headers[" + strconv.Itoa(i) + "]."
		if w := connector.CheckHeader(h.Name, ""); w != nil {
			bad.Add(at+"name", "%s", w)
		} else if w := connector.CheckHeader(h.Name, h.Value); w != nil && script.Plain(h.Value) {
			bad.Add(at+"value", "%s", w)
		}
	}
}

// settingParts are the settings of a destination that hold tags.
func settingParts(c model.Connection, d model.Destination) []script.Part {
	t, _ := connector.ByType(c.Type)
	var out []script.Part
	for _, f := range t.DestinationFields(c) {
		if text := d.Settings.Text(f.Name); f.Tags && !script.Plain(text) {
			out = append(out, script.Part{Name: "settings." + f.Name, Place: script.Text, Source: text})
		}
	}
	return out
}

// checkParts compiles the templated parts in a worker. Without one (it cannot be started) what needs no worker is checked.
func (s *Service) checkParts(parts []script.Part) []script.Problem {
	if len(parts) == 0 {
		return nil
	}
	problems, err := s.pool.Check(context.Background(), parts)
	if err == nil {
		return problems
	}
	var lost *script.Lost
	if errors.As(err, &lost) {
		return []script.Problem{{Part: "template", Message: lost.Message, Bound: lost.Bound}}
	}
	s.o.Log.Warn("templates are checked without a worker", "error", err)
	return script.Check(parts)
}

// CheckAction cleans and checks an action and its filter. A destination that is off cannot be picked; an action whose
// destination was switched off later keeps it.
func (s *Service) CheckAction(a *model.Action) error {
	a.Clean()
	var bad fault.Check
	bad.Join("", a.Check())
	if a.Filter != "" {
		if _, p := filter.Compile(a.Filter); p != nil {
			bad.Add("filter", "Line %d, column %d: %s", p.Line, p.Column, p.Words)
		}
	}
	snap, err := s.routing.current(context.Background())
	if err != nil {
		return err
	}
	_, exists := snap.Destinations[a.DestinationID] // that it does not is the store's word
	if was := snap.rules[a.ID]; exists && (was == nil || was.action.DestinationID != a.DestinationID) {
		if off := snap.offWords(a.DestinationID); off != nil {
			bad.Add("destination_id", "%s Only destinations that are on can be picked.", off)
		}
	}
	return bad.Err()
}

// CheckCredential cleans and checks a credential. secrets are those that were typed; those in c.Stored are kept.
func (s *Service) CheckCredential(c *model.Credential, secrets model.Secrets) error {
	c.Clean()
	c.Config = scheme.Clean(c.Type, c.Config)
	if end, known := scheme.Ends(c.Type, c.Config, secrets); known {
		c.EndsAt = end
	}
	kept := slices.DeleteFunc(slices.Clone(c.Stored), func(name string) bool { return slices.Contains(c.Drop, name) })
	var bad fault.Check
	bad.Join("", c.Check())
	bad.Join("", scheme.Check(c.Type, c.Config, secrets, kept))
	return bad.Err()
}
