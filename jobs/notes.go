package jobs

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"waybill/db"
	"waybill/db/model"
)

// notes gathers the calls that caused nothing, and counts all of them; they are written every second. Of those that
// caused nothing so many are kept, by endpoint and minute, that a flood cannot fill the disk; the rest is counted.
type notes struct {
	mu     sync.Mutex
	calls  []model.InboundCall
	counts map[noteKey]int64
	late   []db.CallAnswer
	minute int64
	kept   map[noteKey]int
	wake
}

type noteKey struct {
	endpoint model.InboundID
	minute   int64
	state    model.CallState
}

// Bounds of what is kept of calls that caused nothing.
const (
	notesInMinute = 30 // by endpoint and state
	notesWaiting  = 1000
	noteBody      = 8 << 10
	writeNotes    = 500 * time.Millisecond
	notesAtOnce   = 250
)

func newNotes() *notes {
	return &notes{counts: map[noteKey]int64{}, kept: map[noteKey]int{}, wake: newWake()}
}

// count notes the state in which a call ended.
func (n *notes) count(id model.InboundID, state model.CallState, at time.Time) {
	n.mu.Lock()
	n.counts[noteKey{id, at.Unix() / 60, state}]++
	n.mu.Unlock()
	n.poke()
}

// answered notes what the caller of a stored call was told after he waited.
func (n *notes) answered(c model.InboundCall, status int) {
	n.mu.Lock()
	if len(n.late) < notesWaiting {
		n.late = append(n.late, db.CallAnswer{Call: db.CallRef{Endpoint: c.EndpointID, ID: c.ID}, Status: status})
	}
	n.mu.Unlock()
	n.poke()
}

// note keeps a call that caused nothing, unless there were too many, and counts it.
func (n *notes) note(c model.InboundCall) {
	key := noteKey{c.EndpointID, c.CreatedAt.Unix() / 60, c.State}
	n.mu.Lock()
	n.counts[key]++
	if key.minute != n.minute {
		n.minute, n.kept = key.minute, map[noteKey]int{}
	}
	if n.kept[key] < notesInMinute && len(n.calls) < notesWaiting {
		n.kept[key]++
		c.ID = model.NewReceiptID(c.CreatedAt)
		c.Body = c.Body[:min(len(c.Body), noteBody)]
		n.calls = append(n.calls, c)
	}
	n.mu.Unlock()
	n.poke()
}

// refused notes a call that came with a key of an endpoint that takes none.
func (n *notes) refused(r *route, key model.InboundKeyID, from netip.Addr, at time.Time, why string) {
	n.note(model.InboundCall{EndpointID: r.ID, KeyID: key, State: model.CallRefused, StatusCode: 401, Address: from.String(), CreatedAt: at, Reason: why})
}

// take is what is to be written now.
func (n *notes) take() (calls []model.InboundCall, counts []db.CallCount, late []db.CallAnswer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	calls, n.calls = n.calls, nil
	late, n.late = n.late, nil
	for k, v := range n.counts {
		counts = append(counts, db.CallCount{Endpoint: k.endpoint, Minute: k.minute, State: k.state, N: v})
	}
	n.counts = map[noteKey]int64{}
	return calls, counts, late
}

// keepNotes writes what was noted, a little after something was.
func (s *Service) keepNotes() {
	for {
		select {
		case <-s.stopped:
			return
		case <-s.notes.wake:
		}
		select {
		case <-s.stopped:
			return
		case <-time.After(writeNotes):
		}
		s.writeNotes()
	}
}

// WriteNoted writes what was noted of inbound calls and is not written yet: before people look.
func (s *Service) WriteNoted() {
	n := s.notes
	n.mu.Lock()
	none := len(n.calls)+len(n.counts)+len(n.late) == 0
	n.mu.Unlock()
	if !none {
		s.writeNotes()
	}
}

// writeNotes writes what was noted. What cannot be written (full disk) is forgotten: nothing was accepted by it.
func (s *Service) writeNotes() {
	calls, counts, late := s.notes.take()
	for len(calls) > 0 || len(counts) > 0 || len(late) > 0 {
		a, b, c := min(len(calls), notesAtOnce), min(len(counts), notesAtOnce), min(len(late), notesAtOnce)
		if err := s.o.Store.NoteCalls(context.Background(), calls[:a], counts[:b], late[:c]); err != nil {
			s.o.Log.Warn("the log of inbound calls could not be written", "error", err)
			return
		}
		calls, counts, late = calls[a:], counts[b:], late[c:]
	}
	s.inboundWatch.tell()
}

// WatchInbound is Watch for calls that came.
func (s *Service) WatchInbound(unheard time.Duration) (changed <-chan struct{}, stop func()) {
	return s.inboundWatch.watch(unheard)
}
