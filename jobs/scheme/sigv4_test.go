package scheme

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
	"waybill/jobs/egress"
)

const (
	suiteKey   = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	suiteToken = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
)

// suiteTime is the moment of AWS's published test suite.
var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func suite(service, token string, inQuery bool) Material {
	m := Material{Type: "aws_sigv4", Config: model.Config{"access_key_id": "AKIDEXAMPLE", "service": service, "region": "us-east-1"}, Secrets: model.Secrets{"secret_access_key": suiteKey}}
	if token != "" {
		m.Secrets["session_token"] = model.Secret(token)
	}
	if inQuery {
		m.Config["sign_query"] = true
	}
	return m
}

// signed applies m at the time of the suite.
func signed(t *testing.T, req *egress.Request, m Material) (Applied, string) {
	t.Helper()
	k := NewKeeper(egress.New(egress.Options{}), func() time.Time { return suiteTime.In(time.FixedZone("elsewhere", 7200)) })
	a, err := k.Apply(context.Background(), req, m)
	if err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(req.Header.Get("Authorization")+req.URL, "Signature=")
	return a, signature[:min(64, len(signature))]
}

// TestPublishedSuite holds the cases of AWS's signing test suite (awslabs/aws-c-auth, v4) that an HTTP client of Go can
// send. Three it cannot: a header value over several lines, and raw spaces or UTF-8 in the path of the request line
// (they are below as S3 takes them, which encodes once).
func TestPublishedSuite(t *testing.T) {
	many := http.Header{"My-Header1": {"value2", "value2", "value1"}}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Content-Length": {"13"}, "X-Amz-Content-Sha256": {"9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"}}
	for _, tc := range []struct {
		name, method, target string
		header               http.Header
		body, token          string
		inQuery              bool
		want                 string
	}{
		{"get-vanilla", "GET", "/", nil, "", "", false, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash-dot-slash", "GET", "/./", nil, "", "", false, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-relative-relative", "GET", "/example1/example2/../..", nil, "", "", false, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slashes", "GET", "//example//", nil, "", "", false, "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
		{"get-unreserved", "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", nil, "", "", false, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"get-vanilla-query-order-encoded", "GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", nil, "", "", false, "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
		{"get-vanilla-query-order-encoded, query", "GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1&X-Amz-Expires=3600", nil, "", "", true, "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787"},
		{"get-vanilla-query-order-key-case, query", "GET", "/?Param2=value2&Param1=value1&X-Amz-Expires=3600", nil, "", "", true, "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5"},
		{"get-vanilla-empty-query-key", "GET", "/?Param1=value1", nil, "", "", false, "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		{"get-vanilla-utf8-query", "GET", "/?ሴ=bar", nil, "", "", false, "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		{"get-vanilla-with-session-token", "GET", "/", nil, "", suiteToken, false, "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
		{"get-header-value-trim", "GET", "/", http.Header{"My-Header1": {" value1"}, "My-Header2": {` "a   b   c"`}}, "", "", false, "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{"get-header-value-order", "GET", "/", http.Header{"My-Header1": {"value4", "value1", "value3", "value2"}}, "", "", false, "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
		{"get-header-key-duplicate, query", "GET", "/?X-Amz-Expires=3600", many, "", "", true, "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97"},
		{"post-x-www-form-urlencoded", "POST", "/", form, "Param1=value1", "", false, "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
		{"post-x-www-form-urlencoded, query", "POST", "/?X-Amz-Expires=3600", form, "Param1=value1", "", true, "c2348f57d08c84939944d6c878b3f7be56316f8e7fd6817e81eded279a362d69"},
	} {
		req := egress.Request{Method: tc.method, URL: "https://example.amazonaws.com" + tc.target, Header: tc.header.Clone(), Body: []byte(tc.body)}
		a, signature := signed(t, &req, suite("service", tc.token, tc.inQuery))
		if diff := cmp.Diff(tc.want, signature); diff != "" {
			t.Errorf("%s: %s\n%s", tc.name, diff, a.Working)
		}
	}
	for name, tc := range map[string]struct{ path, want string }{
		"get-utf8":  {"/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		"get-space": {"/example space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
	} {
		w, bad := wireOf("https://example.amazonaws.com" + tc.path)
		if bad != "" {
			t.Fatal(bad)
		}
		h := http.Header{"X-Amz-Date": {"20150830T123600Z"}}
		signature, _ := signer{"AKIDEXAMPLE", suiteKey, "", "service", "us-east-1", "20150830T123600Z"}.
			sign(canonical("GET", w.path, "", w.host, h, signedHeaders(h), hashed(nil)))
		if diff := cmp.Diff(tc.want, signature); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWorking(t *testing.T) {
	req := egress.Request{Method: "GET", URL: "https://example.amazonaws.com/"}
	a, _ := signed(t, &req, suite("service", "", false))
	want := Applied{Headers: []string{"Authorization"}, Working: []Step{
		{"Canonical request", "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"String to sign", "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\nbb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"},
	}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
}

// awkward are requests whose signatures botocore 1.43 computed from what is sent.
var awkward = []struct {
	name, method, target string
	header               http.Header
	body, service, token string
	inQuery              bool
	uri, want            string // what is sent, without the parameters of a signature, and the signature
}{
	{"nothing", "GET", "", nil, "", "execute-api", "", false, "/", "9fa58fe5259c73f026348a4995fd2a686fc8bb40c8989a72f2fb301edcc9fe5f"},
	{"encoded path", "GET", "/a%20b/%2Fc/é/x+y=z:@&$,;!'()*~", nil, "", "execute-api", "", false, "/a%20b/%2Fc/%C3%A9/x%2By%3Dz%3A%40%26%24%2C%3B%21%27%28%29%2A~", "587ed6d350c8d7f54cdcf8674292641a656433ea7dc88de51a6c1ce884a46341"},
	{"percent in the path", "GET", "/100%25/%25zz", nil, "", "execute-api", "", false, "/100%25/%25zz", "20b83ff7fd93886c90feffeaaaca7bdbc70d5fdf21e3707167890bcc3063db8c"},
	{"dots and slashes", "POST", "/a/./b/../c//d/", nil, "{}", "lambda", "", false, "/a/./b/../c//d/", "4430afde0959c0f602a8af253f9113dafb280c2f929796fad886ae3fb283bffd"},
	{"query", "GET", "/x?b=2&a=1&a=0&A=3&k&=v&e=&q=a+b%20c%2Bd&u=é&p=a/b:c@d?e&star=*'()!", nil, "", "execute-api", "", false, "/x?b=2&a=1&a=0&A=3&k=&=v&e=&q=a%20b%20c%2Bd&u=%C3%A9&p=a%2Fb%3Ac%40d%3Fe&star=%2A%27%28%29%21", "434c81fe0f941add2951989cd4b0c9ea4e66de3943fe628db4b40718fbe92bff"},
	{"names that sort by their encoding", "GET", "/?a-b=1&a=2&a%20b=3&aB=4&a1=5&%61=6", nil, "", "sqs", "", false, "/?a-b=1&a=2&a%20b=3&aB=4&a1=5&a=6", "2e72701312787d684e9291d7f88b0516242f9088595be97a705468b654f71127"},
	{"headers", "PUT", "/x", http.Header{"Content-Type": {"application/json; charset=utf-8"}, "X-Spaces": {"  a   b  "}, "X-Twice": {"one", "two"}, "X-Empty": {""}, "User-Agent": {"me"}, "X-Amzn-Trace-Id": {"Root=1"}}, "{\"ä\":1}", "execute-api", "", false, "/x", "4a8c5587f8ff8eb5da83c70fa2ec1f17be1284b6331bfd4ff2fa5d7184bf97c3"},
	{"session token", "POST", "/", http.Header{"Content-Type": {"text/plain"}}, "body", "sns", "tok/en+with=signs", false, "/", "8c33684523ea6bbb1b48cf2ef158857320957d57c65e1bd72544f1f89b498208"},
	{"S3 key", "PUT", "/bucket/a b/ü+(1)!.json", http.Header{"Content-Type": {"application/json"}, "X-Amz-Acl": {"private"}}, "{}", "s3", "", false, "/bucket/a%20b/%C3%BC%2B%281%29%21.json", "7a89c8491c630e3864295d294b9539acb439f906a5ef6063605bee75f33400f7"},
	{"S3 dots and slashes", "GET", "/bucket//a/./b/", nil, "", "s3", "", false, "/bucket//a/./b/", "4f777e0f6ccd1d16131531a806ecc0902b941bb8677a4b2a58127c6c7c3489a7"},
	{"S3 encoded slash", "GET", "/bucket/a%2Fb", nil, "", "s3", "", false, "/bucket/a%2Fb", "aab9c81804d6c780b0e851156f76683f35739c7bf9108748c19488efdf2d638c"},
	{"S3 subresource", "GET", "/bucket?acl&prefix=a/b&delimiter=/", nil, "", "s3", "tok", false, "/bucket?acl=&prefix=a%2Fb&delimiter=%2F", "6774281e72d42387486d26a3aeb3a67f9f457de48e45bc8000db352984f91c1f"},
	{"S3 body not signed", "PUT", "/bucket/k", http.Header{"X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}, "x", "s3", "", false, "/bucket/k", "92e0ff9aa263ca3631af4cf1cf4a394ee0d064adb6d635127941d1fe3266660c"},
	{"OpenSearch Serverless", "POST", "/index/_doc", http.Header{"Content-Type": {"application/json"}}, "{}", "aoss", "", false, "/index/_doc", "5c07b7fdb95f37f92677d72199a24b5a6e44a888209b3a3607c7a21320f99f73"},
	{"in the query", "GET", "/x?b=2&a=1", nil, "", "execute-api", "", true, "/x?b=2&a=1", "0e875f3f797f169d01ed77d02e694869cc5e1c0eccd91da07fac880bd5ba23e3"},
	{"in the query, body and header", "POST", "/x", http.Header{"Content-Type": {"application/json"}}, "{}", "execute-api", "", true, "/x", "9e9439129852e213ef657ba7528a76c2f186b862f1aa7a32fbf4d9bab0492652"},
	{"in the query, token", "GET", "/", nil, "", "execute-api", "tok/en+with=signs", true, "/", "58e3bedfbefa7e7b5ff605fbb0dcdc6fcbe30337df6ca2bdd47d13478c3920a0"},
	{"in the query, S3", "PUT", "/bucket/a b+c", nil, "body", "s3", "tok", true, "/bucket/a%20b%2Bc", "1e288c65229c6130a342670da266946be36a91aa304d45b28dac0411395b5b0d"},
	{"in the query, S3, other life", "GET", "/bucket/k?X-Amz-Expires=60", nil, "", "s3", "", true, "/bucket/k?X-Amz-Expires=60", "dff3c1c32209b0acc9b22785d83fc8bc8965903d92bde09235df181ab5d7c847"},
}

func TestAwkwardRequests(t *testing.T) {
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer srv.Close()
	client := local(t)
	for _, tc := range awkward {
		req := egress.Request{Method: tc.method, URL: "https://EXAMPLE.amazonaws.com:8443" + tc.target, Header: tc.header.Clone(), Body: []byte(tc.body)}
		m := suite(tc.service, tc.token, tc.inQuery)
		a, signature := signed(t, &req, m)
		if diff := cmp.Diff(tc.want, signature); diff != "" {
			t.Errorf("%s: %s\n%s", tc.name, diff, a.Working)
		}
		url := req.URL
		again := egress.Request{Method: req.Method, URL: url, Header: req.Header.Clone(), Body: req.Body}
		if _, signature = signed(t, &again, m); signature != tc.want || len(again.URL) != len(url) {
			t.Errorf("%s: signed again: %s %s", tc.name, signature, again.URL)
		}
		req.URL = srv.URL + strings.TrimPrefix(url, "https://example.amazonaws.com:8443")
		header := req.Header.Clone()
		if _, err := client.Do(context.Background(), req); err != nil {
			t.Fatal(err)
		}
		uri, _, _ := strings.Cut(strings.Replace(got.RequestURI, "?X-Amz-Algorithm", "&X-Amz-Algorithm", 1), "&X-Amz-Algorithm")
		if diff := cmp.Diff(tc.uri, uri); diff != "" || srv.URL+got.RequestURI != req.URL {
			t.Errorf("%s: sent %s, signed %s: %s", tc.name, got.RequestURI, req.URL, diff)
		}
		for _, name := range signedHeaders(header) {
			if name = http.CanonicalHeaderKey(name); name != "Host" && strings.Join(got.Header[name], ",") != strings.Join(strings.Fields(strings.Join(header[name], ",")), " ") && name != "X-Spaces" {
				t.Errorf("%s: %s arrived as %q", tc.name, name, got.Header[name])
			}
		}
	}
}

func TestHosts(t *testing.T) {
	for in, want := range map[string]string{
		"https://Example.com": "https://example.com/", "https://example.com:443/a": "https://example.com/a", "https://example.com:80": "https://example.com:80/",
		"http://example.com:80/a?b": "http://example.com/a?b=", "https://bücher.example:444/?&a&&": "https://xn--bcher-kva.example:444/?a=", "https://[::1]:8443/": "https://[::1]:8443/",
	} {
		w, bad := wireOf(in)
		if diff := cmp.Diff(want, w.String()); diff != "" || bad != "" {
			t.Errorf("%s: %s %s", in, bad, diff)
		}
	}
	if _, bad := wireOf("/relative"); bad == "" {
		t.Error("no host, no complaint")
	}
}

func TestSignaturesAreMasked(t *testing.T) {
	m := suite("s3", "session/token+value", false)
	r := NewRedactor([]Material{m})
	req := egress.Request{Method: "GET", URL: "https://example.amazonaws.com/k"}
	a, signature := signed(t, &req, m)
	for _, h := range r.Request(req.Header, a) {
		if strings.Contains(h.Value, signature) || strings.Contains(h.Value, "session/token") {
			t.Error(h)
		}
	}
	for _, s := range a.Working {
		if strings.Contains(s.Text, signature) || strings.Contains(r.Text(s.Text), "session/token") {
			t.Error(s)
		}
	}
	m.Config["sign_query"] = true
	req = egress.Request{Method: "GET", URL: "https://example.amazonaws.com/k"}
	a, signature = signed(t, &req, m)
	if got := r.URL(req.URL, a); strings.Contains(got, signature) || strings.Contains(got, "session") || req.Header.Get("Authorization") != "" {
		t.Error(got, req.Header)
	}
}

func TestCheckSigV4(t *testing.T) {
	for name, tc := range map[string]struct {
		config  model.Config
		secrets model.Secrets
		want    []string
	}{
		"whole":       {model.Config{"access_key_id": "AKIA", "service": " S3 ", "region": "Eu-Central-1", "sign_query": "on"}, model.Secrets{"secret_access_key": "s"}, nil},
		"nothing":     {model.Config{"sign_query": ""}, nil, []string{"access_key_id", "secret_access_key", "service", "region"}},
		"pasted":      {model.Config{"access_key_id": "AKIA/x", "service": "s3", "region": "r"}, model.Secrets{"secret_access_key": "s ", "session_token": " t"}, []string{"access_key_id", "secret_access_key", "session_token"}},
		"switch":      {model.Config{"access_key_id": "AKIA", "service": "s3", "region": "r", "sign_query": "maybe"}, model.Secrets{"secret_access_key": "s"}, []string{"sign_query"}},
		"line breaks": {model.Config{"access_key_id": "AKIA", "service": "s3\n", "region": "r"}, model.Secrets{"secret_access_key": "s"}, []string{"service"}},
	} {
		var got []string
		clean := Clean("aws_sigv4", tc.config)
		for _, f := range Check("aws_sigv4", clean, tc.secrets, nil) {
			got = append(got, f.Name)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || (name == "whole" && clean["service"] != " S3 ") {
			t.Errorf("%s: %s %v", name, diff, clean)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	k := NewKeeper(egress.New(egress.Options{}), time.Now)
	body := []byte(strings.Repeat("x", 1024))
	for name, m := range map[string]Material{
		"bearer":    {Type: "bearer", Secrets: model.Secrets{"token": "t"}},
		"aws_sigv4": suite("execute-api", "", false),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req := egress.Request{Method: "POST", URL: "https://api.example.com/a/b?x=1", Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
				if _, err := k.Apply(context.Background(), &req, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
