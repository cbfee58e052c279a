package inbound

import (
	"strconv"

	"waybill/db/model"
)

// Handshake answers a vendor's question whether the URL is ours: Slack's url_verification (after its signature was
// verified), Meta's hub.challenge (by its verify token), the CloudEvents webhook's origin (OPTIONS). No answer: it is none.
type Handshake struct {
	Header      map[string]string
	ContentType string
	Body        string
	Refused     string // why a handshake was not answered
}

// Question is Meta's hub.challenge on GET; nil = this call asks nothing. The token is compared in constant time.
func Question(v model.Verification, secrets Secrets, r Request) *Handshake {
	challenge := r.Query.Get("hub.challenge")
	if v.Preset != model.PresetMeta || r.Query.Get("hub.mode") != "subscribe" || challenge == "" {
		return nil
	}
	for _, s := range secrets[model.VerifyTokenName] {
		if same(r.Query.Get("hub.verify_token"), s.Reveal()) {
			return &Handshake{ContentType: "text/plain; charset=utf-8", Body: challenge}
		}
	}
	return &Handshake{Refused: "hub.verify_token is not the one that is stored here."}
}

// Challenge is Slack's url_verification in a call that was verified; nil = it is an ordinary call.
func Challenge(v model.Verification, r Request) *Handshake {
	if v.Preset != model.PresetSlack {
		return nil
	}
	kind, _ := field(r.Body, "type")
	challenge, ok := field(r.Body, "challenge")
	if kind != "url_verification" || !ok {
		return nil
	}
	return &Handshake{ContentType: "text/plain; charset=utf-8", Body: challenge}
}

// Origin answers OPTIONS of the CloudEvents HTTP webhook, section 4; nil = it does not ask.
func Origin(r Request, rate int) *Handshake {
	origin := r.Header.Get("WebHook-Request-Origin")
	if origin == "" {
		return nil
	}
	return &Handshake{Header: map[string]string{"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": strconv.Itoa(rate * 60), "Allow": "POST, PUT, OPTIONS"}}
}

// CheckJSON is the fault of a text that is not one whole JSON value, nil when it is.
func CheckJSON(text []byte) error { return goodJSON(text) }
