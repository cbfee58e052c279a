package db

import (
	"context"
	"time"

	"waybill/db/model"
)

// File is what is known of a file that was given in a form.
type File struct {
	model.FileValue
	Hash      string // hex SHA-256
	CreatedBy model.UserID
	RunID     model.RunID // "" = not yet part of one
	CreatedAt time.Time
	// ConnectionID and Key say where the bytes are; "" = in the data folder, under the hash.
	ConnectionID model.ConnectionID
	Key          string
}

const fileColumns = `id, name, content_type, size, hash, created_by, run_id, created_at, connection_id, object_key`

const fileByID = `SELECT ` + fileColumns + ` FROM files WHERE id = $1`

func scanFile(r row) (File, error) {
	var f File
	err := r.Scan(&f.ID, &f.Name, &f.ContentType, &f.Size, &f.Hash, &f.CreatedBy, &f.RunID, at{&f.CreatedAt}, &f.ConnectionID, &f.Key)
	return f, err
}

// File is one file.
func (s *Store) File(ctx context.Context, id model.FileID) (File, error) {
	return one(s.reader(ctx), "file", scanFile, fileByID, id)
}
