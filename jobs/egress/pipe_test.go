package egress

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"waybill/db/model"
)

// The client works on pipes under fake time, as the tests of whole days of retries need it.
func TestPipesAndFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := 10 * time.Second
		c := New(Options{Rules: rules(t, "other.test"), Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				r := bufio.NewReader(theirs)
				for len(head(r)) > 0 {
					time.Sleep(wait)
					if _, err := io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
						return
					}
				}
			}()
			return ours, nil
		}})
		defer c.Close()
		do := func(url string) (Exchange, error) {
			return c.Do(context.Background(), Request{Method: "GET", URL: url, Timeout: 30 * time.Second})
		}
		for range 2 {
			x, err := do("http://other.test/")
			if err != nil || x.Status != 200 || x.Timings.Total != wait.Microseconds() {
				t.Fatalf("%+v %v", x, err)
			}
		}
		wait = time.Hour
		if _, err := do("http://other.test/"); failure(t, err).Class != model.ClassTimeout || err.Error() != "No answer within 30 s." {
			t.Error(err)
		}
		if _, err := do("http://third.test/"); failure(t, err).Class != model.ClassRefused {
			t.Error(err)
		}
		c.Close()
		time.Sleep(2 * time.Hour)
	})
}
