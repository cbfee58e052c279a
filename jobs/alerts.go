package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// EventAlert is the name of the events that alert rules send to their destinations. Such an event goes nowhere else: no action
// picks it, so an alert cannot cause another one on its way.
const EventAlert = "waybill.alert"

// judgeEvery is how often rules are looked at.
const judgeEvery = 30 * time.Second

// mostTold is how many findings one message names; the rest is counted.
const mostTold = 20

// work is what goes on in the background and may fail, by name.
type work struct {
	mu      sync.Mutex
	failing map[string]Failing
}

// Failing is background work that does not get on.
type Failing struct {
	Since time.Time
	Last  string // in words
}

// Job notes how background work of that name went; rules of the kind job_failing hear of it when it fails for long.
func (s *Service) Job(name string, err error) {
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	if err == nil {
		delete(s.work.failing, name)
		return
	}
	if s.work.failing == nil {
		s.work.failing = map[string]Failing{}
	}
	f, known := s.work.failing[name]
	if f.Last = err.Error(); !known {
		f.Since = s.o.Now()
	}
	s.work.failing[name] = f
}

// failing is what does not get on now.
func (s *Service) failing() map[string]Failing {
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	return maps.Clone(s.work.failing)
}

// CheckAlertRule cleans and checks a rule; that it tells nobody is a complaint, too.
func (s *Service) CheckAlertRule(ctx context.Context, r *model.AlertRule) error {
	r.Clean()
	var bad fault.Check
	bad.Join("", r.Check())
	if len(r.Emails) == 0 && r.DestinationID == "" {
		bad.Add("emails", "Say who is told: an email address, a destination, or both.")
	}
	if len(r.Emails) > 0 {
		m, err := s.o.Store.Mail(ctx)
		if err != nil {
			return err
		}
		if m.Host == "" {
			bad.Add("emails", "No mail server is set yet: see Settings, Mail.")
		}
	}
	if r.Scope != "" {
		if err := s.checkScope(ctx, *r, &bad); err != nil {
			return err
		}
	}
	if r.DestinationID != "" && r.Scope == string(r.DestinationID) {
		bad.Add("destination_id", "What goes wrong at a destination cannot be told to itself.")
	}
	return bad.Err()
}

func (s *Service) checkScope(ctx context.Context, r model.AlertRule, bad *fault.Check) error {
	t, _ := model.AlertTypeOf(r.Kind)
	var err error
	switch t.Scope {
	case "destination":
		_, err = s.o.Store.Destination(ctx, model.DestID(r.Scope))
	case "endpoint":
		_, err = s.o.Store.InboundEndpoint(ctx, model.InboundID(r.Scope))
	}
	if fault.Is(err, fault.NotFound) {
		bad.Add("scope", "There is no such %s.", fault.Noun(t.Scope))
		return nil
	}
	return err
}

// judge looks at every rule and tells what began and what is over, in one write a rule: what is told is told once.
func (s *Service) judge(ctx context.Context, now time.Time) error {
	rules, err := s.o.Store.EveryAlertRule(ctx)
	if err != nil || len(rules) == 0 {
		return err
	}
	open, err := s.o.Store.OpenAlerts(ctx)
	if err != nil {
		return err
	}
	w, err := s.watched(ctx, now)
	if err != nil {
		return err
	}
	for _, r := range rules {
		mine := slices.DeleteFunc(slices.Clone(open), func(a model.Alert) bool { return a.RuleID != r.ID })
		var found []model.Finding
		if r.Enabled {
			if found, err = w.find(ctx, r); err != nil {
				return err
			}
		}
		if err := s.conclude(ctx, r, mine, found, now); err != nil {
			return err
		}
	}
	return nil
}

// conclude stores what a rule says now and queues its message, if there is one.
func (s *Service) conclude(ctx context.Context, r model.AlertRule, open []model.Alert, found []model.Finding, now time.Time) error {
	found = found[:min(len(found), maxFound)]
	begun, on, over := model.JudgeAlerts(open, found, now)
	if !r.Enabled {
		over = open
	}
	quiet := !r.Enabled || now.Before(r.SnoozedUntil)
	untold := slices.DeleteFunc(slices.Clone(on), func(a model.Alert) bool { return !a.ToldAt.IsZero() })
	known := slices.DeleteFunc(slices.Clone(over), func(a model.Alert) bool { return a.ToldAt.IsZero() })
	if len(begun)+len(on)+len(over) == 0 {
		return nil
	}
	return s.o.Store.Write(ctx, model.System("alerts"), func(tx *db.Tx) error {
		fresh, err := tx.BeginAlerts(r, begun)
		if err != nil {
			return err
		}
		if err := tx.SeeAlerts(on); err != nil {
			return err
		}
		if err := tx.EndAlerts(over, !quiet); err != nil || quiet {
			return err
		}
		tell := append(fresh, untold...)
		if len(tell)+len(known) == 0 {
			return nil
		}
		if err := tx.TellAlerts(slices.DeleteFunc(slices.Clone(tell), func(a model.Alert) bool { return !r.Tells(a) })); err != nil {
			return err
		}
		return s.tell(tx, r, alarm{rule: r, begun: tell, over: known, at: now})
	})
}

// maxFound is how many things one rule may have open.
const maxFound = 100

// alarm is what a rule tells at once.
type alarm struct {
	rule        model.AlertRule
	begun, over []model.Alert
	test        bool
	at          time.Time
}

// TestAlertRule sends a sample to where a rule's messages go.
func (s *Service) TestAlertRule(ctx context.Context, actor model.Actor, id model.AlertRuleID) error {
	r, err := s.o.Store.AlertRule(ctx, id)
	if err != nil {
		return err
	}
	now := s.o.Now()
	sample := model.Alert{ID: model.NewAlertID(now), About: "test", Title: "This is a test", Detail: "Nothing is wrong. Messages of the rule “" + r.Name + "” arrive here.", CreatedAt: now}
	return s.o.Store.Write(ctx, actor, func(tx *db.Tx) error {
		return s.tell(tx, r, alarm{rule: r, begun: []model.Alert{sample}, test: true, at: now})
	})
}

// tell queues a message: as letters, and as an event that goes to the rule's destination and nowhere else.
func (s *Service) tell(tx *db.Tx, r model.AlertRule, m alarm) error {
	for _, to := range r.Emails {
		if letters := m.but(model.AboutMail); len(letters.begun)+len(letters.over) > 0 {
			if err := tx.QueueMail(to, letters.subject(), "alert", model.Secret(letters.text(s.o.BaseURL))); err != nil {
				return err
			}
			tx.After(s.mail.poke)
		}
	}
	if r.DestinationID == "" {
		return nil
	}
	if m = m.but(model.AboutDestination(r.DestinationID)); len(m.begun)+len(m.over) == 0 {
		return nil
	}
	snap, err := s.routing.within(tx)
	if err != nil {
		return err
	}
	if _, there := snap.Destinations[r.DestinationID]; !there {
		return nil
	}
	data, err := json.Marshal(m.data(s.o.BaseURL))
	if err != nil {
		return err
	}
	now := tx.Now()
	p := db.Publication{Event: model.Event{ID: model.NewEventID(now), Name: EventAlert, Subject: r.Name, Time: now, Data: data, CreatedAt: now, Depth: 1}}
	p.Deliveries = []model.Delivery{s.newDelivery(snap, model.Action{DestinationID: r.DestinationID}, p.Event, now)}
	pubs := []db.Publication{p}
	out, err := tx.Publish(pubs)
	if err != nil {
		return err
	}
	tx.After(func() { s.stored(pubs, out) })
	return nil
}

// but is the message without what concerns one thing.
func (m alarm) but(about string) alarm {
	out := m
	is := func(a model.Alert) bool { return a.About == about }
	out.begun, out.over = slices.DeleteFunc(slices.Clone(m.begun), is), slices.DeleteFunc(slices.Clone(m.over), is)
	return out
}

func (m alarm) subject() string {
	switch {
	case m.test:
		return "Waybill: a test of “" + m.rule.Name + "”"
	case len(m.begun) == 1:
		return "Waybill: " + m.begun[0].Title
	case len(m.begun) > 1:
		return fmt.Sprintf("Waybill: %s (%d)", m.rule.Name, len(m.begun))
	case len(m.over) == 1:
		return "Waybill: over: " + m.over[0].Title
	}
	return fmt.Sprintf("Waybill: over: %s (%d)", m.rule.Name, len(m.over))
}

// text is the message for people, in lines.
func (m alarm) text(base string) string {
	var b strings.Builder
	section := func(head string, list []model.Alert, detail bool) {
		if len(list) == 0 {
			return
		}
		b.WriteString(head + "\n")
		for i, a := range list {
			if i == mostTold {
				fmt.Fprintf(&b, "- and %d more\n", len(list)-i)
				break
			}
			b.WriteString("- " + a.Title + "\n")
			if detail && a.Detail != "" {
				b.WriteString("  " + a.Detail + "\n")
			}
			if a.URL != "" {
				b.WriteString("  " + base + a.URL + "\n")
			}
		}
		b.WriteString("\n")
	}
	section("Needs attention:", m.begun, true)
	section("Over:", m.over, false)
	b.WriteString("Rule: " + m.rule.Name + "\n" + base + "/settings/alerts\n")
	return b.String()
}

// data is the message as the data of an event. text suits chats.
func (m alarm) data(base string) map[string]any {
	items := func(list []model.Alert) []map[string]any {
		out := []map[string]any{}
		for _, a := range list[:min(len(list), mostTold)] {
			url := ""
			if a.URL != "" {
				url = base + a.URL
			}
			out = append(out, map[string]any{"id": a.ID, "about": a.About, "title": a.Title, "detail": a.Detail, "url": url, "since": model.Stamp(a.CreatedAt)})
		}
		return out
	}
	return map[string]any{"rule": map[string]any{"id": m.rule.ID, "name": m.rule.Name, "kind": m.rule.Kind}, "test": m.test,
		"firing": items(m.begun), "firing_count": len(m.begun), "resolved": items(m.over), "resolved_count": len(m.over),
		"title": strings.TrimPrefix(m.subject(), "Waybill: "), "text": m.text(base)}
}
