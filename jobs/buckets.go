package jobs

import (
	"context"
	"fmt"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/s3"
	"waybill/jobs/scheme"
)

// bucket opens the bucket of a connection. That it cannot be used is a fault in words.
func (s *Service) bucket(ctx context.Context, id model.ConnectionID) (*s3.Bucket, error) {
	c, err := s.o.Store.Connection(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, fault.New(fault.Invalid, "The connection to the bucket was deleted; choose another one.")
	case err != nil:
		return nil, err
	case !c.Enabled:
		return nil, fault.New(fault.Invalid, "The connection “%s” is switched off.", c.Name)
	}
	return s.bucketOf(ctx, c)
}

func (s *Service) bucketOf(ctx context.Context, c model.Connection) (*s3.Bucket, error) {
	if c.Type != model.ConnectionS3 {
		return nil, fault.New(fault.Invalid, "“%s” is no connection to a bucket.", c.Name)
	}
	if c.CredentialID == "" {
		return nil, fault.New(fault.Invalid, "The connection “%s” has no credential.", c.Name)
	}
	key, err := s.material(ctx, c.CredentialID)
	if err != nil {
		return nil, err
	}
	shake := scheme.Handshake{CA: c.CA, For: c.ID, Version: c.Version}
	if c.ClientCertificateID != "" {
		if shake.Certificate, err = s.material(ctx, c.ClientCertificateID); err != nil {
			return nil, err
		}
	}
	scope, err := s.scopeOf(ctx, c.ID, "")
	if err != nil {
		return nil, err
	}
	note := func(failure string) {
		if failure != "" {
			failure = c.Name + ": " + failure
		}
		s.lives.note(c.CredentialID, failure, s.o.Now())
	}
	return s3.New(s3.Wire{Egress: s.egress, Keeper: s.keeper, Now: s.o.Now, Handshake: shake, Scope: scope, Note: note}, c, key)
}

// material is a credential, opened.
func (s *Service) material(ctx context.Context, id model.CredentialID) (scheme.Material, error) {
	c, err := s.o.Store.Credential(ctx, id)
	if err != nil {
		return scheme.Material{}, err
	}
	secrets, err := s.o.Store.OpenCredential(ctx, id)
	if err != nil {
		return scheme.Material{}, fmt.Errorf("open the credential: %w", err)
	}
	return scheme.Material{Type: c.Type, Config: c.Config, Secrets: secrets, ID: c.ID, Version: c.Version}, nil
}
