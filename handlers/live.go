package handlers

import (
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views/href"
)

func (h *Handlers) liveRoutes() []web.Route {
	return []web.Route{web.Get(model.Deliveries.View(), href.LiveDeliveries(), h.streamDeliveries)}
}

const (
	heartbeat  = 20 * time.Second
	nudgeEvery = 300 * time.Millisecond
	nudgeLasts = 30 * time.Second // what a write to a browser may take
	// streamLife is how long one stream lasts. Then the browser asks for another, and is asked again who it is.
	streamLife = 15 * time.Minute
)

// streamDeliveries tells a page that deliveries changed; what changed it asks for itself, with its filter and its rights.
// The stream ends when the server stops, so that it does not delay that.
func (h *Handlers) streamDeliveries(c echo.Context) error { return h.stream(c, h.o.Jobs.Watch) }

// stream nudges a page whenever watch says that something changed.
func (h *Handlers) stream(c echo.Context, watch func(unheard time.Duration) (changed <-chan struct{}, stop func())) error {
	if !strings.Contains(c.Request().Header.Get("Accept"), "text/event-stream") { // also what keeps it from being compressed
		return fault.New(fault.Unsupported, "This address is a stream of events, which pages open by themselves.")
	}
	w := c.Response()
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("X-Accel-Buffering", "no")
	if c.Request().Method == http.MethodHead {
		return c.NoContent(http.StatusOK)
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	changed, stop := watch(unheard(c.QueryParam("unheard")))
	defer stop()
	beat, life := time.NewTicker(heartbeat), time.NewTimer(streamLife)
	defer beat.Stop()
	defer life.Stop()
	text, next, pause := "retry: 3000\n\n", changed, (<-chan time.Time)(nil)
	for sent(w, control, text) {
		text = ""
		select {
		case <-c.Request().Context().Done():
			return nil
		case <-h.ended:
			return nil
		case <-life.C:
			return nil
		case <-beat.C:
			text = ": here\n\n"
		case <-next:
			text, next, pause = "event: deliveries\ndata: changed\n\n", nil, time.After(nudgeEvery)
		case <-pause:
			next = changed
		}
	}
	return nil
}

// unheard is for how long, in ms, a page did not hear of changes; without it, for ever.
func unheard(ms string) time.Duration {
	n, err := strconv.ParseUint(ms, 10, 32)
	if err != nil {
		return math.MaxInt64
	}
	return time.Duration(n) * time.Millisecond
}

// sent writes text at once; false: nobody is there any more.
func sent(w io.Writer, control *http.ResponseController, text string) bool {
	if text == "" {
		return true
	}
	if control.SetWriteDeadline(time.Now().Add(nudgeLasts)) != nil {
		return false
	}
	_, err := io.WriteString(w, text)
	return err == nil && control.Flush() == nil
}
