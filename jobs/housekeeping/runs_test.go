package housekeeping

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
)

// Runs that ended lose their data with the bodies, then go with their tasks, and their files belong to nothing; runs that go
// on stay as they are, and so does one with a message that is not settled.
func TestRunsByAge(t *testing.T) {
	h := newHouse(t, model.Storage{})
	var dropped int
	h.o.DropFiles = func(ctx context.Context) error {
		list, err := h.store.LooseFiles(ctx, h.o.Now())
		dropped = len(list)
		return err
	}
	w := dbtest.Purchase(t)
	runs := map[string]*model.Run{"ended": {Status: model.RunCompleted}, "going": {Status: model.RunWaiting}, "sending": {Status: model.RunCompleted}}
	file := db.File{FileValue: model.FileValue{ID: model.NewFileID(time.Now()), Name: "a.pdf", Size: 3}, Hash: "ab"}
	dbtest.Write(t, h.store, func(tx *db.Tx) error {
		if err := tx.CreateWorkflow(&w, dbtest.Signing); err != nil {
			return err
		}
		if _, err := tx.PublishWorkflow(w.ID, 0, "", "ada@example.com"); err != nil {
			return err
		}
		if err := tx.InsertFile(&file); err != nil {
			return err
		}
		for _, r := range runs {
			r.ID, r.WorkflowID, r.Definition, r.Lane, r.Trigger, r.Data = model.NewRunID(tx.Now()), w.ID, 1, model.Realtime, model.TriggerManual, json.RawMessage(`{"a":1}`)
			if r.Status == model.RunCompleted {
				r.EndedAt = tx.Now()
			}
			if err := tx.InsertRun(r); err != nil {
				return err
			}
			task := model.Task{RunID: r.ID, WorkflowID: w.ID, StepRunID: model.NewStepRunID(tx.Now()), Step: "ask", StepName: "Ask", Kind: model.StepTask}
			if err := tx.InsertTask(&task); err != nil {
				return err
			}
		}
		if err := tx.AttachFile(file.ID, runs["ended"].ID); err != nil {
			return err
		}
		d := model.Delivery{ID: model.NewDeliveryID(tx.Now()), TargetID: model.StepTarget(w.ID, "ask", ""), RunID: runs["sending"].ID, Step: "ask", Lane: model.Realtime,
			Status: model.Pending, NextAttemptAt: tx.Now(), CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
		_, err := tx.InsertDeliveries([]model.Work{{Delivery: d}}, nil)
		return err
	})
	want := func(when, ended, others string, files int) {
		t.Helper()
		h.pass()
		for name, r := range runs {
			got, err := h.store.Run(context.Background(), r.ID)
			is := "row"
			switch {
			case fault.Is(err, fault.NotFound):
				is = ""
			case err != nil:
				t.Fatal(err)
			case got.Data != nil:
				is = "row data"
			}
			tasks, _, err := h.store.Tasks(context.Background(), db.TaskFilter{RunID: r.ID}, db.Page{})
			if err != nil {
				t.Fatal(err)
			}
			if len(tasks) > 0 {
				is += " task"
			}
			if should := map[bool]string{true: ended, false: others}[name == "ended"]; is != should {
				t.Errorf("%s: the run %q is %q, want %q", when, name, is, should)
			}
		}
		if dropped != files {
			t.Errorf("%s: %d files belong to nothing, want %d", when, dropped, files)
		}
	}
	want("at once", "row data task", "row data task", 0)
	h.ahead = 8 * 24 * time.Hour
	want("after 8 days", "row task", "row data task", 0)
	h.ahead = 31 * 24 * time.Hour
	want("after 31 days", "", "row data task", 1)
}
