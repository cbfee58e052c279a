package db

import (
	"context"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

const callColumns = `c.id, c.endpoint_id, c.key_id, c.state, c.status_code, c.reason, c.line, c.col, c.method, c.address, c.content_type, c.size, c.query, c.headers,
  c.events, c.runs, c.first_id, c.created_at, c.settled_at`

func callFields(c *model.InboundCall) []any {
	return []any{&c.ID, &c.EndpointID, &c.KeyID, &c.State, &c.StatusCode, &c.Reason, &c.Line, &c.Column, &c.Method, &c.Address, &c.ContentType, &c.Size, &c.Query,
		decode{&c.Headers}, decode{&c.Events}, decode{&c.Runs}, &c.FirstID, at{&c.CreatedAt}, at{&c.SettledAt}}
}

func scanCall(r row) (c model.InboundCall, err error) {
	err = r.Scan(callFields(&c)...)
	return c, err
}

func scanCallBody(r row) (c model.InboundCall, err error) {
	err = r.Scan(append(callFields(&c), &c.Body)...)
	return c, err
}

const (
	callByID = `
SELECT ` + callColumns + `, CASE WHEN c.body_is_data THEN (SELECT data FROM events WHERE events.id = json_extract(c.events, '$[0]')) ELSE c.body END
FROM inbound_calls c WHERE c.endpoint_id = $1 AND c.id = $2`
	mappingCalls = `SELECT endpoint_id, id FROM inbound_calls WHERE state = 'mapping' AND id > $1 ORDER BY id LIMIT 200`
)

// InboundCall is one call of an endpoint with its body, as far as that is still kept.
func (s *Store) InboundCall(ctx context.Context, endpoint model.InboundID, id model.ReceiptID) (model.InboundCall, error) {
	return one(s.reader(ctx), "receipt", scanCallBody, callByID, endpoint, id)
}

// CallFilter narrows a list of calls; zero values do not.
type CallFilter struct {
	State model.CallState
}

// InboundCalls lists the calls of an endpoint without their bodies, newest first.
func (s *Store) InboundCalls(ctx context.Context, endpoint model.InboundID, f CallFilter, p Page) ([]model.InboundCall, string, error) {
	q := selecting("SELECT " + callColumns + " FROM inbound_calls c")
	q.and(true, "c.endpoint_id = ?", endpoint)
	q.and(f.State != "", "c.state = ?", f.State)
	return page(s.reader(ctx), q, p, keyed{"c.id", "rcp_"}, scanCall, func(c model.InboundCall) string { return string(c.ID) })
}

// CallRef names a call.
type CallRef struct {
	Endpoint model.InboundID
	ID       model.ReceiptID
}

// MappingCalls lists up to 200 calls whose mapping is still to be rendered, after one id.
func (s *Store) MappingCalls(ctx context.Context, after model.ReceiptID) ([]CallRef, error) {
	return all(s.reader(ctx), func(r row) (c CallRef, err error) {
		err = r.Scan(&c.Endpoint, &c.ID)
		return c, err
	}, mappingCalls, after)
}

// Reception is a call that was verified, with what it causes.
type Reception struct {
	Call   model.InboundCall
	IsData bool // the body is the data of the first event
	Sample bool // it ends waiting for a sample
	Key    []byte
	Until  time.Time // how long Key is remembered
	Events []Publication
	// Effect does what else the call causes; nil = nothing. It may run more than once and fills in the call.
	Effect func(tx *Tx, c *model.InboundCall) error
	Actor  model.Actor // who has a call done again; zero = the caller's own doing
	// Again is the state that a stored call must be in to be settled by this; "" = it is a new call.
	Again model.CallState
}

// Received is what became of a reception.
type Received struct {
	First     model.ReceiptID // of the call that this one repeats, "" = it is the first
	Published []Published
	Call      model.InboundCall
}

const (
	findInboundDedupe = `SELECT call_id FROM inbound_dedupe WHERE endpoint_id = $1 AND key = $2 AND expires_at > $3`
	keepInboundDedupe = `
INSERT INTO inbound_dedupe (endpoint_id, key, call_id, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (endpoint_id, key) DO UPDATE SET call_id = excluded.call_id, expires_at = excluded.expires_at`
	insertCall = `
INSERT INTO inbound_calls (endpoint_id, id, key_id, state, status_code, reason, line, col, method, address, content_type, size, query, headers, events, runs,
  first_id, created_at, settled_at, body_is_data, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`
	settleCall = `
UPDATE inbound_calls SET state = $1, reason = $2, line = $3, col = $4, events = $5, runs = $6, settled_at = $7
WHERE endpoint_id = $8 AND id = $9 AND state = $10`
)

// Receive stores a call with its receipt, its events and their deliveries, in one commit that is on disk when it
// returns. version is the Version that everything was worked out with; ErrStale asks to begin anew.
func (s *Store) Receive(ctx context.Context, version int64, r Reception) (Received, error) {
	var out Received
	done := make(chan error, 1)
	s.writer.submit(&op{
		run: func(tx *Tx) (err error) {
			if tx.version != version || tx.touched {
				s.saw(tx.version, tx.now.UnixMilli())
				return ErrStale
			}
			if tx.actor, tx.undo = r.Actor, nil; r.Actor.Kind == "" {
				tx.actor = model.System("inbound")
			}
			out, err = tx.receive(r)
			return err
		},
		done:  func(err error) { done <- err },
		gone:  func() bool { return ctx.Err() != nil },
		plain: r.Effect == nil,
	}, false)
	if err := <-done; err != nil {
		return Received{}, err
	}
	return out, nil
}

// ReceiveFresh is Receive for one that always comes too late: prepare gets the routing as it stands in the commit, and
// may be asked more than once.
func (s *Store) ReceiveFresh(ctx context.Context, prepare func(Routing) (Reception, error)) (r Reception, out Received, err error) {
	err = s.Write(ctx, model.System("inbound"), func(tx *Tx) error {
		now, err := routing(tx)
		if err != nil {
			return err
		}
		if r, err = prepare(now); err != nil {
			return err
		}
		if r.Actor.Kind != "" {
			tx.actor = r.Actor
		}
		out, err = tx.receive(r)
		return err
	})
	return r, out, err
}

func (tx *Tx) receive(r Reception) (out Received, err error) {
	c := r.Call
	if r.Key != nil && r.Again == "" {
		first, err := all(tx, text[model.ReceiptID], findInboundDedupe, c.EndpointID, r.Key, ms(tx.now))
		if err != nil {
			return out, err
		}
		if len(first) > 0 {
			return Received{First: first[0], Call: c}, nil
		}
		if err := tx.exec(keepInboundDedupe, c.EndpointID, r.Key, c.ID, ms(r.Until)); err != nil {
			return out, err
		}
	}
	if out.Published, err = tx.publish(r.Events); err != nil {
		return out, err
	}
	for _, p := range out.Published {
		c.Events = append(c.Events[:len(c.Events):len(c.Events)], p.ID)
	}
	if r.Effect != nil {
		if err := r.Effect(tx, &c); err != nil {
			return out, err
		}
	}
	if r.Sample {
		if err := tx.sampled(c.EndpointID); err != nil {
			return out, err
		}
	}
	if c.State != model.CallMapping {
		c.SettledAt = tx.now
	}
	out.Call = c
	if r.Again == "" {
		return out, tx.insertCall(c, r.IsData)
	}
	n, err := tx.count(settleCall, c.State, c.Reason, c.Line, c.Column, listText(c.Events), listText(c.Runs), ms(c.SettledAt), c.EndpointID, c.ID, r.Again)
	if err == nil && n == 0 {
		err = fault.Coded(fault.Conflict, "settled", "Something was done with this call meanwhile.")
	}
	return out, err
}

func (tx *Tx) insertCall(c model.InboundCall, isData bool) error {
	var body any
	if !isData && len(c.Body) > 0 {
		body = c.Body
	}
	headers := ""
	if len(c.Headers) > 0 {
		headers = encode(c.Headers)
	}
	return tx.exec(insertCall, c.EndpointID, c.ID, c.KeyID, c.State, c.StatusCode, c.Reason, c.Line, c.Column, c.Method, c.Address, c.ContentType, c.Size, c.Query,
		headers, listText(c.Events), listText(c.Runs), c.FirstID, ms(c.CreatedAt), ms(c.SettledAt), isData, body)
}

func listText[T ~string](list []T) string {
	if len(list) == 0 {
		return ""
	}
	return encode(list)
}

// AuditReplay writes down that somebody had a call done again.
func (tx *Tx) AuditReplay(e model.InboundEndpoint, id model.ReceiptID) error {
	return tx.audit("inbound_endpoint", "call_replayed", string(e.ID), e.Name, changes("receipt", "", string(id)))
}

const addInboundCount = `
INSERT INTO inbound_counts (endpoint_id, minute, what, n) VALUES ($1, $2, $3, $4)
ON CONFLICT (endpoint_id, minute, what) DO UPDATE SET n = n + excluded.n`

// CallCount is how many calls ended in a state, in one minute.
type CallCount struct {
	Endpoint model.InboundID
	Minute   int64 // unix minutes
	State    model.CallState
	N        int64
}

// CallAnswer is what the caller of a stored call was answered, after he waited.
type CallAnswer struct {
	Call   CallRef
	Status int
}

const answerCall = `UPDATE inbound_calls SET status_code = $1 WHERE endpoint_id = $2 AND id = $3`

// NoteCalls keeps calls that caused nothing (refused, repeated, handshakes), counts, and late answers; bookkeeping, behind
// everything else. Each list has at most 250.
func (s *Store) NoteCalls(ctx context.Context, calls []model.InboundCall, counts []CallCount, answers []CallAnswer) error {
	return s.WriteBulk(ctx, model.System("inbound"), func(tx *Tx) error {
		for _, a := range answers {
			if err := tx.exec(answerCall, a.Status, a.Call.Endpoint, a.Call.ID); err != nil {
				return err
			}
		}
		for _, c := range calls {
			c.SettledAt = c.CreatedAt
			if err := tx.insertCall(c, false); err != nil {
				return err
			}
		}
		for _, c := range counts {
			if err := tx.exec(addInboundCount, c.Endpoint, c.Minute, c.State, c.N); err != nil {
				return err
			}
		}
		return nil
	})
}

const inboundCountsOf = `SELECT what, sum(n) FROM inbound_counts WHERE endpoint_id = $1 AND minute >= $2 GROUP BY what`

// InboundCounts is how many calls of an endpoint ended in which state since then, those of which no row is kept included.
func (s *Store) InboundCounts(ctx context.Context, id model.InboundID, since time.Time) (map[model.CallState]int64, error) {
	out := map[model.CallState]int64{}
	_, err := all(s.reader(ctx), func(r row) (none struct{}, err error) {
		var what model.CallState
		var n int64
		err = r.Scan(&what, &n)
		out[what] = n
		return none, err
	}, inboundCountsOf, id, since.Unix()/60)
	return out, err
}

const (
	dropInboundDedupe = `DELETE FROM inbound_dedupe WHERE (endpoint_id, key) IN (SELECT endpoint_id, key FROM inbound_dedupe WHERE expires_at <= $1 LIMIT 500)`
	dropInboundCounts = `DELETE FROM inbound_counts WHERE (endpoint_id, minute, what) IN (SELECT endpoint_id, minute, what FROM inbound_counts WHERE minute < $1 LIMIT 500)`
	inboundPlaces     = `
WITH RECURSIVE places (id) AS (
  SELECT min(endpoint_id) FROM inbound_calls
  UNION ALL SELECT (SELECT min(endpoint_id) FROM inbound_calls WHERE endpoint_id > places.id) FROM places WHERE places.id IS NOT NULL)
SELECT id FROM places WHERE id IS NOT NULL`
	dropInboundBodies = `
UPDATE inbound_calls SET body = NULL WHERE endpoint_id = $1 AND id IN (SELECT id FROM inbound_calls WHERE endpoint_id = $1 AND id < $2 AND body IS NOT NULL LIMIT 500)`
	dropInboundCalls = `
DELETE FROM inbound_calls WHERE endpoint_id = $1 AND id IN (SELECT id FROM inbound_calls WHERE endpoint_id = $1 AND id < $2 AND state <> 'mapping' LIMIT 500)`
)

// ForgetInbound removes up to 500 remembered keys that ended, or counts that are older than rows, or bodies made before
// bodies, or calls made before rows, and says how many went.
func (s *Store) ForgetInbound(ctx context.Context, now, bodies, rows time.Time) (n int64, err error) {
	places, err := all(s.reader(ctx), text[model.InboundID], inboundPlaces)
	if err != nil {
		return 0, err
	}
	try := func(query string, args ...any) error {
		if n > 0 {
			return nil
		}
		return s.WriteBulk(ctx, model.System("housekeeping"), func(tx *Tx) (err error) {
			n, err = tx.count(query, args...)
			return err
		})
	}
	if err = try(dropInboundDedupe, ms(now)); err == nil {
		err = try(dropInboundCounts, rows.Unix()/60)
	}
	for _, p := range places {
		if err == nil {
			err = try(dropInboundBodies, p, model.FirstReceiptID(bodies))
		}
		if err == nil {
			err = try(dropInboundCalls, p, model.FirstReceiptID(rows))
		}
	}
	return n, err
}
