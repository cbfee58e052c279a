package scheme

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
	"waybill/jobs/egress"
)

// issuer is a token endpoint that keeps what it was asked.
type issuer struct {
	*httptest.Server
	asked atomic.Int32
	mu    sync.Mutex
	last  string // method, address, authorization and body, a line each
}

func newIssuer(t *testing.T, answer http.HandlerFunc) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		i.mu.Lock()
		i.last = strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("Authorization"), string(body)}, "\n")
		i.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answer(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func local(t *testing.T) *egress.Client {
	t.Helper()
	rules, err := egress.ParseRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	c := egress.New(egress.Options{Rules: rules})
	t.Cleanup(c.Close)
	return c
}

func granting(token string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
	}
}

// authorize applies m to a request of a target and gives its Authorization header.
func authorize(k *Keeper, m Material) (string, Applied, *egress.Error) {
	req := egress.Request{Method: "POST", URL: "https://api.example.com/x"}
	a, err := k.Apply(context.Background(), &req, m)
	var e *egress.Error
	errors.As(err, &e)
	return req.Header.Get("Authorization"), a, e
}

func clientCredentials(tokenURL string) Material {
	return Material{Type: "oauth2", ID: "crd_1", Version: 1, Secrets: model.Secrets{"client_secret": "hush-hush-hush"},
		Config: model.Config{"grant": "client_credentials", "token_url": tokenURL, "client_id": "waybill"}}
}

func TestTokenRequests(t *testing.T) {
	i := newIssuer(t, granting("tok"))
	secrets := model.Secrets{"client_secret": "a b:c%ä", "password": "p&w=d", "assertion": "aaa.bbb\r\n.ccc\n"}
	for name, tc := range map[string]struct {
		config model.Config
		want   string
	}{
		"body": {model.Config{"grant": "client_credentials", "client_id": "id+1", "scope": " a.read, a.write  b "},
			"POST\n/token\n\nclient_id=id%2B1&client_secret=a+b%3Ac%25%C3%A4&grant_type=client_credentials&scope=a.read+a.write+b"},
		"body, query of the URL": {model.Config{"grant": "client_credentials", "client_id": "id", "client_auth": "post_body", "query": "?tenant=7&x=%2F"},
			"POST\n/token?tenant=7&x=%2F\n\nclient_id=id&client_secret=a+b%3Ac%25%C3%A4&grant_type=client_credentials"},
		"query": {model.Config{"grant": "client_credentials", "client_id": "id", "client_auth": "post_query", "query": "?tenant=7", "scope": "s"},
			"POST\n/token?tenant=7&client_id=id&client_secret=a+b%3Ac%25%C3%A4&grant_type=client_credentials&scope=s\n\n"},
		"get": {model.Config{"grant": "client_credentials", "client_id": "id", "client_auth": "get_query"},
			"GET\n/token?client_id=id&client_secret=a+b%3Ac%25%C3%A4&grant_type=client_credentials\n\n"},
		"basic": {model.Config{"grant": "client_credentials", "client_id": "id:1", "client_auth": "basic", "extra": map[string]any{"audience": "https://a.example/x y", "resource": ""}},
			"POST\n/token\nBasic " + base64.StdEncoding.EncodeToString([]byte("id%3A1:a+b%3Ac%25%C3%A4")) + "\naudience=https%3A%2F%2Fa.example%2Fx+y&grant_type=client_credentials&resource="},
		"raw basic": {model.Config{"grant": "client_credentials", "client_id": "id", "client_auth": "basic_raw"},
			"POST\n/token\nBasic " + base64.StdEncoding.EncodeToString([]byte("id:a b:c%ä")) + "\ngrant_type=client_credentials"},
		"json": {model.Config{"grant": "client_credentials", "client_id": "id", "client_auth": "post_json", "account_id": "7281698", "scope": "a,b", "query": "?tenant=7"},
			"POST\n/token?tenant=7\n\n" + `{"account_id":"7281698","client_id":"id","client_secret":"a b:c%ä","grant_type":"client_credentials","scope":"a b"}`},
		"password": {model.Config{"grant": "password", "client_id": "id", "username": "ada@example.com"},
			"POST\n/token\n\nclient_id=id&client_secret=a+b%3Ac%25%C3%A4&grant_type=password&password=p%26w%3Dd&username=ada%40example.com"},
		"pasted assertion": {model.Config{"grant": "jwt_bearer", "client_id": "id", "client_auth": "basic_raw"},
			"POST\n/token\nBasic " + base64.StdEncoding.EncodeToString([]byte("id:a b:c%ä")) + "\nassertion=aaa.bbb.ccc&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"},
	} {
		query := tc.config.Text("query")
		delete(tc.config, "query")
		tc.config["token_url"] = i.URL + "/token" + query
		header, a, err := authorize(NewKeeper(local(t), time.Now), Material{Type: "oauth2", Config: tc.config, Secrets: secrets})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, i.last); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(Applied{Headers: []string{"Authorization"}, Token: "tok", Renews: true}, a); diff != "" || header != "Bearer tok" {
			t.Errorf("%s: %s %s", name, header, diff)
		}
	}
}

// strict answers as RFC 6749 demands and no looser: a form body, each parameter once, one way to authenticate.
func strict(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code, words string) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, code, words)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	if r.Method != http.MethodPost || kind != "application/x-www-form-urlencoded" || err != nil || r.ContentLength < 0 {
		refuse(400, "invalid_request", "post a form")
		return
	}
	for name, values := range form {
		if len(values) != 1 || values[0] == "" {
			refuse(400, "invalid_request", name+" must be there once")
			return
		}
	}
	id, secret, header := r.BasicAuth()
	if header && (form.Has("client_secret") || form.Has("client_id")) {
		refuse(400, "invalid_request", "two ways to authenticate")
		return
	}
	if header {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	switch {
	case id != "wäy bill" || secret != "s%c:r+t&=1":
		w.Header().Set("WWW-Authenticate", `Basic realm="idp"`)
		refuse(401, "invalid_client", "no such client with that secret: "+secret)
	case form.Get("grant_type") == "password" && form.Get("password") != "pass word":
		refuse(400, "invalid_grant", "wrong password "+form.Get("password"))
	case form.Get("scope") != "read write":
		refuse(400, "invalid_scope", "only read write")
	default:
		granting("strict")(w, r)
	}
}

func TestAStrictServer(t *testing.T) {
	i := newIssuer(t, strict)
	k := NewKeeper(local(t), time.Now)
	for _, how := range []string{"post_body", "basic"} {
		for _, grant := range []string{"client_credentials", "password"} {
			m := Material{Type: "oauth2", Config: model.Config{"grant": grant, "token_url": i.URL, "client_id": "wäy bill", "client_auth": how, "scope": "read,write", "username": "ada"},
				Secrets: model.Secrets{"client_secret": "s%c:r+t&=1", "password": "pass word"}}
			if header, _, err := authorize(k, m); err != nil || header != "Bearer strict" {
				t.Errorf("%s %s: %s %v", how, grant, header, err)
			}
			m.Secrets = model.Secrets{"client_secret": "s%c:r+t&=2", "password": "pass word"}
			_, _, err := authorize(k, m)
			if err == nil || err.Class != model.ClassAuth || strings.Contains(err.Message, "s%c") ||
				!strings.Contains(err.Message, "answered 401 Unauthorized with the error invalid_client (no such client with that secret: •••). Check client id and secret") {
				t.Errorf("%s %s: %v", how, grant, err)
			}
		}
	}
}

func TestTokenAnswers(t *testing.T) {
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for _, tc := range []struct {
		name, kind, body string
		status           int
		token            string
		kept             time.Duration
		words            string
	}{
		{"whole", "", `{"access_token":"t","token_type":"Bearer","expires_in":3600}`, 200, "t", 45 * time.Second, ""},
		{"short life", "", `{"access_token":"t","token_type":"bearer","expires_in":20}`, 200, "t", 18 * time.Second, ""},
		{"life as text", "", `{"access_token":"t","token_type":"BEARER","expires_in":"30"}`, 200, "t", 27 * time.Second, ""},
		{"life with a fraction", "", `{"access_token":"t","expires_in":30.9}`, 200, "t", 27 * time.Second, ""},
		{"no life", "", `{"access_token":"t","token_type":"Bearer"}`, 200, "t", 45 * time.Second, ""},
		{"life null", "", `{"access_token":"t","expires_in":null}`, 200, "t", 45 * time.Second, ""},
		{"life nonsense", "", `{"access_token":"t","expires_in":"soon"}`, 200, "t", 45 * time.Second, ""},
		{"life beyond numbers", "", `{"access_token":"t","expires_in":1e400}`, 200, "t", 45 * time.Second, ""},
		{"life over", "", `{"access_token":"t","expires_in":-5}`, 200, "t", 0, ""},
		{"created", "", `{"access_token":"t"}`, 201, "t", 45 * time.Second, ""},
		{"type of its own", "", `{"access_token":"t","token_type":"BearerToken","expires_in":"3599"}`, 200, "t", 45 * time.Second, ""},
		{"byte order mark", "", "\ufeff" + `{"access_token":"t"}`, 200, "t", 45 * time.Second, ""},
		{"JSON named otherwise", "text/html", `{"access_token":"t"}`, 200, "t", 45 * time.Second, ""},
		{"form", form, "access_token=t%2B1&token_type=bearer&expires_in=20", 200, "t+1", 18 * time.Second, ""},
		{"form as text", "text/plain", "access_token=t&expires=3600\n", 200, "t", 45 * time.Second, ""},
		{"error with 200", "", `{"error":"invalid_client","error_description":"who?"}`, 200, "", 0, "answered 200 OK with the error invalid_client (who?). Check client id and secret"},
		{"error with 200 and a token", "", `{"error":"x","access_token":"t"}`, 200, "", 0, "with the error x."},
		{"form error", form, "error=bad_verification_code&error_description=The+code+is+wrong.", 200, "", 0, "with the error bad_verification_code (The code is wrong)"},
		{"nested error", "", `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"bad\nassertion"}}`, 400, "", 0, "answered 400 Bad Request with the error INVALID_ARGUMENT (bad assertion)."},
		{"long error", "", `{"error":"invalid_grant","error_description":"` + strings.Repeat("x", 500) + `"}`, 400, "", 0, strings.Repeat("x", 300) + "…). Check user name and password"},
		{"down", "text/html", "<html>Bad gateway</html>", 502, "", 0, "answered 502 Bad Gateway."},
		{"not there", "text/html", "<html>", 404, "", 0, "answered 404 Not Found. Check the access token URL"},
		{"page", "text/html", "<html>Sign in</html>", 200, "", 0, "answered 200, but neither with JSON nor with a form."},
		{"nothing", "", "", 204, "", 0, "answered 204, but neither"},
		{"list", "", `[{"access_token":"t"}]`, 200, "", 0, "neither with JSON"},
		{"null", "", `null`, 200, "", 0, "neither with JSON"},
		{"empty token", "", `{"access_token":"","token_type":"Bearer"}`, 200, "", 0, "answered 200 without an access_token."},
		{"token of another type", "", `{"access_token":7}`, 200, "", 0, "without an access_token."},
		{"token with a line break", "", `{"access_token":"a\r\nX-Evil: 1"}`, 200, "", 0, "characters that no header can carry."},
		{"token that needs proof", "", `{"access_token":"t","token_type":"DPoP"}`, 200, "", 0, "of type DPoP, which needs a proof"},
		{"huge", "", `{"access_token":"t","pad":"` + strings.Repeat("x", 2<<20) + `"}`, 200, "", 0, "answered 200 with more than 1 MiB"},
		{"redirect", "", `{"access_token":"t"}`, 302, "", 0, "answered 302 and points elsewhere. Redirects are not followed"},
	} {
		elsewhere := newIssuer(t, granting("stolen"))
		i := newIssuer(t, func(w http.ResponseWriter, _ *http.Request) {
			if w.Header().Set("Content-Type", tc.kind); tc.kind == "" {
				w.Header().Set("Content-Type", "application/json")
			}
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, tc.body)
		})
		now := time.Unix(1_800_000_000, 0)
		k, m := NewKeeper(local(t), func() time.Time { return now }), clientCredentials(i.URL)
		header, _, err := authorize(k, m)
		if tc.words != "" {
			if err == nil || err.Class != model.ClassAuth || !strings.Contains(err.Message, tc.words) || header != "" ||
				!strings.HasPrefix(err.Message, "The token endpoint "+strings.TrimPrefix(i.URL, "http://")+" ") {
				t.Errorf("%s: %q %v", tc.name, header, err)
			}
		} else if err != nil || header != "Bearer "+tc.token || k.tokens.kept[m.tokenKey()].until.Sub(now) != tc.kept {
			t.Errorf("%s: %q %v, kept for %v", tc.name, header, err, k.tokens.kept[m.tokenKey()].until.Sub(now))
		}
		if elsewhere.asked.Load() != 0 {
			t.Errorf("%s: the redirect was followed", tc.name)
		}
	}
}

func TestEndpointsThatCannotBeAsked(t *testing.T) {
	down := newIssuer(t, granting("x"))
	down.Close()
	release := make(chan struct{})
	slow := newIssuer(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	for _, tc := range []struct {
		name, url string
		class     model.ErrorClass
		words     string
	}{
		{"down", down.URL, model.ClassAuth, "gave no token. Nothing listens at 127.0.0.1 ("},
		{"slow", slow.URL, model.ClassAuth, "gave no token. No answer within 0.05 s."},
		{"metadata", "http://169.254.169.254/token", model.ClassRefused, "The token endpoint cannot be called. 169.254.169.254 is refused"},
		{"private", "https://10.0.0.1/token", model.ClassRefused, "cannot be called"},
		{"nonsense", "ftp://a.example/token", model.ClassRefused, "cannot be called"},
	} {
		k := NewKeeper(local(t), time.Now)
		k.patience = 50 * time.Millisecond
		if _, _, err := authorize(k, clientCredentials(tc.url)); err == nil || err.Class != tc.class || !strings.Contains(err.Message, tc.words) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	plain := NewKeeper(egress.New(egress.Options{}), time.Now)
	if _, _, err := authorize(plain, clientCredentials("http://login.example.com/token")); err == nil || err.Class != model.ClassRefused || !strings.Contains(err.Message, "plain_http") {
		t.Errorf("plain HTTP: %v", err)
	}
}

func TestRequestsGoWhereTheTokenSays(t *testing.T) {
	says := ""
	i := newIssuer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"access_token":"tok","rest_instance_url":%q,"soap_instance_url":"https://soap.example.com/"}`, says)
	})
	for _, tc := range []struct{ says, member, want, wrong string }{
		{"https://abc.rest.example.com/", "rest_instance_url", "https://abc.rest.example.com/x/y?z=1", ""},
		{"https://abc.rest.example.com:444/base/", "rest_instance_url", "https://abc.rest.example.com:444/base/x/y?z=1", ""},
		{"https://abc.rest.example.com/", "soap_instance_url", "https://soap.example.com/x/y?z=1", ""},
		{"https://abc.rest.example.com/", "", "https://api.example.com/x/y?z=1", ""},
		{"https://abc.rest.example.com/", "other_url", "https://api.example.com/x/y?z=1", ""},
		{"nonsense", "rest_instance_url", "https://api.example.com/x/y?z=1", ""},
		{"https://user:word@abc.example.com/", "rest_instance_url", "https://api.example.com/x/y?z=1", ""},
		{"http://10.0.0.1/", "rest_instance_url", "", "The token's answer says to send requests to http://10.0.0.1."},
		{"https://10.0.0.1/", "rest_instance_url", "", "The token's answer says to send requests to https://10.0.0.1."},
	} {
		says = tc.says
		m := clientCredentials(i.URL)
		m.ID, m.Origin = "", tc.member
		req := egress.Request{Method: "POST", URL: "https://api.example.com/x/y?z=1"}
		_, err := NewKeeper(local(t), time.Now).Apply(context.Background(), &req, m)
		if tc.wrong != "" {
			var e *egress.Error
			if !errors.As(err, &e) || e.Class != model.ClassRefused || !strings.HasPrefix(e.Message, tc.wrong) || req.Header.Get("Authorization") != "" {
				t.Errorf("%+v: %v", tc, err)
			}
		} else if diff := cmp.Diff(tc.want, req.URL); diff != "" || err != nil || req.Header.Get("Authorization") != "Bearer tok" {
			t.Errorf("%+v: %v %s", tc, err, diff)
		}
	}
}

func TestSampleOfAJSONRequest(t *testing.T) {
	text := func(name string) string { return map[string]string{"client_id": "id"}[name] }
	got := tokenSample(model.Config{"grant": "client_credentials", "client_auth": "post_json", "client_id": `i"d`, "account_id": "72", "token_url": "https://a.example/v2/token"}, text,
		func(string) string { return model.Mask })
	want := "POST /v2/token HTTP/1.1\nHost: a.example\nAccept: application/json\nContent-Type: application/json\n\n" +
		`{"grant_type":"client_credentials",` + "\n" + ` "account_id":"72",` + "\n" + ` "client_id":"i\"d",` + "\n" + ` "client_secret":"•••"}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
