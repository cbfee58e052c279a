package api

import (
	"fmt"
	"strings"
	"testing"
)

// Rules are made, read, changed and removed; what cannot be read is refused by its field; the proxy's password is never answered.
func TestNetworkRules(t *testing.T) {
	d := newDesk(t)
	con := d.do("POST", "/api/v1/connections", `{"name":"c","base_url":"https://a.example","direct":true}`).want(201).object()
	dst := d.do("POST", fmt.Sprint("/api/v1/connections/", con["id"], "/destinations"), `{"name":"d"}`).want(201).object()
	if con["direct"] != true {
		t.Errorf("direct: %v", con)
	}
	const path = "/api/v1/network-rules"
	rule := d.do("POST", path, fmt.Sprintf(`{"pattern":" 10.0.0.7/8 ","destination_id":%q,"note":"ERP"}`, dst["id"])).want(201).object()
	if rule["pattern"] != "10.0.0.0/8" || rule["effect"] != "allow" || rule["version"] != 1.0 || !strings.HasPrefix(fmt.Sprint(rule["id"]), "nru_") {
		t.Errorf("made as %v", rule)
	}
	one := fmt.Sprint(path, "/", rule["id"])
	for body, field := range map[string]string{`{"pattern":""}`: "pattern", `{"pattern":"http://a"}`: "pattern", `{"pattern":"a","effect":"maybe"}`: "effect",
		`{"pattern":"169.254.169.254"}`: "pattern", `{"pattern":"a","connection_id":"con_x"}`: "connection_id", `{"pattern":"a","destination_id":"dst_x"}`: "destination_id",
		fmt.Sprintf(`{"pattern":"a","connection_id":%q,"destination_id":%q}`, con["id"], dst["id"]): "destination_id"} {
		got := d.do("POST", path, body).want(422).object()
		if e := got["errors"].([]any); len(e) != 1 || e[0].(map[string]any)["field"] != field {
			t.Errorf("%s: %v", body, got)
		}
	}
	d.do("POST", path, `{"pattern":"169.254.169.254","effect":"deny"}`).want(201)
	d.do("POST", path, fmt.Sprintf(`{"pattern":"10.0.0.0/8","effect":"deny","destination_id":%q}`, dst["id"])).want(409)
	if list := d.do("GET", fmt.Sprint(path, "?destination_id=", dst["id"]), "").want(200).object()["items"].([]any); len(list) != 1 {
		t.Errorf("of the destination: %v", list)
	}
	d.do("GET", path+"?nothing=1", "").want(422)
	d.do("PUT", one, fmt.Sprintf(`{"pattern":"erp.example.com:8443","destination_id":%q,"version":1}`, dst["id"])).want(200)
	d.do("PUT", one, `{"pattern":"erp.example.com","version":1}`).want(409)

	try := func(url, id string) map[string]any {
		return d.do("POST", path+"/simulate", fmt.Sprintf(`{"url":%q,"destination_id":%q}`, url, id)).want(200).object()
	}
	if got := try("https://192.168.7.7/x", ""); got["allowed"] != false || got["rule"] != "private_address" || got["redirects"] == "" {
		t.Errorf("private: %v", got)
	}
	d.do("PUT", one, fmt.Sprintf(`{"pattern":"192.168.7.7","destination_id":%q}`, dst["id"])).want(200)
	got := try("https://192.168.7.7/x", fmt.Sprint(dst["id"]))
	if by := got["addresses"].([]any)[0].(map[string]any)["by"].(map[string]any); got["allowed"] != true || by["id"] != rule["id"] || by["from"] != "destination" {
		t.Errorf("allowed for the destination: %v", got)
	}
	if got := try("https://192.168.7.7/x", ""); got["allowed"] != false {
		t.Errorf("for all: %v", got)
	}
	d.do("POST", path+"/simulate", `{"url":"https://a","destination_id":"dst_x"}`).want(404)
	d.do("DELETE", one, "").want(204)
	d.do("GET", one, "").want(404)

	const settings = "/api/v1/settings/network"
	set := d.do("PUT", settings, `{"proxy_url":"http://proxy.example.com:3128","proxy_user":"ada","proxy_password":"s3cret-pw","proxy_bypass":["*.LAN","10.0.0.1/8"]}`).want(200)
	if s := set.object(); fmt.Sprint(s["secrets"], s["proxy_bypass"], s["fixed"]) != "[proxy_password] [*.lan 10.0.0.0/8] false" || strings.Contains(fmt.Sprint(s), "s3cret") {
		t.Errorf("set: %v", s)
	}
	d.do("PUT", settings, `{"proxy_url":"http://evil.example.com:3128","proxy_user":"ada"}`).want(422)
	for _, body := range []string{`{"proxy_url":"socks5://a"}`, `{"proxy_url":"http://ada:pw@a"}`, `{"proxy_url":"http://a","proxy_user":"a:b"}`, `{"proxy_url":"http://a","proxy_bypass":["a b..c"]}`, `{"proxy_url":"http://169.254.169.254"}`} {
		if got := d.do("PUT", settings, body).want(422).object(); strings.Contains(fmt.Sprint(got), "ada:pw") {
			t.Errorf("repeats a password: %v", got)
		}
	}
	d.do("PUT", settings, `{"version":1}`).want(200)
	d.do("PUT", settings, `{"version":2}`).want(200) // nothing changes
	d.do("PUT", settings, `{"proxy_url":"http://a","version":1}`).want(409)

	const letters = "/api/v1/settings/mail"
	for host := range 2 { // without a version it is whatever is there
		d.do("PUT", letters, fmt.Sprintf(`{"host":"mail%d.example.com","port":25,"security":"none","from":"a@example.com"}`, host)).want(200)
	}
	if got := d.do("PUT", letters, `{"host":"mail","port":25,"security":"none","from":"a@example.com","version":1}`).want(409).object(); !strings.Contains(fmt.Sprint(got), "you have version 1, it is at version 2") {
		t.Errorf("an old version: %v", got)
	}
}
