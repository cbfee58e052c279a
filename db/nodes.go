package db

import (
	"context"
	"time"

	"waybill/db/model"
)

const (
	startNode = `INSERT INTO nodes (id, started_at, heartbeat_at) VALUES ($1, $2, $2)`
	beatNode  = `UPDATE nodes SET heartbeat_at = $1 WHERE id = $2`
	lostNodes = `DELETE FROM nodes WHERE heartbeat_at < $1`
	endNode   = `DELETE FROM nodes WHERE id = $1`
	listNodes = `SELECT id, started_at, heartbeat_at FROM nodes ORDER BY id`
)

// Node is one server process.
type Node struct {
	ID          model.NodeID
	StartedAt   time.Time
	HeartbeatAt time.Time
}

// nodeLife is how long a process that stopped beating stays listed.
const nodeLife = 24 * time.Hour

// StartNode registers a server process and takes off those that have not been heard of for a day.
func (s *Store) StartNode(ctx context.Context, id model.NodeID) error {
	return s.Write(ctx, model.System("node"), func(tx *Tx) error {
		if err := tx.exec(lostNodes, ms(tx.now.Add(-nodeLife))); err != nil {
			return err
		}
		return tx.exec(startNode, id, ms(tx.now))
	})
}

// BeatNode says that the process lives.
func (s *Store) BeatNode(ctx context.Context, id model.NodeID) error {
	return s.Write(ctx, model.System("node"), func(tx *Tx) error { return tx.exec(beatNode, ms(tx.now), id) })
}

// EndNode says that the process is gone.
func (s *Store) EndNode(ctx context.Context, id model.NodeID) error {
	return s.Write(ctx, model.System("node"), func(tx *Tx) error { return tx.exec(endNode, id) })
}

// Nodes lists the processes that started and have not ended in good order, oldest first.
func (s *Store) Nodes(ctx context.Context) ([]Node, error) {
	return all(s.reader(ctx), func(r row) (Node, error) {
		var n Node
		err := r.Scan(&n.ID, at{&n.StartedAt}, at{&n.HeartbeatAt})
		return n, err
	}, listNodes)
}
