package db_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/model"
)

// BenchmarkPublishAndFinish is the store's part of one event with one delivery: accepted by one commit, finished by
// another, in groups that 64 callers make.
func BenchmarkPublishAndFinish(b *testing.B) {
	s := dbtest.Open(b)
	version, err := s.Version(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	node := model.NewNodeID(time.Now())
	data := []byte(fmt.Sprintf(`{"note":%q}`, strings.Repeat("x", 1000)))
	headers := []model.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "User-Agent", Value: "Waybill"}, {Name: "Webhook-Id", Value: "dlv_00000000000000000000000000"}}
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			now := time.Now()
			e := model.Event{ID: model.NewEventID(now), Name: "order.created", Time: now, CreatedAt: now, Data: data}
			e.Met = []model.Met{{Action: model.NewActionID(now), Name: "Send orders", Result: model.MetSent}}
			d := model.Delivery{ID: model.NewDeliveryID(now), EventID: e.ID, TargetID: "dst_00000000000000000000000000", DestinationID: "dst_00000000000000000000000000",
				Lane: model.Realtime, Status: model.Pending, NextAttemptAt: now, CreatedAt: now, Version: 1}
			if _, err := s.Publish(context.Background(), version, []db.Publication{{Event: e, Deliveries: []model.Delivery{d}, Owners: []model.NodeID{node}}}); err != nil {
				b.Error(err)
				return
			}
			a := &model.Attempt{ID: model.NewAttemptID(now), DeliveryID: d.ID, Number: 1, StartedAt: now, Method: "POST", URL: "http://127.0.0.1:8080/hook", StatusCode: 204,
				Request: model.Message{Headers: headers, Body: data, Size: int64(len(data))}, Response: model.Message{Headers: headers[:1]}}
			done := make(chan error, 1)
			s.Finish(node, &model.Ending{Work: model.Work{Delivery: d}, Outcome: model.Outcome{Attempt: a, Status: model.Delivered, BodyIsData: true}}, nil, func(err error) { done <- err })
			if err := <-done; err != nil {
				b.Error(err)
				return
			}
		}
	})
}
