// Package s3test is a store that speaks S3, for tests: it keeps objects in memory and misbehaves when it is told to.
//
// Signatures are worked out anew by the signer of Amazon's own library, which shares nothing with ours, and every hash that
// a request brings along is checked. Requests that a real store would refuse are refused with the answers of Amazon S3.
package s3test

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what S3 calls ETag
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The only key, and the region of the only bucket.
const (
	KeyID  = "AKIAWAYBILLTEST00000"
	Secret = "s3cr3t/with+signs=and/slashes/0000000000"
	Region = "eu-west-1"
	Bucket = "waybill-tests"
)

// Object is what the store holds.
type Object struct {
	Body   []byte
	Type   string
	Header http.Header // of the request that made it
	ETag   string
}

// Fault says how a request goes wrong; the zero value lets it pass.
type Fault struct {
	Status int
	Code   string
	Header http.Header
	Cut    int           // bytes of the body that are read before the connection is cut; -1 = after the work was done, before the answer
	Wait   chan struct{} // the request hangs until it is closed
	Hang   chan struct{} // with Cut -1: the answer hangs until it is closed
}

// Server is a store on loopback.
type Server struct {
	URL string
	// Now is the store's clock.
	Now func() time.Time
	// Forgetful keeps the sums of parts and nothing of their bytes: for measuring the other side's memory.
	Forgetful bool

	mu      sync.Mutex
	objects map[string]Object
	uploads map[string]*upload
	serial  int
	fault   func(*http.Request) Fault
	log     []string
}

type upload struct {
	key, kind string
	header    http.Header
	parts     map[int]piece
}

// piece is a part of an object.
type piece struct {
	body []byte
	size int
	etag string
}

// New starts a store that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{Now: time.Now, objects: map[string]Object{}, uploads: map[string]*upload{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// Break makes requests go wrong as f says; nil ends it.
func (s *Server) Break(f func(*http.Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Objects are those that can be seen, by key.
func (s *Server) Objects() map[string]Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.objects)
}

// Uploads is how many were begun and neither finished nor given up.
func (s *Server) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// Requests are those that came so far, as method, path and query's names.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// refusal is an error as S3 answers it.
type refusal struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string
	Message    string
	Region     string `xml:",omitempty"`
	ServerTime string `xml:",omitempty"`
	status     int
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.log = append(s.log, r.Method+" "+r.URL.Path+" "+strings.Join(slices.Sorted(maps.Keys(r.URL.Query())), "&"))
	var f Fault
	if s.fault != nil {
		f = s.fault(r)
	}
	s.mu.Unlock()
	if f.Wait != nil {
		<-f.Wait
	}
	if f.Cut > 0 {
		_, _ = io.CopyN(io.Discard, r.Body, int64(f.Cut))
		panic(http.ErrAbortHandler)
	}
	if f.Status != 0 {
		maps.Copy(w.Header(), f.Header)
		_, _ = io.Copy(io.Discard, r.Body)
		refuse(w, r, refusal{Code: f.Code, Message: "Told to.", status: f.Status})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if bad := s.check(r, body); bad != nil {
		refuse(w, r, *bad)
		return
	}
	if f.Cut < 0 {
		s.work(httptest.NewRecorder(), r, body)
		if f.Hang != nil {
			<-f.Hang
		}
		panic(http.ErrAbortHandler)
	}
	s.work(w, r, body)
}

func refuse(w http.ResponseWriter, r *http.Request, x refusal) {
	w.Header().Set("Content-Type", "application/xml")
	if x.Region != "" {
		w.Header().Set("X-Amz-Bucket-Region", x.Region)
	}
	w.WriteHeader(x.status)
	if r.Method != http.MethodHead {
		_ = xml.NewEncoder(w).Encode(x)
	}
}

// check is what a store looks at before it does anything: who signed, when, for where, and whether the body is the one meant.
func (s *Server) check(r *http.Request, body []byte) *refusal {
	id, scope, at, names, signature, query := credential(r)
	now := s.Now()
	switch {
	case id == "":
		return &refusal{Code: "AccessDenied", Message: "Access Denied", status: 403}
	case id != KeyID:
		return &refusal{Code: "InvalidAccessKeyId", Message: "The AWS Access Key Id you provided does not exist in our records.", status: 403}
	case len(scope) != 4 || scope[2] != "s3":
		return &refusal{Code: "AuthorizationHeaderMalformed", Message: "incorrect service", status: 400}
	case scope[1] != Region:
		return &refusal{Code: "AuthorizationHeaderMalformed", Message: "The authorization header is malformed; the region '" + scope[1] + "' is wrong; expecting '" + Region + "'", Region: Region, status: 400}
	case !query && now.Sub(at).Abs() > 15*time.Minute:
		return &refusal{Code: "RequestTimeTooSkewed", Message: "The difference between the request time and the current time is too large.", ServerTime: now.UTC().Format(time.RFC3339), status: 403}
	}
	if query {
		life, err := strconv.Atoi(r.URL.Query().Get("X-Amz-Expires"))
		if err != nil || now.After(at.Add(time.Duration(life)*time.Second)) {
			return &refusal{Code: "AccessDenied", Message: "Request has expired", status: 403}
		}
	}
	if signature != s.signature(r, scope[1], at, names, query) {
		return &refusal{Code: "SignatureDoesNotMatch", Message: "The request signature we calculated does not match the signature you provided.", status: 403}
	}
	return intact(r, body)
}

// intact compares the body with what the request says of it.
func intact(r *http.Request, body []byte) *refusal {
	sum, short := sha256.Sum256(body), md5.Sum(body) //nolint:gosec // as S3 does
	if want := r.Header.Get("X-Amz-Content-Sha256"); len(want) == 64 && want != hex.EncodeToString(sum[:]) {
		return &refusal{Code: "XAmzContentSHA256Mismatch", Message: "The provided 'x-amz-content-sha256' header does not match what was computed.", status: 400}
	}
	if want := r.Header.Get("X-Amz-Checksum-Sha256"); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		return &refusal{Code: "BadDigest", Message: "The SHA256 you specified did not match the calculated checksum.", status: 400}
	}
	if want := r.Header.Get("Content-Md5"); want != "" && want != base64.StdEncoding.EncodeToString(short[:]) {
		return &refusal{Code: "BadDigest", Message: "The Content-MD5 you specified did not match what we received.", status: 400}
	}
	return nil
}

// credential takes a signature apart.
func credential(r *http.Request) (id string, scope []string, at time.Time, names []string, signature string, query bool) {
	fields := map[string]string{}
	stamp := r.Header.Get("X-Amz-Date")
	if q := r.URL.Query(); q.Get("X-Amz-Signature") != "" {
		query, stamp = true, q.Get("X-Amz-Date")
		fields = map[string]string{"Credential": q.Get("X-Amz-Credential"), "SignedHeaders": q.Get("X-Amz-SignedHeaders"), "Signature": q.Get("X-Amz-Signature")}
	} else if rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "); ok {
		for part := range strings.SplitSeq(rest, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			fields[name] = value
		}
	}
	id, rest, _ := strings.Cut(fields["Credential"], "/")
	if _, day, ok := strings.Cut("/"+rest, "/"); ok && rest != "" {
		scope = strings.Split(day, "/")
	}
	at, _ = time.Parse("20060102T150405Z", stamp)
	return id, scope, at, strings.Split(fields["SignedHeaders"], ";"), fields["Signature"], query
}

// signature is the one that the request should have, by Amazon's signer.
func (s *Server) signature(r *http.Request, region string, at time.Time, names []string, query bool) string {
	again := &http.Request{Method: r.Method, Host: r.Host, Header: http.Header{}, URL: &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath}}
	q := r.URL.Query()
	for name := range q {
		if strings.HasPrefix(name, "X-Amz-") && name != "X-Amz-Expires" {
			q.Del(name)
		}
	}
	again.URL.RawQuery = q.Encode()
	for _, name := range names {
		if name = http.CanonicalHeaderKey(name); name != "Host" {
			again.Header[name] = r.Header[name]
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	who := aws.Credentials{AccessKeyID: KeyID, SecretAccessKey: Secret}
	if query {
		signed, _, err := signer.PresignHTTP(context.Background(), who, again, "UNSIGNED-PAYLOAD", "s3", region, at)
		if err != nil {
			return "?"
		}
		u, _ := url.Parse(signed)
		return u.Query().Get("X-Amz-Signature")
	}
	if err := signer.SignHTTP(context.Background(), who, again, r.Header.Get("X-Amz-Content-Sha256"), "s3", region, at); err != nil {
		return "?"
	}
	_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return signature
}

// work does what a request asks for.
func (s *Server) work(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if name, _, ok := strings.Cut(r.Host, "."); ok && name == Bucket {
		bucket, key = name, strings.TrimPrefix(r.URL.Path, "/")
	}
	q := r.URL.Query()
	switch id := q.Get("uploadId"); {
	case bucket != Bucket:
		refuse(w, r, refusal{Code: "NoSuchBucket", Message: "The specified bucket does not exist", status: 404})
	case key == "" && r.Method == http.MethodGet:
		s.list(w, q)
	case r.Method == http.MethodPost && q.Has("uploads"):
		s.begin(w, r, key)
	case id != "" && (s.uploads[id] == nil || s.uploads[id].key != key):
		refuse(w, r, refusal{Code: "NoSuchUpload", Message: "The specified upload does not exist.", status: 404})
	case id != "" && r.Method == http.MethodPut:
		n, _ := strconv.Atoi(q.Get("partNumber"))
		p := piece{body, len(body), tag(body)}
		if s.Forgetful {
			p.body = nil
		}
		s.uploads[id].parts[n] = p
		w.Header().Set("ETag", tag(body))
	case id != "" && r.Method == http.MethodDelete:
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	case id != "":
		s.complete(w, r, id, body)
	case r.Method == http.MethodPut:
		s.objects[key] = Object{Body: body, Type: r.Header.Get("Content-Type"), Header: r.Header.Clone(), ETag: tag(body)}
		w.Header().Set("ETag", tag(body))
	case r.Method == http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		s.give(w, r, key)
	}
}

func tag(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // as S3 does
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func (s *Server) give(w http.ResponseWriter, r *http.Request, key string) {
	o, ok := s.objects[key]
	if !ok {
		refuse(w, r, refusal{Code: "NoSuchKey", Message: "The specified key does not exist.", status: 404})
		return
	}
	h := w.Header()
	h.Set("ETag", o.ETag)
	h.Set("Content-Type", o.Type)
	for from, to := range map[string]string{"response-content-disposition": "Content-Disposition", "response-content-type": "Content-Type"} {
		if v := r.URL.Query().Get(from); v != "" {
			h.Set(to, v)
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.Body))
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request, key string) {
	s.serial++
	id := "upload-" + strconv.Itoa(s.serial)
	s.uploads[id] = &upload{key: key, kind: r.Header.Get("Content-Type"), header: r.Header.Clone(), parts: map[int]piece{}}
	_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Bucket>%s</Bucket><UploadId>%s</UploadId></InitiateMultipartUploadResult>", Bucket, id)
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	var in struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &in); err != nil || len(in.Part) == 0 {
		refuse(w, r, refusal{Code: "MalformedXML", Message: "The XML you provided was not well-formed.", status: 400})
		return
	}
	u, whole := s.uploads[id], []byte(nil)
	for i, p := range in.Part {
		data, ok := u.parts[p.PartNumber]
		if !ok || data.etag != p.ETag || p.PartNumber != i+1 {
			refuse(w, r, refusal{Code: "InvalidPart", Message: "One or more of the specified parts could not be found.", status: 400})
			return
		}
		if i < len(in.Part)-1 && data.size < 5<<20 {
			refuse(w, r, refusal{Code: "EntityTooSmall", Message: "Your proposed upload is smaller than the minimum allowed size", status: 400})
			return
		}
		whole = append(whole, data.body...)
	}
	delete(s.uploads, id)
	o := Object{Body: whole, Type: u.kind, Header: u.header, ETag: tag(whole)}
	s.objects[u.key] = o
	_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>", strings.ReplaceAll(o.ETag, `"`, "&quot;"))
}

func (s *Server) list(w http.ResponseWriter, q url.Values) {
	most, _ := strconv.Atoi(q.Get("max-keys"))
	type content struct {
		Key  string
		Size int
		ETag string
	}
	var out struct {
		XMLName     xml.Name `xml:"ListBucketResult"`
		IsTruncated bool
		Contents    []content
	}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= q.Get("start-after") {
			continue
		}
		if len(out.Contents) == most {
			out.IsTruncated = true
			break
		}
		out.Contents = append(out.Contents, content{key, len(s.objects[key].Body), s.objects[key].ETag})
	}
	_ = xml.NewEncoder(w).Encode(out)
}
