package db

import (
	"slices"
	"sync"

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

// again reads the file once more when it may hold the key with the id wanted, and gives what is known then. A file that
// holds neither that key nor one that is known is none of ours: who puts another key in place starts the program anew.
// The id of a key cannot be made without the key, so a file that holds the wanted one was written by who sealed with it,
// also when the whole change went by meanwhile and the file holds that key alone.
func (k *keyring) again(wanted string) masterKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.from.Text != "" || len(k.now.boxes) == 0 || k.now.box(wanted) != nil { // another one may have read it just now
		return k.now
	}
	text, err := readKey(k.now.where)
	if err != nil {
		return k.now
	}
	next := parsed(k.now.where, text)
	known := next.box(wanted) != nil
	for _, b := range next.boxes {
		known = known || k.now.box(b.KeyID()) != nil
	}
	if !known {
		return k.now
	}
	for _, b := range k.now.boxes { // what was known stays known: rows may have been read before the change
		if next.box(b.KeyID()) == nil {
			next.boxes = append(slices.Clip(next.boxes), b)
		}
	}
	k.now = next
	return next
}

// sealer is the key that seals now; an error says why nothing may be sealed.
func (s *Store) sealer(q querier) (*seal.Box, error) {
	k := s.keys.current()
	newest, err := all(q, scanText, newestKey)
	if err != nil {
		return nil, err
	}
	if len(newest) > 0 && k.box(newest[0]) == nil {
		k = s.keys.again(newest[0])
	}
	return k.usable(q)
}

func (s *Store) open(b box) (model.Secret, error) {
	k := s.keys.current()
	if k.box(b.key) == nil {
		k = s.keys.again(b.key)
	}
	return k.open(b)
}
