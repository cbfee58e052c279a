-- +goose Up
-- With when they were settled: what failed lately is counted without reading the deliveries.
DROP INDEX deliveries_status;
CREATE INDEX deliveries_status ON deliveries (status, id, settled_at) WHERE status <> 'delivered' AND status <> 'pending';
DROP INDEX deliveries_destination_status;
CREATE INDEX deliveries_destination_status ON deliveries (destination_id, status, id, settled_at) WHERE status <> 'delivered' AND status <> 'pending';
