package jobs

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
)

// A file that nobody sent goes after two days, its bytes with the last file that has them.
func TestFilesGo(t *testing.T) {
	d, ctx := newDesk(t), context.Background()
	save := func(name, text string) model.FileID {
		t.Helper()
		f, err := d.SaveFile(ctx, dbtest.Admin(), name, "text/plain", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return f.ID
	}
	open := func(id model.FileID) string {
		r, err := d.OpenFile(ctx, id)
		if fault.Is(err, fault.NotFound) {
			return "gone"
		}
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	old, twin, single := save("old.txt", "same"), save("twin.txt", "same"), save("single.txt", "single")
	dbtest.Write(t, d.store, func(tx *db.Tx) error { return tx.AttachFile(twin, "run_1") })
	if err := d.dropFiles(ctx); err != nil || open(old) != "same" {
		t.Fatalf("at once: %q, %v", open(old), err)
	}
	d.ahead.Store(int64(fileGone - time.Hour))
	if err := d.dropFiles(ctx); err != nil || open(single) != "single" {
		t.Fatalf("before its time: %q, %v", open(single), err)
	}
	alone, err := d.store.File(ctx, single)
	if err != nil {
		t.Fatal(err)
	}
	d.ahead.Store(int64(fileGone + time.Hour))
	if err := d.dropFiles(ctx); err != nil {
		t.Fatal(err)
	}
	if open(old) != "gone" || open(single) != "gone" || open(twin) != "same" {
		t.Errorf("%q, %q, %q", open(old), open(single), open(twin))
	}
	if r, err := (folder{filepath.Join(d.store.Dir(), "uploads")}).Open(ctx, alone.Hash); !fault.Is(err, fault.NotFound) {
		t.Errorf("the bytes are still there: %v, %v", r, err)
	}
}
