// Package s3 speaks to stores that speak S3: Amazon's own, and others at an endpoint of their own such as MinIO.
//
// A Bucket puts, reads, lists and removes objects, streams objects of any length in parts, and signs links for download.
// Every request is signed by jobs/scheme with an AWS Signature V4 credential and leaves through jobs/egress, whose address
// rules hold. What a store refuses is explained in words that say what to change. It knows nothing of exports or uploads
// and keeps nothing.
package s3

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5 guards against damage, not against people
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
)

// Names of the settings of a connection.
const (
	SettingBucket      = "bucket"
	SettingRegion      = "region"
	SettingPrefix      = "prefix"
	SettingPathStyle   = "path_style"
	SettingVirtualHost = "virtual_host"
	SettingEncryption  = "encryption"
	SettingKMSKey      = "kms_key_id"
)

// Values of SettingEncryption; any other leaves it to the bucket.
const (
	EncryptionS3  = "AES256"
	EncryptionKMS = "aws:kms"
)

// Bucket is one bucket of a store, with the key that opens it. It is safe for use by many goroutines.
type Bucket struct {
	name, prefix, region  string
	endpoint              *url.URL
	path                  bool // the bucket stands in the path, not in the host name
	encryption, kms       string
	key                   scheme.Material
	timeout               time.Duration
	shake                 scheme.Handshake
	scope                 *egress.Scope
	egress                *egress.Client
	keeper                *scheme.Keeper
	rest                  func(context.Context, time.Duration) error // between tries; tests make it short
	now                   func() time.Time
	note                  func(failure string)
	partSize, partsAtMost int
}

// Wire is what a Bucket works with.
type Wire struct {
	Egress    *egress.Client
	Keeper    *scheme.Keeper
	Now       func() time.Time
	Handshake scheme.Handshake // what the connection shows and trusts in TLS; zero = nothing of its own
	Scope     *egress.Scope    // network rules of the connection, nil = only those for all
	// Note hears how each use of the key went, "" = well; nil = nobody asks. It must be quick.
	Note func(failure string)
}

// Sizes of multipart uploads: S3 takes parts of 5 MiB to 5 GiB, at most 10,000 of them.
const (
	PartSize  = 8 << 20
	mostParts = 10_000
)

// New is the bucket that a connection describes. The error is a sentence about what of it cannot be used.
func New(w Wire, c model.Connection, key scheme.Material) (*Bucket, error) {
	if key.Type != "aws_sigv4" {
		return nil, fault.New(fault.Invalid, "The connection “%s” needs a credential of type AWS Signature V4.", c.Name)
	}
	if service := key.Config.Text("service"); service != "s3" {
		return nil, fault.New(fault.Invalid, "The credential signs for the service “%s”; a bucket wants s3.", service)
	}
	b, err := described(c)
	if err != nil {
		return nil, err
	}
	b.shake, b.scope, b.egress, b.keeper, b.now, b.note = w.Handshake, w.Scope, w.Egress, w.Keeper, w.Now, w.Note
	b.region = cmp.Or(b.region, key.Config.Text("region"))
	b.key = key
	b.key.Config = model.Config{"access_key_id": key.Config.Text("access_key_id"), "service": "s3", "region": b.region}
	return b, nil
}

// described is a bucket as far as its connection says; nobody can ask it for anything yet.
func described(c model.Connection) (*Bucket, error) {
	b := &Bucket{name: c.Settings.Text(SettingBucket), prefix: c.Settings.Text(SettingPrefix), region: c.Settings.Text(SettingRegion),
		encryption: encryption(c.Settings.Text(SettingEncryption)), kms: c.Settings.Text(SettingKMSKey),
		timeout: time.Duration(cmp.Or(c.TimeoutSeconds, model.DefaultTimeout)) * time.Second, rest: rest, now: time.Now, partSize: PartSize, partsAtMost: mostParts}
	var err error
	if b.endpoint, err = url.Parse(c.EffectiveURL()); err != nil || b.endpoint.Host == "" {
		return nil, fault.New(fault.Invalid, "The endpoint of the connection “%s” is not an address.", c.Name)
	}
	if bad := CheckBucket(b.name); bad != "" {
		return nil, fault.New(fault.Invalid, "The connection “%s”: %s", c.Name, bad)
	}
	b.path = pathStyle(b.endpoint.Hostname(), b.name, c.Settings)
	return b, nil
}

// Signing is the credential as it signs for a connection, whose region wins.
func Signing(c model.Connection, key model.Config) model.Config {
	region := c.Settings.Text(SettingRegion)
	if c.Type != model.ConnectionS3 || region == "" {
		return key
	}
	out := maps.Clone(key)
	out["region"] = region
	return out
}

// Trials are the requests that show whether a connection works: a small object is written, read and removed again. Its key
// is always the same, so that one at most is left behind.
func Trials(c model.Connection) (write, read, remove egress.Request, body []byte, err error) {
	b, err := described(c)
	if err != nil {
		return write, read, remove, nil, err
	}
	body = []byte("Waybill tries whether it can write here. It removes this object at once.\n")
	at := b.address(b.prefix + "waybill-test.txt").String()
	write = egress.Request{Method: http.MethodPut, URL: at, Header: b.sealed(http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Md5": {md5Of(body)}}), Body: body, Timeout: b.timeout, MaxBody: model.MaxStoredResponse}
	read = egress.Request{Method: http.MethodGet, URL: at, Header: http.Header{}, Timeout: b.timeout, MaxBody: model.MaxStoredResponse}
	remove = egress.Request{Method: http.MethodDelete, URL: at, Header: http.Header{}, Timeout: b.timeout, MaxBody: model.MaxStoredResponse}
	return write, read, remove, body, nil
}

// Explain says what the answer to a trial means, nil when it is a success. may is the permission that it needs.
func Explain(c model.Connection, x egress.Exchange, may string) *Error {
	if x.Status/100 == 2 {
		return nil
	}
	b, err := described(c)
	if err != nil {
		return &Error{Message: err.Error()}
	}
	return b.refused(x, call{key: "waybill-test.txt", may: may})
}

// encryption is what is asked for: anything but the two kinds leaves it to the bucket.
func encryption(setting string) string {
	if setting == EncryptionS3 || setting == EncryptionKMS {
		return setting
	}
	return ""
}

// pathStyle reports whether the bucket goes into the path: where it is asked for, where a certificate for the host name
// could not hold (dots), where the host is an address, and at everybody but Amazon unless that is asked for.
func pathStyle(host, bucket string, settings model.Config) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.Contains(bucket, ".") {
		return true
	}
	if on, _ := settings[SettingVirtualHost].(bool); on {
		return false
	}
	on, _ := settings[SettingPathStyle].(bool)
	return on || !strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".amazonaws.com.cn")
}

// CheckBucket says why no bucket can have this name, or "".
func CheckBucket(name string) string {
	switch {
	case name == "":
		return "Name the bucket."
	case len(name) < 3 || len(name) > 63:
		return "A bucket's name has 3 to 63 characters."
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "":
		return "A bucket's name holds lower-case letters, digits, dots and hyphens only; leave the address and the folder out."
	case strings.Trim(name[:1]+name[len(name)-1:], "abcdefghijklmnopqrstuvwxyz0123456789") != "" || strings.Contains(name, ".."):
		return "A bucket's name begins and ends with a letter or digit, and has no two dots in a row."
	}
	return ""
}

// CheckKey says why no object can have this key or begin of one, or "".
func CheckKey(key string) string {
	switch {
	case len(key) > 900:
		return "At most 900 bytes."
	case strings.HasPrefix(key, "/"):
		return "Leave out the slash at the beginning: the store would make a folder without a name of it."
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return "No control characters and backslashes."
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "." || seg == ".." {
			return "No segment may be . or .. since programs on the way would resolve it."
		}
	}
	return ""
}

// Name of the bucket.
func (b *Bucket) Name() string { return b.name }

// Prefix stands before every key that Waybill makes in this bucket.
func (b *Bucket) Prefix() string { return b.prefix }

// Host is whom requests go to.
func (b *Bucket) Host() string { return b.address("").Host }

// address of an object, "" = of the bucket itself.
func (b *Bucket) address(key string) *url.URL {
	u := url.URL{Scheme: b.endpoint.Scheme, Host: b.endpoint.Host, Path: strings.TrimRight(b.endpoint.Path, "/") + "/"}
	if b.path {
		u.Path += b.name
		if key != "" {
			u.Path += "/"
		}
	} else {
		u.Host = b.name + "." + u.Host
	}
	u.Path += key
	return &u
}

// call is one request about an object.
type call struct {
	method string
	key    string // "" = the bucket itself
	query  url.Values
	header http.Header
	body   []byte
	source func() (io.ReadCloser, error)
	size   int64 // of source
	sink   func(io.Reader) error
	// may names what the key must be allowed to do, for the words of a refusal.
	may string
}

// slowest is what is granted a body in transit beside the timeout, in bytes a second.
const slowest = 128 << 10

func (b *Bucket) once(ctx context.Context, c call) (egress.Exchange, error) {
	u := b.address(c.key)
	u.RawQuery = strings.ReplaceAll(c.query.Encode(), "+", "%20")
	size := max(c.size, int64(len(c.body)))
	req := egress.Request{Method: c.method, URL: u.String(), Header: http.Header{}, Body: c.body, Source: c.source, Size: c.size, Sink: c.sink,
		Timeout: b.timeout + time.Duration(size/slowest)*time.Second, Scope: b.scope, MaxBody: 1 << 20}
	if c.sink != nil {
		req.Timeout = max(req.Timeout, 30*time.Minute)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	if err := b.keeper.Handshake(&req, b.shake); err != nil {
		return egress.Exchange{}, b.failed(err)
	}
	if _, err := b.keeper.Apply(ctx, &req, b.key); err != nil {
		return egress.Exchange{}, b.failed(err)
	}
	x, err := b.egress.Do(ctx, req)
	if err != nil {
		return x, b.failed(err)
	}
	if x.Status/100 != 2 {
		return x, b.refused(x, c)
	}
	return x, nil
}

// tries is how often a request is made while the store is busy or the connection breaks, and how long it rests between.
const (
	tries     = 4
	firstRest = 500 * time.Millisecond
	mostRest  = 20 * time.Second
)

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// do makes a request, again where another try may mend it. Objects appear whole or not at all, so trying again does no harm.
func (b *Bucket) do(ctx context.Context, c call) (x egress.Exchange, err error) {
	wait := firstRest
	for n := 1; ; n++ {
		x, err = b.once(ctx, c)
		b.noted(x.Status, err)
		var e *Error
		if !errors.As(err, &e) || !e.Retry || n == tries || c.sink != nil {
			return x, err
		}
		if b.rest(ctx, min(max(wait, e.After), mostRest)) != nil {
			return x, err
		}
		wait *= 3
	}
}

// noted tells how the key fared: it was refused, or something else was answered.
func (b *Bucket) noted(status int, err error) {
	switch {
	case b.note == nil || status == 0:
	case err != nil && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		b.note(err.Error())
	default:
		b.note("")
	}
}

// Object is what is put: its bytes are Size bytes that Source gives, each time from the beginning.
type Object struct {
	ContentType string
	Size        int64
	Hash        string // hex SHA-256 of the bytes, which the store checks; "" = not known
	Source      func() (io.ReadCloser, error)
}

// Stored is what is known of an object.
type Stored struct {
	Key      string
	Size     int64
	ETag     string
	Type     string
	Modified time.Time
}

func (b *Bucket) sealed(h http.Header) http.Header {
	if b.encryption != "" {
		h.Set("X-Amz-Server-Side-Encryption", b.encryption)
	}
	if b.encryption == EncryptionKMS && b.kms != "" {
		h.Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", b.kms)
	}
	return h
}

// Put stores an object, in place of what has its key. It is streamed, and there is nothing of it until it is whole.
func (b *Bucket) Put(ctx context.Context, key string, o Object) (etag string, err error) {
	h := b.sealed(http.Header{"Content-Type": {cmp.Or(o.ContentType, "application/octet-stream")}})
	c := call{method: http.MethodPut, key: key, header: h, may: "s3:PutObject"}
	if c.source, c.size = o.Source, o.Size; o.Hash != "" && o.Size > 0 {
		h.Set("X-Amz-Content-Sha256", o.Hash)
	}
	if o.Hash != "" {
		if sum, err := hex.DecodeString(o.Hash); err == nil {
			h.Set("X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum))
		}
	}
	x, err := b.do(ctx, c)
	return x.Header.Get("Etag"), err
}

// PutBytes is Put for what is in memory.
func (b *Bucket) PutBytes(ctx context.Context, key, contentType string, body []byte) (etag string, err error) {
	h := b.sealed(http.Header{"Content-Type": {contentType}, "Content-Md5": {md5Of(body)}})
	x, err := b.do(ctx, call{method: http.MethodPut, key: key, header: h, body: body, may: "s3:PutObject"})
	return x.Header.Get("Etag"), err
}

func md5Of(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // as S3 wants it
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Read hands the bytes of an object to sink. One that is not there is NotFound.
func (b *Bucket) Read(ctx context.Context, key string, sink func(io.Reader) error) error {
	_, err := b.do(ctx, call{method: http.MethodGet, key: key, sink: sink, may: "s3:GetObject"})
	return err
}

// Head tells what is known of an object. One that is not there is NotFound.
func (b *Bucket) Head(ctx context.Context, key string) (Stored, error) {
	x, err := b.do(ctx, call{method: http.MethodHead, key: key, may: "s3:GetObject"})
	if err != nil {
		return Stored{}, err
	}
	size, _ := strconv.ParseInt(x.Header.Get("Content-Length"), 10, 64)
	at, _ := http.ParseTime(x.Header.Get("Last-Modified"))
	return Stored{Key: key, Size: size, ETag: x.Header.Get("Etag"), Type: x.Header.Get("Content-Type"), Modified: at}, nil
}

// Remove removes an object; one that is not there is no error.
func (b *Bucket) Remove(ctx context.Context, key string) error {
	_, err := b.do(ctx, call{method: http.MethodDelete, key: key, may: "s3:DeleteObject"})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Link is an address at which anybody can read an object for as long as life says, without a key of his own. The browser
// is told to store it under name, never to show it.
func (b *Bucket) Link(ctx context.Context, key, disposition, contentType string, life time.Duration) (string, error) {
	u := b.address(key)
	q := url.Values{"X-Amz-Expires": {strconv.Itoa(int(life.Seconds()))}, "response-content-disposition": {disposition}, "response-content-type": {contentType}}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	m := b.key
	m.Config = model.Config{"access_key_id": b.key.Config["access_key_id"], "service": "s3", "region": b.region, "sign_query": true}
	req := egress.Request{Method: http.MethodGet, URL: u.String(), Header: http.Header{}}
	if _, err := b.keeper.Apply(ctx, &req, m); err != nil {
		return "", b.failed(err)
	}
	return req.URL, nil
}

// where names the bucket in sentences.
func (b *Bucket) where() string { return fmt.Sprintf("“%s” at %s", b.name, b.endpoint.Host) }
