package jobs

import (
	"context"
	"errors"
	"net/http"

	"waybill/db/model"
	"waybill/jobs/egress"
	"waybill/jobs/scheme"
)

// sampleURL is where the sample request of a credential's test would go; nothing is sent.
const sampleURL = "https://api.example.com/"

// TestCredential opens a credential and puts it on a sample request, which is shown with its secrets masked, and not
// sent. That it cannot be applied is in the Preview.
func (s *Service) TestCredential(ctx context.Context, id model.CredentialID) (Preview, error) {
	c, err := s.o.Store.Credential(ctx, id)
	if err != nil {
		return Preview{}, err
	}
	secrets, err := s.o.Store.OpenCredential(ctx, id)
	if err != nil {
		return Preview{}, err
	}
	m := scheme.Material{Type: c.Type, Config: c.Config, Secrets: secrets} // without an ID: a token is asked for anew
	redact := scheme.NewRedactor([]scheme.Material{m})
	req := egress.Request{Method: http.MethodGet, URL: sampleURL, Header: http.Header{}}
	applied, err := s.keeper.Apply(ctx, &req, m)
	var refused *egress.Error
	switch {
	case errors.As(err, &refused):
		return Preview{Error: redact.Text(refused.Message)}, nil
	case err != nil:
		return Preview{}, err
	}
	return Preview{Method: req.Method, URL: redact.URL(req.URL, applied), Headers: redact.Request(req.Header, applied)}, nil
}
