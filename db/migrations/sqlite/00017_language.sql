-- +goose Up
-- The language in which somebody reads the pages, such as 'de'; '' = as the browser says.
ALTER TABLE users ADD COLUMN language TEXT NOT NULL DEFAULT '';
