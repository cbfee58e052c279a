package scheme

import (
	"bufio"
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"waybill/db/model"
	"waybill/jobs/egress"
)

const (
	theirClient = "way bill/1%+"
	theirSecret = "s%c:r+t&=1 / long enough for HS256 as well"
)

// others starts a server that we did not write (testdata/interop) and gives its address.
func others(t *testing.T, script string, env ...string) string {
	t.Helper()
	const folder = "testdata/interop"
	if _, err := os.Stat(folder + "/node_modules"); err != nil {
		t.Skip("the servers of others are not fetched: npm ci --prefix jobs/scheme/testdata/interop")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s does not start: %v", script, err)
	}
	return strings.TrimSpace(address)
}

// theirKeys makes a key for each algorithm, and tells the servers the public halves.
func theirKeys(t *testing.T) (private map[string]model.Secret, env []string) {
	t.Helper()
	private = map[string]model.Secret{"HS256": theirSecret}
	public := map[string]string{}
	add := func(algorithm string, key, pub any) {
		private[algorithm] = pkcs8(t, key)
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		public[algorithm] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	for _, a := range []string{"RS256", "RS384", "RS512"} {
		add(a, rsaKey, &rsaKey.PublicKey)
	}
	p256, p384 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	add("ES256", p256, &p256.PublicKey)
	add("ES384", p384, &p384.PublicKey)
	text, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	return private, []string{"KEYS=" + string(text), "CLIENT=" + theirClient, "SECRET=" + theirSecret, "PASSWORD=p&w =d%"}
}

func TestACertifiedProvider(t *testing.T) {
	private, env := theirKeys(t)
	address := others(t, "oidc.mjs", env...)
	k := NewKeeper(local(t), time.Now)
	try := func(name, client, how, algorithm string, secret model.Secret, scope, want string) {
		m := Material{Type: "oauth2", Secrets: model.Secrets{"client_secret": secret, "signing_key": private[algorithm]}, Config: model.Config{"grant": "client_credentials",
			"token_url": address + "/token", "client_id": client, "client_auth": how, "scope": scope, "signing_algorithm": algorithm}}
		header, _, err := authorize(k, m)
		if want == "" && (err != nil || len(header) < 20) {
			t.Errorf("%s: %q %v", name, header, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Message, want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	try("client_secret_basic", theirClient, "basic", "", theirSecret, "read,write", "")
	try("client_secret_post", "post", "post_body", "", theirSecret, "read", "")
	try("client_secret_jwt", "shared", "private_key_jwt", "HS256", "", "", "")
	for _, a := range []string{"RS256", "RS384", "RS512", "ES256", "ES384"} {
		try("private_key_jwt "+a, a, "private_key_jwt", a, "", "read", "")
	}
	try("wrong secret", "post", "post_body", "", "wrong", "", "401 Unauthorized with the error invalid_client")
	try("wrong key", "ES256", "private_key_jwt", "RS256", "", "", "401 Unauthorized with the error invalid_client")
	try("sent as typed", theirClient, "basic_raw", "", theirSecret, "", "invalid_")
	try("wrong form", "post", "post_query", "", theirSecret, "", "with the error invalid_request")
}

func TestAnotherTokenServer(t *testing.T) {
	private, env := theirKeys(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	stranger := pkcs8(t, other)
	address := others(t, "oauth2.mjs", env...)
	e := local(t)
	k := NewKeeper(e, time.Now)
	try := func(name, want string, config model.Config, secrets model.Secrets) {
		config["token_url"], config["client_id"], config["scope"] = address+"/token", theirClient, "read, write"
		if _, there := secrets["client_secret"]; !there {
			secrets["client_secret"] = theirSecret
		}
		req := egress.Request{Method: "GET", URL: address + "/api"}
		_, err := k.Apply(context.Background(), &req, Material{Type: "oauth2", Config: config, Secrets: secrets})
		if strings.HasPrefix(want, "{") { // what the resource says
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			x, err := e.Do(context.Background(), req)
			if err != nil || x.Status != 200 || string(x.Body) != want {
				t.Errorf("%s: %d %s %v", name, x.Status, x.Body, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, how := range []string{"post_body", "basic_raw"} { // this server does not decode what the header holds
		try(how, `{"user":"machine"}`, model.Config{"grant": "client_credentials", "client_auth": how}, model.Secrets{})
		try(how, `{"user":"ada@example.com"}`, model.Config{"grant": "password", "username": "ada@example.com", "client_auth": how}, model.Secrets{"password": "p&w =d%"})
	}
	for algorithm, key := range private {
		c := model.Config{"grant": "jwt_bearer", "issuer": "me", "subject": "ada", "signing_algorithm": algorithm}
		try(algorithm, `{"user":"ada"}`, c, model.Secrets{"signing_key": key})
		try(algorithm+" again", `{"user":"ada"}`, c, model.Secrets{"signing_key": key})
	}
	try("encoded", "with the error invalid_client", model.Config{"grant": "client_credentials", "client_auth": "basic"}, model.Secrets{})
	try("password", "with the error invalid_grant", model.Config{"grant": "password", "username": "ada@example.com"}, model.Secrets{"password": "wrong"})
	try("issuer", `unexpected "iss" claim value`, model.Config{"grant": "jwt_bearer", "issuer": "you", "subject": "ada"}, model.Secrets{"signing_key": private["RS256"]})
	try("key", "signature verification failed", model.Config{"grant": "jwt_bearer", "issuer": "me", "subject": "ada"}, model.Secrets{"signing_key": stranger})
}

func TestAnS3Store(t *testing.T) {
	address := others(t, "s3.mjs", "FOLDER="+t.TempDir())
	e := local(t)
	k := NewKeeper(e, time.Now)
	do := func(m Material, method, target, body string) (int, string) {
		t.Helper()
		req := egress.Request{Method: method, URL: address + target, Body: []byte(body)}
		if _, err := k.Apply(context.Background(), &req, m); err != nil {
			t.Fatal(err)
		}
		x, err := e.Do(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		return x.Status, string(x.Body)
	}
	material := func(inQuery bool, secret model.Secret) Material {
		return Material{Type: "aws_sigv4", Secrets: model.Secrets{"secret_access_key": secret},
			Config: model.Config{"access_key_id": "S3RVER", "service": "s3", "region": "eu-central-1", "sign_query": inQuery}}
	}
	for _, inQuery := range []bool{false, true} {
		m := material(inQuery, "S3RVER")
		for n, key := range []string{"plain.json", "a/b/c.json", "a b+c.json", "ünï/日本.json", "!'()*;:@&=$,~-_.json", "100%25.json"} {
			body := fmt.Sprintf(`{"n":%d}`, n)
			if status, text := do(m, "PUT", "/bucket/"+key, body); status != 200 {
				t.Errorf("%s: %d %s", key, status, text)
			}
			if status, text := do(m, "GET", "/bucket/"+key, ""); status != 200 || text != body {
				t.Errorf("%s: %d %s", key, status, text)
			}
		}
		if status, text := do(m, "GET", "/bucket?list-type=2&prefix=a/b&delimiter=/", ""); status != 200 || !strings.Contains(text, "a/b/") {
			t.Errorf("list: %d %s", status, text)
		}
		if status, text := do(material(inQuery, "wrong"), "GET", "/bucket/plain.json", ""); status != 403 || !strings.Contains(text, "SignatureDoesNotMatch") {
			t.Errorf("wrong key: %d %s", status, text)
		}
	}
}
