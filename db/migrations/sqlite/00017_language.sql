-- +goose Up
-- The language in which somebody reads the pages, such as 'de'; '' = as the browser says.
ALTER TABLE users ADD COLUMN language TEXT NOT NULL DEFAULT '';

-- What failed, is held or waits to be retried of one destination, among the many that were delivered there.
CREATE INDEX deliveries_destination_status ON deliveries (destination_id, status, id) WHERE status <> 'delivered' AND status <> 'pending';
