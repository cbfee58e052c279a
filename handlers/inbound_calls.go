package handlers

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/api"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/jobs/inbound"
	"waybill/views/href"
)

// What third parties call: no session, no cookie, no page. The key is in the path, or the endpoint's id is and the key
// comes as a bearer token. Nothing here logs a path: it may hold a key.
func (h *Handlers) callRoutes() []web.Route {
	url := href.InboundCall(":key")
	return []web.Route{
		web.Open(http.MethodPost, url, h.receiveCall).Up(model.MaxInboundBody),
		web.Open(http.MethodPut, url, h.receiveCall).Up(model.MaxInboundBody),
		web.Open(http.MethodGet, url, h.receiveCall),
		web.Open(http.MethodOptions, url, h.receiveCall),
		web.Open(http.MethodGet, href.InboundReceipt(":key", ":receipt"), h.showReceipt),
	}
}

// stranger is who calls, by what the URL and the headers say.
func stranger(c echo.Context) jobs.Stranger {
	named := c.Param("key")
	s := jobs.Stranger{Key: model.Secret(named)}
	s.Address, _ = netip.ParseAddr(web.Address(c)) // it came over a socket; if not, all such share one address
	if strings.HasPrefix(named, "inb_") {
		scheme, key, _ := strings.Cut(c.Request().Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "bearer") {
			key = ""
		}
		s.Endpoint, s.Key = model.InboundID(named), model.Secret(strings.TrimSpace(key))
	}
	return s
}

// bodyTime is how long a caller may take to send a body.
const bodyTime = 30 * time.Second

func (h *Handlers) receiveCall(c echo.Context) error {
	r := c.Request()
	c.Response().Header().Set("Cache-Control", "no-store")
	who := stranger(c)
	a, err := h.o.Jobs.Admit(r.Context(), who)
	if err != nil {
		return err
	}
	defer a.Release()
	if err := http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(bodyTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	body, err := readBody(a, r)
	if err != nil {
		return err
	}
	header := r.Header
	if who.Endpoint != "" { // the token is the key, and nobody's business behind this line
		header = header.Clone()
		header.Del("Authorization")
	}
	answer, err := h.o.Jobs.Receive(r.Context(), a, inbound.Request{Method: r.Method, Path: "/in", Query: r.URL.Query(), Header: header, Body: body, Address: who.Address})
	if err != nil {
		return err
	}
	for _, x := range answer.Headers {
		c.Response().Header().Set(x.Name, x.Value)
	}
	if len(answer.Body) == 0 {
		return c.NoContent(answer.Status)
	}
	return c.Blob(answer.Status, answer.ContentType, answer.Body)
}

func tooLarge(most int) error {
	return fault.New(fault.TooLarge, "The body of a call may have %d bytes here.", most)
}

// readBody reads what the endpoint takes, and never holds more than it must.
func readBody(a *jobs.Admission, r *http.Request) ([]byte, error) {
	most := a.MaxBytes()
	if r.ContentLength > int64(most) {
		return nil, tooLarge(most)
	}
	body, chunk := make([]byte, 0, max(512, min(int(r.ContentLength), 64<<10))), 0
	if err := a.Hold(cap(body)); err != nil {
		return nil, err
	}
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		var big *http.MaxBytesError
		if body = body[:len(body)+n]; len(body) > most || errors.As(err, &big) {
			return nil, tooLarge(most)
		}
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, &fault.Fault{Kind: fault.Malformed, Code: "incomplete", Message: "The body did not arrive whole, or not in time.", Cause: err}
		case len(body) < cap(body):
			continue
		}
		chunk = max(cap(body), 512)
		if err := a.Hold(chunk); err != nil {
			return nil, err
		}
		body = append(make([]byte, 0, cap(body)+chunk), body...)
	}
}

// showReceipt tells a caller what became of his call.
func (h *Handlers) showReceipt(c echo.Context) error {
	ctx := c.Request().Context()
	c.Response().Header().Set("Cache-Control", "no-store")
	a, err := h.o.Jobs.Admit(ctx, stranger(c))
	if err != nil {
		return err
	}
	defer a.Release()
	r, err := h.o.Jobs.Receipt(ctx, a, model.ReceiptID(c.Param("receipt")))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, api.ShowReceipt(r))
}
