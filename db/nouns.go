package db

import "context"

// Nouns are how many there are of what people set up.
type Nouns struct {
	Workflows, Actions, Audiences, Integrations, Connections, Credentials, Inbound, Users int64
}

const nounCounts = `SELECT
  (SELECT count(*) FROM workflows), (SELECT count(*) FROM actions), (SELECT count(*) FROM audiences), (SELECT count(*) FROM integrations),
  (SELECT count(*) FROM connections), (SELECT count(*) FROM credentials), (SELECT count(*) FROM inbound_endpoints), (SELECT count(*) FROM users)`

// Nouns counts them.
func (s *Store) Nouns(ctx context.Context) (Nouns, error) {
	return one(s.reader(ctx), "counts", func(r row) (n Nouns, err error) {
		err = r.Scan(&n.Workflows, &n.Actions, &n.Audiences, &n.Integrations, &n.Connections, &n.Credentials, &n.Inbound, &n.Users)
		return n, err
	}, nounCounts)
}
