package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"strconv"

	"waybill/db/fault"
)

// Writer streams an object whose length is not known before: what fits one part is put at once, more goes in parts as they
// fill. Memory stays at one part. Nothing of it can be seen before Close has returned nil. One goroutine uses it.
type Writer struct {
	b         *Bucket
	ctx       context.Context
	key, kind string
	began     func(upload string) error
	buf       []byte
	upload    string
	parts     []part
	hash      hash.Hash
	n         int64
	etag      string
	err       error
}

type part struct {
	XMLName    xml.Name `xml:"Part"`
	PartNumber int
	ETag       string
}

// Write makes a Writer. began hears the id of the upload before the first part is sent, so that Forget can be told of it
// after a crash; nil = nobody asks.
func (b *Bucket) Write(ctx context.Context, key, contentType string, began func(upload string) error) *Writer {
	return &Writer{b: b, ctx: ctx, key: key, kind: contentType, began: began, hash: sha256.New()}
}

// Write takes bytes; an error stays.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		if w.buf == nil {
			w.buf = make([]byte, 0, w.b.partSize)
		}
		k := min(len(p), w.b.partSize-len(w.buf))
		w.buf = append(w.buf, p[:k]...)
		_, _ = w.hash.Write(p[:k])
		n, p, w.n = n+k, p[k:], w.n+int64(k)
		if len(w.buf) == w.b.partSize {
			w.err = w.send()
		}
	}
	return n, w.err
}

// Size, Hash (hex SHA-256) and ETag of what was written; the last is known after Close.
func (w *Writer) Size() int64  { return w.n }
func (w *Writer) Hash() string { return hex.EncodeToString(w.hash.Sum(nil)) }
func (w *Writer) ETag() string { return w.etag }

func (w *Writer) send() error {
	if w.upload == "" {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if len(w.parts) == w.b.partsAtMost {
		return &Error{Message: "The object is longer than a store takes in one upload."}
	}
	n := len(w.parts) + 1
	x, err := w.b.do(w.ctx, call{method: http.MethodPut, key: w.key, query: url.Values{"partNumber": {strconv.Itoa(n)}, "uploadId": {w.upload}},
		header: http.Header{"Content-Md5": {md5Of(w.buf)}}, body: w.buf, may: "s3:PutObject"})
	if err != nil {
		return err
	}
	w.parts, w.buf = append(w.parts, part{PartNumber: n, ETag: x.Header.Get("Etag")}), w.buf[:0]
	return nil
}

func (w *Writer) begin() error {
	x, err := w.b.do(w.ctx, call{method: http.MethodPost, key: w.key, query: url.Values{"uploads": {""}}, header: w.b.sealed(http.Header{"Content-Type": {w.kind}}), may: "s3:PutObject"})
	if err != nil {
		return err
	}
	var answer struct {
		UploadID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(x.Body, &answer); err != nil || answer.UploadID == "" {
		return &Error{Status: x.Status, Message: fmt.Sprintf("What answers at %s does not speak S3: it began an upload without an id.", w.b.endpoint.Host)}
	}
	w.upload = answer.UploadID
	if w.began != nil {
		return w.began(w.upload)
	}
	return nil
}

// Close sends what is left and makes the object appear, whole. After an error the store is asked to forget the parts.
func (w *Writer) Close() error {
	if w.err == nil && w.upload == "" {
		w.etag, w.err = w.b.PutBytes(w.ctx, w.key, w.kind, w.buf)
		return w.err
	}
	if w.err == nil && len(w.buf) > 0 {
		w.err = w.send()
	}
	if w.err == nil {
		w.err = w.complete()
	}
	if w.err != nil {
		w.Abort()
	}
	return w.err
}

func (w *Writer) complete() error {
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Parts   []part
	}{Parts: w.parts})
	if err != nil {
		return err
	}
	c := call{method: http.MethodPost, key: w.key, query: url.Values{"uploadId": {w.upload}}, header: http.Header{"Content-Type": {"application/xml"}}, body: body, may: "s3:PutObject"}
	x, err := w.b.do(w.ctx, c)
	var lost *Error
	if errors.As(err, &lost) && lost.Code == "NoSuchUpload" {
		// The answer to a first try may have been lost on the way: then the object is there, and has its length.
		if there, again := w.b.Head(w.ctx, w.key); again == nil && there.Size == w.n {
			w.etag, w.upload = there.ETag, ""
			return nil
		}
	}
	if err != nil {
		return err
	}
	if bytes.Contains(x.Body, []byte("<Error>")) { // said only after the status was sent
		return w.b.refused(x, c)
	}
	var answer struct{ ETag string }
	_ = xml.Unmarshal(x.Body, &answer)
	w.etag, w.upload = answer.ETag, ""
	return nil
}

// Abort gives up: the store is asked to forget the parts that were sent, even when the Writer's context has ended.
func (w *Writer) Abort() {
	if w.upload != "" {
		_ = w.b.Forget(context.WithoutCancel(w.ctx), w.key, w.upload)
		w.upload = ""
	}
	if w.err == nil {
		w.err = errors.New("the object was given up")
	}
}

// Forget ends an upload that was begun and not finished; one that is not there is no error.
func (b *Bucket) Forget(ctx context.Context, key, upload string) error {
	_, err := b.once(ctx, call{method: http.MethodDelete, key: key, query: url.Values{"uploadId": {upload}}, may: "s3:AbortMultipartUpload"})
	var e *Error
	if errors.As(err, &e) && (e.Code == "NoSuchUpload" || e.Code == "NoSuchKey") || fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// List names objects whose keys begin with prefix, in order, behind after; at most 1,000. more: there are others.
func (b *Bucket) List(ctx context.Context, prefix, after string, most int) (list []Stored, more bool, err error) {
	q := url.Values{"list-type": {"2"}, "prefix": {prefix}, "max-keys": {strconv.Itoa(min(most, 1000))}}
	if after != "" {
		q.Set("start-after", after)
	}
	x, err := b.do(ctx, call{method: http.MethodGet, query: q, may: "s3:ListBucket"})
	if err != nil {
		return nil, false, err
	}
	var answer struct {
		IsTruncated bool
		Contents    []struct {
			Key  string
			Size int64
			ETag string
		}
	}
	if err := xml.Unmarshal(x.Body, &answer); err != nil {
		return nil, false, &Error{Status: x.Status, Message: fmt.Sprintf("What answers at %s does not speak S3: its list cannot be read.", b.endpoint.Host)}
	}
	for _, c := range answer.Contents {
		list = append(list, Stored{Key: c.Key, Size: c.Size, ETag: c.ETag})
	}
	return list, answer.IsTruncated, nil
}
