package connector

func marketoSamples() []Sample {
	return []Sample{
		{Title: "A lead from a customer",
			Template: "{{! const c = it.data[0].customer;\nreturn {\n  email: c.email,\n  firstName: c.name.split(\" \")[0],\n  lastName: c.name.split(\" \").slice(1).join(\" \") || \"-\"\n}; }}"},
		{Title: "The event's data, as it is", Template: "{{! return it.data[0]; }}"},
		{Title: "Only leads with an address",
			Template: "{{! const d = it.data[0];\nif (!d.customer || !d.customer.email) return null;\nreturn { email: d.customer.email, company: d.customer.company }; }}"},
		{Title: "A purchase as an activity",
			Template: "{{! const d = it.data[0];\nreturn {\n  leadId: d.marketo_lead_id,\n  activityDate: it.events[0].time,\n  primaryAttributeValue: d.id,\n  attributes: [\n    { apiName: \"total\", value: String(d.total) },\n    { apiName: \"currency\", value: d.currency }\n  ]\n}; }}"},
	}
}

func marketoGuide() []Section {
	return []Section{
		{Title: "What you need in Marketo", Text: []string{
			"In Admin, make a role with the API permissions “Read-Write Person” for leads or “Read-Write Activity” for activities, an API-only user with that role, and under LaunchPoint a custom service for it. “View Details” shows client id and client secret; Admin, Web Services shows the REST endpoint.",
		}},
		{Title: "The credential", Text: []string{
			"Make a credential of type OAuth 2.0 with the grant “Client credentials” and the request “GET, all in the query” (Marketo takes a POST with all in the query as well). Tokens travel in a header, never in the address.",
			"Marketo tells inside an answer with status 200 that a token ended (601, 602). Waybill then asks for another one and repeats the request at once; that does not count as an attempt.",
		}, Code: "Access token URL: https://123-ABC-456.mktorest.com/identity/oauth/token"},
		{Title: "Leads", Text: []string{
			"The template makes one object for each event: API names of fields and their values. Up to 300 go in one request. Marketo answers for each record, and so each event gets a state and words of its own: created or updated with the lead's id, or skipped with the reason (1004 not found, 1005 exists already, 1006 unknown field, 1007 several match …), which is final.",
			"Requests with the same new key at the same time can make duplicates in Marketo. Where one person can have several events in a moment, let one request go at once (concurrency 1), or only create and only update.",
		}, Code: `POST /rest/v1/leads.json
{"action":"createOrUpdate","lookupField":"email","input":[{"email":"ada@example.com","firstName":"Ada"}]}`},
		{Title: "Custom activities", Text: []string{
			"The template makes an object with leadId, activityDate, primaryAttributeValue and attributes; the activity type is added from the form where the record names none. An activity cannot be changed or taken back, and one that is sent twice is there twice.",
		}, Code: `POST /rest/v1/activities/external.json
{"input":[{"leadId":1001,"activityTypeId":100001,"activityDate":"2026-03-01T12:00:00Z","primaryAttributeValue":"A-1001","attributes":[]}]}`},
		{Title: "Limits and errors", Text: []string{
			"Marketo allows 100 calls in 20 seconds, 10 at once, and usually 50,000 a day, for all clients of the subscription together. Waybill keeps to the first two for all destinations and connections that lead to the same subscription together: they take turns, realtime before bulk, and what waits says “waits for the rate limit”. How much of them Waybill may use is set at the connection, under “More settings”: leave room for other programs that call Marketo.",
			"606 (rate), 615 (too many at once), 604 and 502 (timeouts), 607 (the quota of the day) and passing faults are tried again, not before Marketo can take them. 603 (no permission) and mistakes in the request are final.",
		}},
		{Title: "How this was tried", Text: []string{
			"This type was built from the public description of the API and tried against a server made from that description, not against a subscription. The codes 606, 607 and 615 and their limits are as commonly described; the day of the quota is taken to begin at midnight US Central standard time. An answer that is not understood is shown whole on the attempt, and settles nothing as delivered.",
		}},
	}
}
