package jobs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"waybill/db"
	"waybill/db/dbtest"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/s3/s3test"
)

// bucketed is a connection to a store of objects.
func (d *desk) bucketed(s *s3test.Server) model.Connection {
	key := model.Credential{Name: "Bucket key", Type: "aws_sigv4", Config: model.Config{"access_key_id": s3test.KeyID, "service": "s3", "region": s3test.Region}}
	c := model.Connection{Name: "Archive", Type: model.ConnectionS3, BaseURL: s.URL, Enabled: true, TimeoutSeconds: 5, Settings: model.Config{"bucket": s3test.Bucket, "prefix": "wb/"}}
	d.write(func(tx *db.Tx) error {
		if err := tx.CreateCredential(&key, model.Secrets{"secret_access_key": s3test.Secret}); err != nil {
			return err
		}
		c.CredentialID = key.ID
		c.Clean()
		return tx.CreateConnection(&c)
	})
	return c
}

func (d *desk) save(name, text string) model.FileID {
	d.Helper()
	f, err := d.SaveFile(context.Background(), dbtest.Admin(), name, "text/plain", strings.NewReader(text))
	if err != nil {
		d.Fatal(err)
	}
	return f.ID
}

func (d *desk) read(id model.FileID) string {
	d.Helper()
	r, err := d.OpenFile(context.Background(), id)
	if err != nil {
		d.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		d.Fatal(err)
	}
	return string(b)
}

// local are the files in the data folder.
func (d *desk) local() (out []string) {
	_ = filepath.WalkDir(filepath.Join(d.store.Dir(), "uploads"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return nil
	})
	return out
}

func (d *desk) uploads(change func(*model.UploadSettings)) error {
	d.Helper()
	n, err := d.store.UploadSettings(context.Background())
	if err != nil {
		d.Fatal(err)
	}
	change(&n)
	return d.UpdateUploads(context.Background(), dbtest.Admin(), n)
}

// Files follow to the bucket and back, over faults of the store, and are in one place all the time.
func TestFilesMove(t *testing.T) {
	d, s, ctx := newDesk(t), s3test.New(t), context.Background()
	c := d.bucketed(s)
	var ids []model.FileID
	for i := range 25 {
		ids = append(ids, d.save(fmt.Sprintf("%d.txt", i), fmt.Sprintf("file %d of many", i/2))) // every second one has a twin
	}
	lost := d.save("lost.txt", "lost")
	f, err := d.store.File(ctx, lost)
	if err == nil {
		err = os.Remove((folder{filepath.Join(d.store.Dir(), "uploads")}).path(f.Hash))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Break(func(*http.Request) s3test.Fault { return s3test.Fault{Status: 403, Code: "AccessDenied"} })
	if err := d.uploads(func(n *model.UploadSettings) { n.ConnectionID = c.ID }); !fault.Is(err, fault.Invalid) {
		t.Errorf("a bucket that takes nothing was accepted: %v", err)
	}
	s.Break(nil)
	var n atomic.Int64
	if err := d.uploads(func(n *model.UploadSettings) { n.ConnectionID, n.Moving = c.ID, true }); err != nil {
		t.Fatal(err)
	}
	s.Break(func(r *http.Request) s3test.Fault { // some answers get lost, some requests are refused for a moment
		switch n.Add(1) % 7 {
		case 3:
			return s3test.Fault{Cut: -1}
		case 5:
			return s3test.Fault{Status: 503, Code: "SlowDown"}
		}
		return s3test.Fault{}
	})
	settled := func(want func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !want(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it does not end: %+v, %d local, %d objects", d.FileMove(), len(d.local()), len(s.Objects()))
			}
			d.mover.poke() // instead of the wait after a failure
		}
	}
	moving := func() bool { n, err := d.store.UploadSettings(ctx); return err != nil || n.Moving }
	settled(func() bool { return !moving() })
	s.Break(nil)
	if left := d.local(); len(left) != 0 || len(s.Objects()) != 13 || d.FileMove().Missing != 1 {
		t.Errorf("left: %q; %d objects; %+v", left, len(s.Objects()), d.FileMove())
	}
	for i, id := range ids {
		if got := d.read(id); got != fmt.Sprintf("file %d of many", i/2) {
			t.Errorf("%d: %q", i, got)
		}
	}

	// New ones go there at once; a download gets a link that works without a key, or goes through Waybill.
	fresh := d.save("fresh, ü.txt", "fresh")
	if f, err = d.store.File(ctx, fresh); err != nil || f.ConnectionID != c.ID || !strings.HasPrefix(f.Key, "wb/files/") {
		t.Fatalf("%+v, %v", f, err)
	}
	link, err := d.FileLink(ctx, f, `attachment; filename="x.txt"`)
	if err != nil || !strings.Contains(link, "X-Amz-Expires=300") {
		t.Fatalf("link %q, %v", link, err)
	}
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || string(body) != "fresh" || resp.Header.Get("Content-Disposition") != `attachment; filename="x.txt"` {
		t.Errorf("the link gave %d %q %v", resp.StatusCode, body, resp.Header)
	}
	if err := d.uploads(func(n *model.UploadSettings) { n.Proxied = true }); err != nil {
		t.Fatal(err)
	}
	if link, err = d.FileLink(ctx, f, ""); link != "" || err != nil {
		t.Errorf("proxied: %q, %v", link, err)
	}

	// While the store does not answer, whoever gives a file hears that, and the connection cannot go.
	s.Break(func(*http.Request) s3test.Fault { return s3test.Fault{Status: 403, Code: "AccessDenied"} })
	if _, err := d.SaveFile(ctx, dbtest.Admin(), "no", "text/plain", strings.NewReader("no")); !fault.Is(err, fault.Unavailable) || strings.Contains(fault.Of(err).Message, s3test.KeyID) {
		t.Errorf("the store refuses: %v", err)
	}
	s.Break(nil)
	err = d.store.Write(ctx, dbtest.Admin(), func(tx *db.Tx) error { return tx.DeleteConnection(c.ID, true) })
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "14 files") {
		t.Errorf("deleting what holds files: %v", err)
	}

	// And back. What nobody has any more goes where it is.
	if err := d.uploads(func(n *model.UploadSettings) { n.ConnectionID, n.Moving = "", true }); err != nil {
		t.Fatal(err)
	}
	settled(func() bool { return !moving() })
	if len(s.Objects()) != 0 || len(d.local()) != 14 || d.read(fresh) != "fresh" || d.read(ids[3]) != "file 1 of many" {
		t.Errorf("%d objects, %d local", len(s.Objects()), len(d.local()))
	}
	d.write(func(tx *db.Tx) error { return tx.DeleteConnection(c.ID, false) })
}

// A bucket works: what the test of its connection does, and the hour that is written as soon as it is asked for.
func TestBucketsInService(t *testing.T) {
	d, s, ctx := newDesk(t), s3test.New(t), context.Background()
	c := d.bucketed(s)
	steps, err := d.TestConnection(ctx, c.ID)
	if err != nil || len(steps) != 3 || steps[2].Attempt.Verdict != model.Delivered || len(s.Objects()) != 0 || len(s.Requests()) != 3 {
		t.Errorf("the test of the connection: %+v, %v; left: %v", steps, err, s.Objects())
	}
	c.Settings["region"] = "us-east-1"
	d.write(func(tx *db.Tx) error { return tx.UpdateConnection(&c) })
	if steps, err = d.TestConnection(ctx, c.ID); err != nil || len(steps) != 1 || !strings.Contains(steps[0].Attempt.Error, "is in the region eu-west-1") {
		t.Errorf("wrong region: %+v, %v", steps, err)
	}
	c.Settings["region"] = s3test.Region
	d.write(func(tx *db.Tx) error { return tx.UpdateConnection(&c) })
	n := model.DefaultExport()
	n.Enabled, n.ConnectionID, n.Pattern = true, c.ID, "no tags"
	if err := d.UpdateExport(ctx, dbtest.Admin(), n); !fault.Is(err, fault.Invalid) {
		t.Errorf("a pattern without tags: %v", err)
	}
	n.Pattern = ""
	n.ConnectionID = d.conn.ID
	if err := d.UpdateExport(ctx, dbtest.Admin(), n); !fault.Is(err, fault.Invalid) {
		t.Errorf("a connection that is no bucket: %v", err)
	}
	n.ConnectionID = c.ID
	if err := d.UpdateExport(ctx, dbtest.Admin(), n); err != nil {
		t.Fatal(err)
	}
	if _, err := d.StartBackfill(ctx, dbtest.Admin(), time.Now(), time.Now(), false); !fault.Is(err, fault.Invalid) {
		t.Errorf("a range without an hour: %v", err)
	}
	b, err := d.StartBackfill(ctx, dbtest.Admin(), time.Now().Add(-5*time.Hour), time.Now(), false)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); b.FinishedAt.IsZero(); time.Sleep(20 * time.Millisecond) {
		if b, err = d.store.Backfill(ctx, b.ID); err != nil || time.Now().After(end) {
			t.Fatalf("%+v, %v", b, err)
		}
	}
	if b.Written != b.Hours || b.Hours < 4 || len(s.Objects()) != 3*b.Hours {
		t.Errorf("%+v; %d objects", b, len(s.Objects()))
	}
	err = d.store.Write(ctx, dbtest.Admin(), func(tx *db.Tx) error { return tx.DeleteConnection(c.ID, false) })
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "Hourly export") {
		t.Errorf("deleting what is written to: %v", err)
	}
	d.write(func(tx *db.Tx) error { return tx.DeleteConnection(c.ID, true) })
	if n, err = d.store.ExportSettings(ctx); err != nil || n.Enabled || n.ConnectionID != "" {
		t.Errorf("%+v, %v", n, err)
	}
}
