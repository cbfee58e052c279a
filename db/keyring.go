package db

import (
	"slices"
	"sync"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/db/seal"
)

// keyring holds the master keys of this process. Those from a file are read again when the database holds something
// that they do not open: `waybill key rotate` may have changed the file.
type keyring struct {
	mu   sync.RWMutex
	now  masterKey
	from KeySource
}

func (k *keyring) current() masterKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.now
}

// again reads the file once more; false when it holds nothing new. A file that shares no key with what is known is
// none of ours: who puts another key in place starts the program anew.
func (k *keyring) again() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.from.Text != "" || len(k.now.boxes) == 0 {
		return false
	}
	text, err := readKey(k.now.where)
	if err != nil {
		return false
	}
	next := parsed(k.now.where, text)
	known, fresh := false, false
	for _, b := range next.boxes {
		if k.now.box(b.KeyID()) != nil {
			known = true
		} else {
			fresh = true
		}
	}
	if !known || !fresh {
		return false
	}
	for _, b := range k.now.boxes { // what was known stays known: rows may have been read before the change
		if next.box(b.KeyID()) == nil {
			next.boxes = append(slices.Clip(next.boxes), b)
		}
	}
	k.now = next
	return true
}

// sealer is the key that seals now; an error says why nothing may be sealed.
func (s *Store) sealer(q querier) (*seal.Box, error) {
	box, err := s.keys.current().usable(q)
	if f := fault.Of(err); f != nil && f.Code == "key_wrong" && s.keys.again() {
		box, err = s.keys.current().usable(q)
	}
	return box, err
}

func (s *Store) open(b box) (model.Secret, error) {
	k := s.keys.current()
	if len(k.boxes) > 0 && k.box(b.key) == nil && s.keys.again() {
		k = s.keys.current()
	}
	return k.open(b)
}
