-- +goose Up
-- What holds in the TLS handshake with a connection's system, whatever its requests carry.
ALTER TABLE connections ADD COLUMN ca TEXT NOT NULL DEFAULT ''; -- PEM; trusted in place of the public authorities, '' = those
ALTER TABLE connections ADD COLUMN client_certificate_id TEXT REFERENCES credentials (id); -- shown in the handshake
CREATE INDEX connections_client_certificate ON connections (client_certificate_id);
