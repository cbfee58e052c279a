-- +goose Up
-- What a type of connection asks of a destination beyond the request.
ALTER TABLE destinations ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'; -- JSON object

-- Messages that a delivery was part of before their answer settled it apart from the others.
CREATE TABLE former_batches (
  delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
  batch_id TEXT NOT NULL,
  PRIMARY KEY (delivery_id, batch_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX former_batches_batch ON former_batches (batch_id);
