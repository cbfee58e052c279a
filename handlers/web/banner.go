package web

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/model"
	"waybill/views"
	"waybill/views/ui"
)

// keyState remembers what the store said of the master key: asking opens every secret, so it is done when the
// configuration changed, and once a minute.
type keyState struct {
	mu      sync.Mutex
	version int64
	at      time.Time
	state   db.KeyState
}

// Key says whether secrets can be opened and sealed.
func (w *Web) Key(ctx context.Context) (db.KeyState, error) {
	version, err := w.Store.Version(ctx)
	if err != nil {
		return db.KeyState{}, err
	}
	w.key.mu.Lock()
	defer w.key.mu.Unlock()
	now := w.Now()
	if age := now.Sub(w.key.at); w.key.version == version && age >= 0 && age < time.Minute {
		return w.key.state, nil
	}
	state, err := w.Store.KeyState(ctx)
	if err != nil {
		return state, err
	}
	w.key.version, w.key.at, w.key.state = version, now, state
	return state, nil
}

// lockedNamed is how many things are named whose secrets do not open; with the wrong key that is all of them.
const lockedNamed = 4

// banners are the standing messages above every page: that the master key is missing or wrong.
func (w *Web) banners(c echo.Context) []ui.Banner {
	key, err := w.Key(c.Request().Context())
	if err != nil {
		w.Log.Error("master key not checked", "request_id", RequestID(c), "err", err)
		return nil
	}
	if key.OK && len(key.Locked) == 0 {
		return nil
	}
	text := views.Said(w.Reader(c), key.Why)
	if key.OK {
		text = w.T(c, "Some secrets do not open with this master key.")
	} else if w.Actor(c).Rights.Has(model.Settings.Manage()) {
		text += " " + w.T(c, "It is read from {place}.", "place", key.Where)
	}
	if more := len(key.Locked) - lockedNamed; more > 1 {
		text += " " + w.T(c, "Locked: {names} and {n} more.", "names", strings.Join(key.Locked[:lockedNamed], ", "), "n", ui.Number(w.Reader(c), more))
	} else if len(key.Locked) > 0 {
		text += " " + w.T(c, "Locked: {names}.", "names", strings.Join(key.Locked, ", "))
	}
	return []ui.Banner{{Tone: ui.Bad, Text: text}}
}
