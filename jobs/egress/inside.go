package egress

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// answerInside lets a handler of this process answer. A handler that hangs is left behind when the time is over.
func answerInside(ctx context.Context, u *url.URL, h http.Handler, r Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	body := io.NopCloser(bytes.NewReader(r.Body))
	if r.Source != nil {
		var err error
		if body, err = r.Source(); err != nil {
			return nil, err
		}
		defer body.Close()
	}
	req := (&http.Request{Method: r.Method, URL: u, Host: u.Host, Header: r.Header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: body, ContentLength: r.length(),
		RequestURI: u.RequestURI(), RemoteAddr: "127.0.0.1:0"}).WithContext(ctx)
	w := &recorder{header: http.Header{}, limit: r.MaxBody + 1}
	done := make(chan error, 1)
	go func() {
		defer func() {
			v := recover()
			err, _ := v.(error)
			switch {
			case v == nil:
			case errors.Is(err, http.ErrAbortHandler):
				done <- io.EOF
			case errors.As(err, new(x509.UnknownAuthorityError)): // a handler that plays a receiver with a wrong certificate
				done <- err
			default:
				done <- fmt.Errorf("the handler of %s: panic: %v", req.URL.Host, v)
			}
		}()
		h.ServeHTTP(w, req)
		done <- nil
	}()
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case err := <-done:
		if err != nil {
			return nil, err
		}
	}
	w.WriteHeader(http.StatusOK)
	return &http.Response{StatusCode: w.status, Header: w.sent, ContentLength: w.size, Body: io.NopCloser(&w.body)}, nil
}

// recorder is the response of a handler, kept up to limit bytes.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
	size, limit  int64
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.size += int64(len(p))
	if room := w.limit - int64(w.body.Len()); room > 0 {
		w.body.Write(p[:min(int64(len(p)), room)])
	}
	return len(p), nil
}
