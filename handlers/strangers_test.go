package handlers_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/db/model"
)

// offer asks whether a body of so many bytes may be sent, and gives what is answered: 100 is yes.
func (s *site) offer(path, kind string, size int) int {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.srv.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, s.srv.Listener.Addr(), kind, size)
	line, err := bufio.NewReader(conn).ReadString('\n')
	var status int
	if _, bad := fmt.Sscanf(line, "HTTP/1.1 %d", &status); bad != nil {
		s.t.Fatalf("%s: %q, %v", path, line, err)
	}
	return status
}

// publicForm is the path of a form that everybody may send: a title and two files.
func (s *site) publicForm(by model.User) string {
	s.t.Helper()
	_, form := s.published(by, `{"name":"Lamps","trigger":{"kind":"public_form","fields":[{"key":"title","name":"Title","type":"text"},{"key":"photo","name":"Photo","type":"file"},{"key":"plan","name":"Plan","type":"file"}]},
	 "steps":[{"key":"look","name":"Look","kind":"task","assignees":["ada@example.com"]}]}`)
	return form[strings.Index(form, "/f/"):]
}

// published makes a workflow and publishes it; form is the address of its public form.
func (s *site) published(by model.User, workflow string) (id, form string) {
	s.t.Helper()
	_, key := s.key(by)
	call := func(path, body string) (out struct {
		ID  string
		URL string `json:"form_url"`
	}) {
		req, err := http.NewRequest(http.MethodPost, s.srv.URL+"/api/v1/"+path, strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if err := json.Unmarshal(text, &out); err != nil || resp.StatusCode >= 300 {
			s.t.Fatalf("%s: %d %s", path, resp.StatusCode, text)
		}
		return out
	}
	w := call("workflows", workflow)
	call("workflows/"+w.ID+"/publish", `{"note":"first"}`)
	return w.ID, w.URL
}

// TestBodiesOfStrangers: nothing is read of somebody without an account that cannot be of use.
func TestBodiesOfStrangers(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	form := s.publicForm(ada)
	const parts, text = "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"
	for _, tc := range []struct {
		path, kind string
		size, want int
	}{
		{"/f/unknown", parts, 26 << 20, http.StatusNotFound},
		{"/login", text, 70 << 10, http.StatusRequestEntityTooLarge},
		{"/login", text, 2000, http.StatusContinue},
		{form, parts, 27 << 20, http.StatusRequestEntityTooLarge},
		{form, parts, 20 << 20, http.StatusContinue},
	} {
		if got := s.offer(tc.path, tc.kind, tc.size); got != tc.want {
			t.Errorf("%d bytes to %s: %d, want %d", tc.size, tc.path, got, tc.want)
		}
	}
	for range 9 {
		s.offer(form, parts, 1000)
	}
	if got := s.offer(form, parts, 20<<20); got != http.StatusTooManyRequests {
		t.Errorf("the eleventh form within a minute: %d", got)
	}
}

// TestFilesOfForms sends a file with texts around it: it is stored, and what lay on disk meanwhile is gone.
func TestFilesOfForms(t *testing.T) {
	s := newSite(t)
	ada := s.user("ada@example.com", model.Administrator)
	form := s.publicForm(ada)
	clock, _ := s.browser().get(form).doc.Find("[name=clock]").Attr("value")
	send := func(text int) int {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		_ = w.WriteField("clock", clock)
		_ = w.WriteField("field_title", strings.Repeat("t", text))
		for _, name := range []string{"field_photo", "field_plan"} {
			part, _ := w.CreateFormFile(name, name+".bin")
			_, _ = part.Write(bytes.Repeat([]byte(name), 100_000))
		}
		_ = w.Close()
		resp, err := http.Post(s.srv.URL+form, w.FormDataContentType(), &body)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := send(10); got != http.StatusUnprocessableEntity {
		t.Errorf("sooner than anybody could read it: %d", got)
	}
	if got := send(3 << 20); got != http.StatusRequestEntityTooLarge {
		t.Errorf("3 MiB of text: %d", got)
	}
	if left, _ := os.ReadDir(filepath.Join(s.dir, "uploads")); len(left) != 0 {
		t.Errorf("%v is left of forms that were refused", left)
	}
	s.later(time.Minute)
	if got := send(10); got != http.StatusOK { // the page after it
		t.Fatalf("the form: %d", got)
	}
	for _, name := range []string{"photo", "plan"} {
		list, err := filepath.Glob(filepath.Join(s.dir, "uploads", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, path := range list {
			text, err := os.ReadFile(path)
			found = found || err == nil && bytes.Equal(text, bytes.Repeat([]byte("field_"+name), 100_000))
		}
		if !found || len(list) != 2 {
			t.Errorf("the %s is not among %v", name, list)
		}
	}
}
