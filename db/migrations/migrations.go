// Package migrations embeds the schema, one folder a database. Migrations only go forward.
package migrations

import "embed"

// FS holds sqlite/*.sql in goose's format.
//
//go:embed sqlite/*.sql
var FS embed.FS
