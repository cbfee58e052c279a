-- +goose Up
-- What a server had in hand when it died; few rows, which people look for after that.
CREATE INDEX deliveries_interrupted ON deliveries (id) WHERE interruptions > 0;
