package handlers

import (
	"github.com/labstack/echo/v4"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/views"
)

// serve makes a connection two-way, or one-way again, as the form says; a form without the choice changes nothing.
func serve(tx *db.Tx, f views.ConnectionForm, x model.Connection) error {
	if !f.TwoWay {
		return nil
	}
	return tx.SetServiceUser(x, model.UserID(f.ServiceUserID))
}

// connectionServants fills in whom calls may act as, for those who may choose.
func (h *Handlers) connectionServants(c echo.Context, p *views.ConnectionFormProps) error {
	if !h.may(c, model.Inbound.Manage()) {
		return nil
	}
	e, err := h.Store.InboundOfConnection(c.Request().Context(), p.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if p.InboundID = e.ID; !p.Form.TwoWay {
		p.Form.ServiceUserID = string(e.UserID)
	}
	p.Servants, err = h.servants(c, e.UserID)
	return err
}

// connectionInbound fills in a connection's second half, for those who may see it.
func (h *Handlers) connectionInbound(c echo.Context, id model.ConnectionID, p *views.ConnectionProps) error {
	if !h.may(c, model.Inbound.View()) {
		return nil
	}
	ctx := c.Request().Context()
	e, err := h.Store.InboundOfConnection(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	u, err := h.Store.User(ctx, e.UserID)
	if err != nil {
		return err
	}
	p.InboundID, p.InboundUser, p.InboundWhole = e.ID, u.Name, h.may(c, model.Inbound.Manage())
	p.InboundURL, err = h.inboundURL(ctx, e, p.InboundWhole)
	return err
}
