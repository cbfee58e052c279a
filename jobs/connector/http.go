package connector

import "waybill/db/model"

// webhook is a system that takes our events as they are, as most receivers of webhooks do.
func webhook() Type {
	return Type{
		Type: model.ConnectionWebhook, Title: "Webhook", Sign: true, Methods: []string{"POST", "PUT", "PATCH"},
		Summary: "Posts events as signed JSON to a URL of your choice.",
		Glyph:   "M9 8a3 3 0 1 1 4.2 2.7L16 16m-6-2H6a3 3 0 1 0 2.8 4H15m2-5a3 3 0 1 1-1 5.8",
		Docs: "Each message is a POST with a JSON body, signed by the Standard Webhooks rules (webhook-id, webhook-timestamp, webhook-signature). " +
			"The webhook-id stays the same on every attempt, so the receiver can tell repetitions. Answer with any status from 200 to 299.",
		Hue: "violet", Guide: webhookGuide(), Samples: webhookSamples(),
		build: buildHTTP, judge: judgeHTTP,
	}
}

// customHTTP is an HTTP API that dictates what a request looks like. On the wire it is the same as a webhook; its form
// offers every method.
func customHTTP() Type {
	return Type{
		Type: model.ConnectionCustomHTTP, Title: "Custom HTTP", Sign: true, Methods: model.Methods(),
		Summary: "Calls any HTTP API: method, path, headers and body are yours to shape.",
		Glyph:   "M8 7 3 12l5 5m8-10 5 5-5 5M14 4l-4 16",
		Docs: "Path, headers and body may hold template tags. A GET without a template is sent without a body. " +
			"The signature headers do no harm to an API that does not know them; they can be switched off per destination.",
		Hue: "blue", Guide: customGuide(), Samples: customSamples(),
		build: buildHTTP, judge: judgeHTTP,
	}
}
