package main

import "testing"

// TestDocs reads the API reference, on a desktop and on phones.
func TestDocs(t *testing.T) {
	t.Parallel()
	_, b := newDesk(t)
	b.open("/docs")
	b.sees("Publish an event")
	b.inspect()
	b.press("Connections")
	b.sees("Create a connection")
	b.inspect()
	b.open("/docs/connections#create-connection")
	b.until("the call is in view", "Math.abs(document.querySelector('#create-connection').getBoundingClientRect().top) < innerHeight / 2")
	if got := eval[int](b, "performance.getEntriesByType('navigation')[0].transferSize"); got > 28<<10 {
		t.Errorf("the page takes %d bytes over the wire", got)
	}
}
