package connector

func webhookSamples() []Sample {
	return []Sample{
		{Title: "The event's data, as it is", Template: "{{! return JSON.stringify(it.data[0]); }}"},
		{Title: "With the event's name and time around it", Template: "{{! const e = it.events[0];\nreturn { type: e.name, timestamp: e.time, id: e.id, data: e.data }; }}"},
		{Title: "All events of a batch", Template: "{{! return { events: it.events.map(e => ({ type: e.name, data: e.data })) }; }}"},
		{Title: "Only what matters, else nothing", Template: "{{! const d = it.data[0];\nif (!(d.total > 100)) return null;\nreturn { id: d.id, total: d.total }; }}"},
	}
}

func webhookGuide() []Section {
	return []Section{
		{Title: "What arrives", Text: []string{
			"One POST for each event, or one for several when the destination makes batches. Without a template the body is the event's data as it was published; a template shapes anything else.",
			"webhook-id names the message and stays the same on every attempt. webhook-timestamp is the time of the attempt.",
		}, Code: "POST /hooks/orders HTTP/1.1\nHost: erp.example.com\nContent-Type: application/json\nContent-Length: 29\nUser-Agent: Waybill/1.0\nwebhook-id: dlv_01k9w3v0q8f5e2m7r4t6y1b9cd\nwebhook-timestamp: 1772366400\nwebhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=\n\n{\"id\":\"A-1001\",\"total\":129.5}"},
		{Title: "Check the signature", Text: []string{
			"Each destination has a signing secret of its own (whsec_…), shown on its page to those who may manage it. The signature is HMAC-SHA256 over “id.timestamp.body”, with the secret's bytes after whsec_ decoded from base64, and written in base64 behind “v1,”. Several signatures stand side by side, with a space between them, while a secret is changed: one that fits is enough.",
			"Compare in constant time, over the body as it came, before it is parsed, and refuse timestamps that are more than five minutes away. The libraries of standardwebhooks.com do all of it. A destination can sign with an ed25519 key instead; its public key stands at /.well-known/jwks.json.",
		}, Code: "import base64, hashlib, hmac, time\n\ndef verify(secret, headers, body):\n    if abs(time.time() - int(headers[\"webhook-timestamp\"])) > 300:\n        return False\n    key = base64.b64decode(secret.removeprefix(\"whsec_\"))\n    text = f\"{headers['webhook-id']}.{headers['webhook-timestamp']}.\".encode() + body\n    want = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()\n    return any(hmac.compare_digest(s.removeprefix(\"v1,\"), want)\n               for s in headers[\"webhook-signature\"].split())"},
		{Title: "Answer", Text: []string{
			"Any status from 200 to 299 settles the delivery. Answer as soon as the message is stored, and work afterwards: the connection's timeout bounds how long is waited.",
			"Network errors, 408, 425, 429 and 500 to 599 are tried again by the schedule, not before the time of a Retry-After. Other answers are final: redirects are never followed, and 410 switches the destination off. Which statuses are tried again can be changed at the connection and the destination.",
			"A message can come twice, when an answer is lost on the way. Keep the webhook-ids of the last days, and answer 200 to one that you have seen.",
		}},
		{Title: "Order, rate and batches", Text: []string{
			"Events go side by side, up to the destination's number at once; their order is not kept. “In order” sends one at a time for each subject. A rate limits how many start in a second, and a batch puts up to a number of events into one request (it.data and it.events hold them).",
		}},
	}
}

func customSamples() []Sample {
	return []Sample{
		{Title: "A JSON object with own names", Template: "{{! const d = it.data[0];\nreturn {\n  reference: d.id,\n  amount: Math.round(d.total * 100),\n  currency: d.currency || \"EUR\"\n}; }}"},
		{Title: "JSON with values in their places", Template: "{\n  \"reference\": {{ it.data[0].id }},\n  \"note\": \"Order {{ it.data[0].id }} for {{ it.data[0].customer.name }}\",\n  \"lines\": [{{@each(it.data[0].items) => l, i}}{{@if(i)}},{{/if}}{\"sku\": {{ l.sku }}, \"quantity\": {{ l.quantity }}}{{/each}}]\n}"},
		{Title: "A form (content type application/x-www-form-urlencoded)", Template: "reference={{ it.data[0].id }}&amount={{ it.data[0].total }}"},
		{Title: "XML (content type application/xml)", Template: "{{! const text = s => String(s).replace(/&/g, \"&amp;\").replace(/</g, \"&lt;\");\nreturn `<order><id>${text(it.data[0].id)}</id><total>${text(it.data[0].total)}</total></order>`; }}"},
	}
}

func customGuide() []Section {
	return []Section{
		{Title: "Connection and destination", Text: []string{
			"The connection says where the API begins and how requests prove who sends them; each destination is one request of that API. The destination's path is joined to the base URL without a lost or doubled slash, keeps the base URL's own path and query, and can never leave the host.",
			"Path, header values and body may hold template tags. What a tag writes is encoded for its place: percent-encoded in a path or query, a JSON value in a JSON body, without line breaks in a header.",
		}, Code: "Base URL   https://api.example.com/v2\nMethod     PUT\nPath       /customers/{{ it.data[0].customer.id }}/orders?source=waybill\nHeader     X-Request-Source: waybill\n\nPUT https://api.example.com/v2/customers/C-17/orders?source=waybill"},
		{Title: "Authentication", Text: []string{
			"Choose or make a credential: basic, bearer token, a header of your own such as X-API-Key, OAuth 2.0 (tokens are fetched, kept and renewed by themselves), AWS Signature V4, one of Waybill's own API keys, or a client certificate. Secrets are never part of a path, a header or a template, and show in no attempt.",
		}},
		{Title: "Methods and bodies", Text: []string{
			"GET, POST, PUT, PATCH and DELETE. A GET without a template has no body. The content type is a field of its own; with application/json the editor says whether the body is valid JSON.",
			"Return null or undefined from a template to send nothing: the delivery is then “skipped”, with that reason.",
		}},
		{Title: "What counts as success", Text: []string{
			"200 to 299. Network errors, 408, 425, 429 and 500 to 599 are tried again by the schedule, with Retry-After obeyed; 401 with an OAuth token renews the token and tries once more at once; other answers are final. “Answers to retry” changes that: 409, 500-599, !501 also retries 409, and not 501.",
			"“Send test” on a destination makes one real request and shows it whole; the template editor shows the exact request for a sample or a stored event before anything is sent.",
		}},
	}
}
