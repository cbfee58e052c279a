package deliver

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"

	"waybill/db/model"
	"waybill/jobs/connector"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
	"waybill/jobs/script"
)

// Setup is all that requests to one destination need, worked out once for its version. Only Ready makes a whole one.
type Setup struct {
	Connection  model.Connection
	Destination model.Destination
	Credential  model.Credential // zero = none
	Secrets     model.Secrets    // of the credential, opened
	// Certificate is shown in the TLS handshake, whatever the credential is; zero = none. CertificateSecrets are its own.
	Certificate        model.Credential
	CertificateSecrets model.Secrets
	Signing            model.Secret        // "" = not signed
	Older              []model.OlderSecret // that were replaced and still sign
	// ClientSecret goes into the body, which is a JSON object, as its last member client_secret; "" = none.
	ClientSecret model.Secret
	Depth        int // of the events that the receiver may raise on this account, where there is no event
	// Input is what a step gives to the form of an integration, as it.input; texts may hold tags. nil = there is none.
	Input  map[string]any
	Redact *scheme.Redactor
	// Scope are the network rules of its own, nil = only those for all hold.
	Scope *egress.Scope

	kind     connector.Type
	template *script.Template // nil when nothing is templated
	path     int              // which part is the path, -1 = none; likewise the others
	headers  []int
	body     int
	joined   connector.Joined // the path with the base URL, where nothing is templated in it
	inputs   *script.Template // the texts of Input that hold tags, by key in order; nil = none
}

// Ready works out what the fields imply.
func (u Setup) Ready() *Setup {
	u.kind, _ = connector.ByType(u.Connection.Type)
	made := u.Destination.Template == ""
	u.Destination.Template = connector.Template(u.Connection, u.Destination)
	made = made && u.Destination.Template != ""
	signing := []model.Secret{u.Signing, u.ClientSecret}
	for _, o := range u.Older {
		signing = append(signing, o.Secret)
	}
	u.Redact = scheme.NewRedactor([]scheme.Material{u.material(), u.certificate()}, signing...)
	u.readyInput()
	if script.Plain(u.Destination.Path) {
		u.joined.Path = u.Destination.Path
		u.joined.Address, _ = connector.Join(u.Connection, u.Destination.Path)
	}
	parts := Parts(u.Destination)
	if len(parts) == 0 {
		return &u
	}
	u.path, u.body, u.headers = -1, -1, make([]int, len(u.Destination.Headers))
	for i := range u.headers {
		u.headers[i] = -1
	}
	for i, p := range parts {
		var header int
		switch {
		case p.Name == "path":
			u.path = i
		case p.Name == "template":
			u.body = i
		default:
			_, _ = fmt.Sscanf(p.Name, "headers[%d]", &header)
			u.headers[header] = i
		}
	}
	u.template = &script.Template{Version: string(u.Destination.ID) + "@" + strconv.FormatInt(u.Destination.Version, 10), Parts: parts}
	if made || u.Destination.ID == "" || u.Destination.Version == 0 { // made of settings, or being edited: the text is its identity
		u.template.Version = ""
		for _, p := range parts {
			u.template.Version += p.Name + "\x00" + p.Source + "\x00"
		}
	}
	return &u
}

func (u *Setup) material() scheme.Material {
	return scheme.Material{Type: u.Credential.Type, Config: u.Credential.Config, Secrets: u.Secrets, ID: u.Credential.ID, Version: u.Credential.Version, Origin: u.kind.TokenHost}
}

func (u *Setup) certificate() scheme.Material {
	return scheme.Material{Type: u.Certificate.Type, Config: u.Certificate.Config, Secrets: u.CertificateSecrets, ID: u.Certificate.ID, Version: u.Certificate.Version}
}

// handshake is what the connection asks of TLS. A credential that shows a certificate itself joins its authorities.
func (u *Setup) handshake() scheme.Handshake {
	h := scheme.Handshake{Certificate: u.certificate(), CA: u.Connection.CA, For: u.Connection.ID, Version: u.Connection.Version}
	if h.Certificate.Type == "" && h.CA != "" && u.Credential.Type == model.CredentialCertificate {
		h.Certificate = u.material()
	}
	return h
}

// Parts are the texts of a destination that hold tags.
func Parts(d model.Destination) []script.Part {
	var out []script.Part
	add := func(name string, place script.Place, source string) {
		if !script.Plain(source) {
			out = append(out, script.Part{Name: name, Place: place, Source: source})
		}
	}
	add("path", script.Path, d.Path)
	for i, h := range d.Headers {
		add("headers["+strconv.Itoa(i)+"].value", script.Header, h.Value)
	}
	add("template", BodyPlace(d.ContentType), d.Template)
	return out
}

// BodyPlace says how tags in a body of that content type are encoded.
func BodyPlace(contentType string) script.Place {
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return script.Text
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return script.JSONBody
	case kind == "application/x-www-form-urlencoded":
		return script.FormBody
	}
	return script.Text
}

// IsJSON reports whether a content type promises JSON.
func IsJSON(contentType string) bool { return BodyPlace(contentType) == script.JSONBody }

// render fills the templated parts in; without any, nothing is run.
func (s *Sender) render(ctx context.Context, u *Setup, w *model.Work, now time.Time) (connector.Rendered, time.Duration, error) {
	d := u.Destination
	r := connector.Rendered{Path: d.Path, Joined: u.joined, Headers: d.Headers, Body: []byte(d.Template)}
	if d.Template == "" {
		r.Body = u.data(w)
	}
	if u.template == nil {
		return r, 0, nil
	}
	input, err := s.input(ctx, u, w, now)
	if err != nil {
		return r, 0, err
	}
	out, err := s.Render(ctx, script.Job{Template: u.template, Input: input, Now: now, Seed: w.MessageID()})
	if err != nil {
		return r, 0, renderFailure(err)
	}
	if out.Skip {
		return r, 0, &Failure{Kind: Nothing, Words: out.SkipReason}
	}
	if u.path >= 0 {
		r.Path = out.Parts[u.path]
	}
	if u.body >= 0 {
		r.Body = []byte(out.Parts[u.body])
	}
	r.Headers = append([]model.Header(nil), d.Headers...)
	for i, part := range u.headers {
		if part >= 0 {
			r.Headers[i].Value = out.Parts[part]
		}
	}
	return r, out.Took, nil
}

func renderFailure(err error) error {
	var problem *script.Problem
	if errors.As(err, &problem) {
		return &Failure{Kind: Final, Class: model.ClassTemplate, Words: "Template error: " + problem.Error(), Problem: problem}
	}
	var lost *script.Lost
	if errors.As(err, &lost) {
		return &Failure{Kind: Crash, Class: model.ClassTemplate, Words: lost.Error()}
	}
	return &Failure{Kind: Again, Class: model.ClassTemplate, Words: "The template could not be rendered now: " + err.Error()}
}
