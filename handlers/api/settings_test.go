package api

import (
	"encoding/json"
	"fmt"
	"testing"
)

// What a destination leaves to its connection follows it, also after PUT took what GET gave; what it says itself stays.
func TestDeliverySettings(t *testing.T) {
	d := newDesk(t)
	con := d.do("POST", "/api/v1/connections", `{"name":"c","base_url":"https://a.example","retry_schedule":[0,7],"retry_on":"404"}`).want(201).object()
	list := fmt.Sprint("/api/v1/connections/", con["id"], "/destinations")
	plain := d.do("POST", list, `{"name":"plain"}`).want(201).object()
	own := d.do("POST", list, `{"name":"own","retry_schedule":[0,1,2],"retry_on":" 500-599 ,!501","rate_per_second":2.5,"ordered":true,"batch_size":20}`).want(201).object()
	same := func(what string, want, got any) {
		t.Helper()
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s: want %v, got %v", what, want, got)
		}
	}
	same("inherited schedule", "[0 7]", plain["retry_schedule"])
	same("no rate", nil, plain["rate_per_second"])
	same("own settings", "[0 1 2] 500-599, !501 2.5 true 20 1000", fmt.Sprint(own["retry_schedule"], " ", own["retry_on"], " ", own["rate_per_second"], " ", own["ordered"], " ", own["batch_size"], " ", own["batch_wait_ms"]))
	for _, x := range []map[string]any{plain, own} { // PUT takes what GET gave
		text, err := json.Marshal(d.do("GET", fmt.Sprint("/api/v1/destinations/", x["id"]), "").want(200).object())
		if err != nil {
			t.Fatal(err)
		}
		same("version after PUT of what GET gave", 1, d.do("PUT", fmt.Sprint("/api/v1/destinations/", x["id"]), string(text)).want(200).object()["version"])
	}
	d.do("PUT", fmt.Sprint("/api/v1/connections/", con["id"]), `{"name":"c","base_url":"https://a.example","retry_schedule":[0,60]}`).want(200)
	same("schedule after the connection's changed", "[0 60]", d.do("GET", fmt.Sprint("/api/v1/destinations/", plain["id"]), "").want(200).object()["retry_schedule"])
	same("own schedule then", "[0 1 2]", d.do("GET", fmt.Sprint("/api/v1/destinations/", own["id"]), "").want(200).object()["retry_schedule"])
}
