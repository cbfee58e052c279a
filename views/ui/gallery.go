package ui

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

var galleryStatuses = []string{
	"pending", "sending", "retrying", "delivered", "failed", "skipped", "held", "cancelled",
	"enabled", "disabled", "untested", "expiring", "revoked",
}

var galleryTypes = []TypeCardProps{
	{Kind: "webhook", Title: "Webhook", Lead: "Post events to any HTTPS address, signed.", URL: "#webhook"},
	{Kind: "custom_http", Title: "Custom HTTP", Lead: "Any method, path, headers and body.", URL: "#http"},
	{Kind: "s3", Title: "Amazon S3", Lead: "Write objects to a bucket.", URL: "#s3"},
	{Kind: "salesforce_mc", Title: "Salesforce Marketing Cloud", Lead: "Data extension rows and journey entry events.", URL: "#sf"},
	{Kind: "marketo", Title: "Marketo", Lead: "Leads and custom activities.", URL: "#mk"},
	{Kind: "slack", Title: "Slack", Lead: "Messages to a channel.", URL: "#sl"},
	{Kind: "teams", Title: "Microsoft Teams", Lead: "Cards to a channel.", URL: "#te"},
}

type galleryRow struct {
	id, status, event, response, took string
	attempts                          []Tone
	age                               time.Duration
}

var galleryRows = []galleryRow{
	{"dlv_3f2dc4", "delivered", "order.created", "201 Created", "247 ms", []Tone{OK}, 2 * time.Second},
	{"dlv_3f2d9f", "retrying", "order.paid", "503 Unavailable", "3.1 s", []Tone{Bad, Bad}, 70 * time.Second},
	{"dlv_3f2d7a", "failed", "stock.low", "404 Not Found", "87 ms", []Tone{Bad}, 4 * time.Minute},
	{"dlv_3f2d55", "held", "order.cancelled", "–", "–", nil, 3 * time.Hour},
}

const galleryTemplate = `{{! const order = it.data[0]; if (!order) return null; }}
{
  "ref": {{ order.number }},
  "customer": "{{ order.customer.email.toLowerCase() }}",
  "total": {{ order.total }},
  "note": {{ missing.x }}, // price in cents
  "lines": [
    {{@each(order.items) => line, i}}
    { "sku": {{ line.sku }}, "qty": {{ line.quantity * 2 }} },
    {{/each}}
    null
  ]
}`

const galleryTemplate2 = `{{! const order = it.data[0]; }}
{
  "ref": {{ order.number }},
  "customer": "{{ order.customer.email.toLowerCase() }}",
  "total": {{ order.total }},
  "lines": [
    {{@each(order.items) => line, i}}
    { "sku": {{ line.sku }}, "qty": {{ line.quantity }} },
    {{/each}}
    null
  ]
}`

const galleryJSON = `{
  "ref": "A-10482",
  "customer": "mia@example.com",
  "total": 141.4,
  "gift": false,
  "lines": [
    { "sku": "LAMP-02", "qty": 2 },
    { "sku": "CABLE-1M", "qty": 5 }
  ]
}`

// galleryChart is a day of deliveries with a bad hour.
func galleryChart() ChartProps {
	p := ChartProps{
		Title:  "Deliveries by half hour, 24 h",
		Series: []Series{{"Delivered", Accent}, {"Delivered after retry", Warn}, {"Failed", Bad}},
	}
	for i := range 48 {
		ok := float64(20 + (i*7)%9 + min(i, 48-i))
		bar := Bar{Label: fmt.Sprintf("%02d:%02d", (21+i/2)%24, i%2*30), Values: []float64{ok, float64(i % 5 / 4 * 2), 0}, URL: "#bar"}
		if i > 27 && i < 33 {
			bar.Values = []float64{ok - 12, 8, float64(34 - i)}
		}
		p.Bars = append(p.Bars, bar)
	}
	p.Bars[47].Label = "now"
	return p
}

func iconNames() []string { return slices.Sorted(maps.Keys(glyphs)) }
