package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"waybill/jobs/s3/s3test"
)

// bucket makes a connection to a store that checks signatures, and gives its id.
func (p *program) bucket(x *s3test.Server) string {
	p.t.Helper()
	key := p.must(201, "POST", "credentials", map[string]any{"name": "Bucket key", "type": "aws_sigv4", "config": map[string]any{"access_key_id": s3test.KeyID, "secret_access_key": s3test.Secret, "service": "s3", "region": s3test.Region}}).str("id")
	return p.must(201, "POST", "connections", map[string]any{"name": "Archive", "type": "s3", "base_url": x.URL, "credential_id": key, "settings": map[string]any{"bucket": s3test.Bucket, "prefix": "wb/"}}).str("id")
}

// killedAt kills the program with signal 9 while the n-th request from now that fits waits for its answer; do begins the work.
// done: the store carries the request out before, so that only the answer is lost.
func (p *program) killedAt(x *s3test.Server, fits func(*http.Request) bool, n int32, done bool, do func()) {
	p.t.Helper()
	var came atomic.Int32
	open, reached := make(chan struct{}), make(chan struct{})
	x.Break(func(r *http.Request) s3test.Fault {
		if !fits(r) || came.Add(1) != n {
			return s3test.Fault{}
		}
		close(reached)
		if done {
			return s3test.Fault{Cut: -1, Hang: open}
		}
		return s3test.Fault{Wait: open, Cut: 100}
	})
	do()
	select {
	case <-reached:
	case <-time.After(patience):
		p.t.Fatalf("request %d never came: %v", n, x.Requests())
	}
	p.kill()
	close(open)
	x.Break(nil)
}

// TestBucketKilled kills the program with signal 9 while it writes an hour, at each of its objects and at the manifest, before
// and after the store has taken it, and while it moves files. In the end there is one whole object each.
func TestBucketKilled(t *testing.T) {
	t.Parallel()
	x := s3test.New(t)
	p := newProgram(t, "")
	p.start()
	p.route("http://receiver.waybill.internal", "order.created", nil, nil)
	bucket := p.bucket(x)
	p.must(200, "PUT", "settings/export", map[string]any{"connection_id": bucket, "datasets": []string{"events", "deliveries", "attempts"}})
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	const many = 1500
	p.command("", "history", fmt.Sprint(many), "--hour")
	p.start()

	hour, err := time.Parse(time.RFC3339, p.must(200, "GET", "deliveries?limit=1", nil).items()[0]["created_at"].(string))
	if err != nil {
		t.Fatal(err)
	}
	hour = hour.Truncate(time.Hour)
	begin := func() {
		p.must(201, "POST", "backfills", map[string]any{"from": hour, "to": hour.Add(time.Hour)})
	}
	for n, done := range []bool{false, true, false, true} { // at the objects of events, deliveries, attempts, and the manifest
		p.killedAt(x, func(r *http.Request) bool { return r.Method == http.MethodPut }, int32(n+1), done, begin)
		for key, o := range x.Objects() {
			if rows(t, key, o.Body) < 0 {
				t.Errorf("%s is not whole", key)
			}
		}
		p.start()
		begin = func() {} // it goes on by itself
	}
	p.eventually("the hour is written", func() bool {
		list := p.must(200, "GET", "exports", nil).items()
		return len(list) == 1 && list[0]["status"] == "written"
	})
	found := map[string]int{}
	for key, o := range x.Objects() {
		for _, set := range []string{"events", "deliveries", "attempts", "manifest"} {
			if strings.Contains(key, set) {
				found[set]++
				found[set+" rows"] += max(0, rows(t, key, o.Body))
			}
		}
	}
	for set, want := range map[string]int{"events": 1, "events rows": many, "deliveries": 1, "deliveries rows": many, "attempts": 1, "attempts rows": many, "manifest": 1} {
		if found[set] != want {
			t.Errorf("%s: %d, want %d", set, found[set], want)
		}
	}
	if n := x.Uploads(); n > 0 {
		t.Errorf("%d uploads were begun and neither finished nor given up", n)
	}
	p.movesKilled(x, bucket)
}

// rows counts the different records of an object, -1 = it is not whole; a manifest has none.
func rows(t *testing.T, key string, body []byte) int {
	t.Helper()
	if strings.HasSuffix(key, ".json") {
		if !json.Valid(body) {
			return -1
		}
		return 0
	}
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return -1
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		return -1
	}
	ids := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		ids[line] = true
	}
	return len(ids)
}

func (p *program) movesKilled(x *s3test.Server, bucket string) {
	p.t.Helper()
	text, ids := map[string]string{}, []string{}
	for i := range 6 {
		name := fmt.Sprintf("offer-%d.txt", i)
		text[name] = strings.Repeat(name+" ", 100+i)
		ids = append(ids, p.must(201, "POST", "files?name="+name, text[name], "Content-Type", "text/plain").str("id"))
	}
	files := func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/files/")
	}
	p.killedAt(x, files, 2, false, func() {
		p.must(200, "PUT", "settings/files", map[string]any{"connection_id": bucket, "moving": true})
	})
	p.start()
	p.killedAt(x, files, 2, true, func() {})
	p.start()
	p.eventually("all files are in the bucket", func() bool { return p.must(200, "GET", "settings/files", nil).json["moving"] != true })
	key := p.must(200, "GET", "connections/"+bucket, nil).str("credential_id")
	p.eventually("the key of the bucket is told to be used", func() bool { return p.must(200, "GET", "credentials/"+key, nil).json["last_used_at"] != nil })
	inside := 0
	for key := range x.Objects() {
		if strings.Contains(key, "/files/") {
			inside++
		}
	}
	if inside != len(ids) {
		p.t.Errorf("%d objects of %d files", inside, len(ids))
	}
	for i, id := range ids {
		a, err := p.api("GET", "files/"+id, nil)
		if name := fmt.Sprintf("offer-%d.txt", i); err != nil || a.status != 200 || a.text != text[name] {
			p.t.Errorf("%s is answered %d %.60s, %v", name, a.status, a.text, err)
		}
	}
	_ = filepath.WalkDir(filepath.Join(p.dir, "uploads"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			p.t.Errorf("%s stays in the data folder", path)
		}
		return err
	})
}
