package db

import (
	"strconv"

	"waybill/db/fault"
	"waybill/db/model"
)

// wantInboundConnection complains about a connection that is not there or that has another endpoint.
func (tx *Tx) wantInboundConnection(e model.InboundEndpoint) error {
	if e.ConnectionID == "" {
		return nil
	}
	ok, err := tx.has(connectionExists, e.ConnectionID)
	if err == nil && !ok {
		return complain("connection_id", "There is no such connection.")
	}
	if err != nil {
		return err
	}
	others, err := all(tx, scanInbound, inboundOfConnection, e.ConnectionID)
	if err == nil && len(others) > 0 && others[0].ID != e.ID {
		err = complain("connection_id", "This connection has an inbound URL already: “%s”.", others[0].Name)
	}
	return err
}

// SetServiceUser makes a connection two-way: calls on its inbound URL act as the user. The first time it makes the
// endpoint; "" removes it with its keys.
func (tx *Tx) SetServiceUser(c model.Connection, id model.UserID) error {
	if !tx.actor.Rights.Has(model.Inbound.Manage()) {
		return fault.Missing(string(model.Inbound.Manage()))
	}
	found, err := all(tx, scanInbound, inboundOfConnection, c.ID)
	switch {
	case err != nil:
		return err
	case len(found) > 0 && id == "":
		return tx.DeleteInbound(found[0].ID)
	case len(found) > 0:
		e := found[0]
		e.UserID = id
		return tx.UpdateInbound(&e, nil)
	case id == "":
		return nil
	}
	e := model.InboundEndpoint{Name: c.Name, ConnectionID: c.ID, UserID: id, Enabled: true}
	if e.Name, err = tx.freeInboundName(c.Name); err != nil {
		return err
	}
	e.Clean()
	return tx.CreateInbound(&e, nil)
}

// vacateInbound removes a connection's endpoint on the way of deleting the connection.
func (tx *Tx) vacateInbound(id model.ConnectionID, force bool) error {
	found, err := all(tx, scanInbound, inboundOfConnection, id)
	if err != nil || len(found) == 0 {
		return err
	}
	if !force {
		return inUse("connection", []Use{{Kind: "inbound URL", ID: string(found[0].ID), Name: found[0].Name}}, 0)
	}
	return tx.DeleteInbound(found[0].ID)
}

const inboundNamed = `SELECT EXISTS (SELECT 1 FROM inbound_endpoints WHERE name = $1)`

// freeInboundName is name, with a number when it is taken.
func (tx *Tx) freeInboundName(name string) (string, error) {
	for n := 1; ; n++ {
		try := name
		if n > 1 {
			try += " " + strconv.Itoa(n)
		}
		if used, err := tx.has(inboundNamed, try); err != nil || !used {
			return try, err
		}
	}
}
