package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/model"
)

// historyCmd fills the folder of a stopped server with a past: what `waybill bench stored` measures beside an empty one.
// Its rows are written by the functions that the server writes with.
type historyCmd struct {
	Events int  `arg:"" help:"How many delivered events of the last twenty days."`
	Hour   bool `help:"All of them accepted and settled within one hour, the one before the last."`
}

// historyGroup is how many events one commit stores.
const historyGroup = 5000

func (c historyCmd) Run(sc *storeConfig, io streams) error {
	lock, err := lockFolder(sc.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	now, span := time.Now, 20*24*time.Hour
	if c.Hour { // the clock of these rows stands back until that hour was young
		back := time.Since(time.Now().UTC().Truncate(time.Hour)) + time.Hour + 55*time.Minute
		now, span = func() time.Time { return time.Now().Add(-back) }, time.Minute
	}
	return withStoreAt(now, sc, false, func(ctx context.Context, store *db.Store) error {
		destinations, _, err := store.Destinations(ctx, "", db.Page{Limit: db.MaxPage})
		if err != nil {
			return err
		}
		if len(destinations) == 0 {
			return errors.New("there is no destination that a past could belong to")
		}
		p := past{store: store, destinations: destinations, node: model.NewNodeID(now()), begin: now().Add(-span), span: span, total: c.Events}
		for done := 0; done < c.Events; done += historyGroup {
			if err := p.add(ctx, done, min(done+historyGroup, c.Events)); err != nil {
				return err
			}
			if done%(20*historyGroup) == 0 && done > 0 {
				fmt.Fprintf(io.err, "%d of %d\n", done, c.Events)
			}
		}
		return nil
	})
}

type past struct {
	store        *db.Store
	destinations []model.Destination
	node         model.NodeID
	begin        time.Time
	span         time.Duration // over which the events came
	total        int
}

// add stores the events from up to to and what became of them: one in fifty failed for good.
func (p *past) add(ctx context.Context, from, to int) error {
	pubs := make([]db.Publication, 0, to-from)
	work := make([]model.Work, 0, to-from)
	for i := from; i < to; i++ {
		at := p.begin.Add(time.Duration(float64(p.span) * float64(i) / float64(p.total)))
		to := p.destinations[i%len(p.destinations)]
		e := model.Event{ID: model.NewEventID(at), Name: fmt.Sprintf("history.%d", i%7), Subject: fmt.Sprintf("order-%d", i), Time: at, CreatedAt: at,
			Data: fmt.Appendf(nil, `{"order":"A-%d","currency":"EUR","total":129.5,"note":%q}`, i, strings.Repeat("Ring twice, please. ", 10))}
		d := model.Delivery{ID: model.NewDeliveryID(at), EventID: e.ID, TargetID: model.TargetID(to.ID), DestinationID: to.ID, Lane: model.Realtime,
			Status: model.Pending, NextAttemptAt: at, CreatedAt: at, Version: 1}
		pubs = append(pubs, db.Publication{Event: e, Deliveries: []model.Delivery{d}, Owners: []model.NodeID{p.node}})
		work = append(work, model.Work{Delivery: d, Event: e})
	}
	for {
		version, err := p.store.Version(ctx)
		if err != nil {
			return err
		}
		if _, err := p.store.Publish(ctx, version, pubs); !errors.Is(err, db.ErrStale) {
			if err != nil {
				return err
			}
			break
		}
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(work))
	for i, w := range work {
		wg.Add(1)
		p.store.Finish(p.node, &model.Ending{Work: w, Outcome: outcome(w, (from+i)%50 == 0)}, nil, func(err error) { errs <- err; wg.Done() })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func outcome(w model.Work, failed bool) model.Outcome {
	at := w.Delivery.CreatedAt
	headers := []model.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "User-Agent", Value: "Waybill"}, {Name: "Webhook-Id", Value: string(w.Delivery.ID)}}
	a := &model.Attempt{ID: model.NewAttemptID(at), DeliveryID: w.Delivery.ID, Number: 1, StartedAt: at, Method: "POST", URL: "http://127.0.0.1:8080/hook", StatusCode: 204,
		Request: model.Message{Headers: headers, Body: w.Event.Data, Size: int64(len(w.Event.Data))}, Response: model.Message{Headers: headers[:1]}}
	if !failed {
		return model.Outcome{Attempt: a, Status: model.Delivered, BodyIsData: true}
	}
	a.StatusCode, a.Class, a.Error = 410, model.ClassStatus, "The receiver answered 410 Gone."
	return model.Outcome{Attempt: a, Status: model.Failed, BodyIsData: true, Error: a.Error}
}
