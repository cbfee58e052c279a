package connector

func salesforceSamples() []Sample {
	return []Sample{
		{Title: "One row from an order",
			Template: "{{! const d = it.data[0];\nreturn {\n  OrderId: d.id,\n  Email: d.customer.email,\n  Total: d.total,\n  OrderDate: it.events[0].time\n}; }}"},
		{Title: "The event's data as it is, with the subject as key",
			Template: "{{! return Object.assign({ SubscriberKey: it.events[0].subject }, it.data[0]); }}"},
		{Title: "Skip rows without an address",
			Template: "{{! const d = it.data[0];\nif (!d.customer || !d.customer.email) return null;\nreturn { Email: d.customer.email, Name: d.customer.name }; }}"},
		{Title: "Enter a journey with some data",
			Template: "{{! const d = it.data[0];\nreturn {\n  ContactKey: d.customer.email,\n  EstablishContactKey: true,\n  Data: { OrderId: d.id, Total: d.total }\n}; }}"},
	}
}

func salesforceGuide() []Section {
	return []Section{
		{Title: "What you need in Marketing Cloud", Text: []string{
			"In Setup, under Apps, Installed Packages, create a package with an API Integration component of the type server-to-server. It shows the client id, the client secret, and three base URIs with your subdomain in them.",
			"Give it the scopes data_extensions_write (and _read) for rows, and list_and_subscribers_read with journeys_execute for journeys. Changes of scopes take up to five minutes to reach new tokens.",
		}},
		{Title: "The credential", Text: []string{
			"Make a credential of type OAuth 2.0 with the grant “Client credentials” and the request “POST, all in a JSON body”. A token lives for 20 minutes; Waybill keeps it for 45 seconds unless you say otherwise, and asks for another one when it is not accepted.",
			"The account id (MID) is needed only to work in another business unit than the one of the package.",
		}, Code: "Access token URL: https://SUBDOMAIN.auth.marketingcloudapis.com/v2/token"},
		{Title: "Rows of a data extension", Text: []string{
			"The template makes one object for each event: column names and values. Without a template the event's data is the row. Up to as many rows as the batch size says go in one request; a template that returns null leaves its event out.",
			"Marketing Cloud takes the rows first and writes them later. Until then the delivery is pending and waits for the outcome; Waybill asks for it after a second and then less and less often, over restarts too, for up to a day. Only rows that were written are delivered. A refused row fails by itself, with the words of Marketing Cloud; one that lost against another transaction is tried again.",
			"To update rows the data extension needs a primary key. Rows that are only inserted are refused when their key exists, and so a repeated attempt can be, too.",
		}, Code: `PUT /data/v1/async/dataextensions/key:Orders/rows
{"items":[{"OrderId":"A-1001","Total":129.5},{"OrderId":"A-1002","Total":18}]}`},
		{Title: "Journey entry events", Text: []string{
			"One event lets one contact enter. The template makes an object with ContactKey and Data; the event definition key is added from the form. Without a template the event's subject is the contact and its data goes along.",
			"Marketing Cloud accepts contacts for a paused journey, too, and does not tell whether a contact was kept out by the rules of the journey.",
		}, Code: `POST /interaction/v1/events
{"EventDefinitionKey":"APIEvent-2b9c","ContactKey":"ada@example.com","Data":{"OrderId":"A-1001"}}`},
		{Title: "When something goes wrong", Text: []string{
			"401: the token was not accepted; another one is asked for at once. 403: the package lacks a scope. 429 and 5xx: tried again on the schedule, not before the time that the answer names. 400: the words of Marketing Cloud are on the delivery.",
		}},
		{Title: "How this was tried", Text: []string{
			"This type was built from the public description of the API and tried against servers made from that description, not against an account of Marketing Cloud. Where the description is silent, Waybill assumes: results of rows are paged by $page; /platform/v1/tokenContext answers any valid token, which “Test” relies on; the words of refused journey events stand in “message”. An answer that is not understood is shown whole on the attempt, and settles nothing as delivered.",
		}},
	}
}
