package db

import (
	"context"

	"waybill/db/model"
)

// DestinationFilter narrows a list of destinations; zero values do not.
type DestinationFilter struct {
	ConnectionID model.ConnectionID
	Query        string // a part of the name or the path
}

// FindDestinations lists destinations, newest first.
func (s *Store) FindDestinations(ctx context.Context, f DestinationFilter, p Page) ([]model.Destination, string, error) {
	q := selecting("SELECT " + destinationColumns + " FROM destinations")
	q.and(f.ConnectionID != "", "connection_id = ?", f.ConnectionID)
	q.and(f.Query != "", `(name LIKE '%' || ? || '%' ESCAPE '\' OR path LIKE '%' || ? || '%' ESCAPE '\')`, like(f.Query), like(f.Query))
	return page(s.reader(ctx), q, p, keyed{"id", "dst_"}, scanDestination, func(d model.Destination) string { return string(d.ID) })
}
