package href_test

import (
	"net/url"
	"testing"

	"waybill/views/href"
)

type id string

func TestURLs(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{href.Connection(id("con_1")), "/connections/con_1"},
		{href.Connection(href.Pattern), "/connections/:id"},
		{href.NewDestination(href.Pattern), "/connections/:id/destinations/new"},
		{href.Event("a/b?c"), "/events/a%2Fb%3Fc"},
		{href.DeliveriesIn("failed"), "/deliveries?status=failed"},
		{href.DeliveriesIn(""), "/deliveries"},
		{href.DeliveriesWith(url.Values{"status": {""}, "lane": {"bulk"}}), "/deliveries?lane=bulk"},
		{href.NewActionTo(id("dst_1")), "/actions/new?destination_id=dst_1"},
		{href.LoginThen("/deliveries?a=b"), "/login?next=%2Fdeliveries%3Fa%3Db"},
		{href.With("/x?a=1", "b", "2 3"), "/x?a=1&b=2+3"},
		{href.SetupLink("t&k"), "/setup?token=t%26k"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
