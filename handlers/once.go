package handlers

import (
	"sync"
	"time"

	"waybill/db/model"
)

// onceLife is how long a new secret waits for the page that shows it.
const onceLife = time.Minute

// onceShown keeps new secrets, in memory alone, from the form that made them to the page that shows them: that page is another
// one, so that a reload makes nothing. Each is given out once, and only to the session that made it. Its zero value is ready.
type onceShown struct {
	mu    sync.Mutex
	waits map[model.APIKeyID]onceSecret
}

type onceSecret struct {
	text    model.Secret
	session model.SessionID
	until   time.Time
}

// put keeps the text of a key for the next page of this session.
func (o *onceShown) put(id model.APIKeyID, session model.SessionID, text model.Secret, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waits == nil {
		o.waits = map[model.APIKeyID]onceSecret{}
	}
	for k, s := range o.waits {
		if !now.Before(s.until) {
			delete(o.waits, k)
		}
	}
	o.waits[id] = onceSecret{text, session, now.Add(onceLife)}
}

// take is the text of a key that this session just made, "" when it was shown already.
func (o *onceShown) take(id model.APIKeyID, session model.SessionID, now time.Time) model.Secret {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.waits[id]
	if !ok || s.session != session {
		return ""
	}
	delete(o.waits, id)
	if !now.Before(s.until) {
		return ""
	}
	return s.text
}
