package db

import (
	"context"

	"waybill/db/model"
)

const (
	inboundOfWorkflow = `SELECT ` + inboundColumns + ` FROM inbound_endpoints WHERE instr(effects, $1) > 0 ORDER BY name`
	setEffects        = `UPDATE inbound_endpoints SET effects = $1, response = $2, updated_at = $3, version = version + 1 WHERE id = $4`
)

// InboundOfWorkflow lists the endpoints whose calls start runs of a workflow or move them on.
func (s *Store) InboundOfWorkflow(ctx context.Context, id model.WorkflowID) ([]model.InboundEndpoint, error) {
	return all(s.reader(ctx), scanInbound, inboundOfWorkflow, `"`+string(id)+`"`)
}

// detachInbound is for a workflow that is being deleted: without force the endpoints that name it are in the way; with it
// they do without, and answer at once if they waited for its runs.
func (tx *Tx) detachInbound(id model.WorkflowID, force bool) error {
	list, err := all(tx, scanInbound, inboundOfWorkflow, `"`+string(id)+`"`)
	if err != nil {
		return err
	}
	var users []Use
	for _, e := range list {
		users = append(users, Use{"inbound URL", string(e.ID), e.Name})
	}
	if !force && len(users) > 0 {
		return inUse("workflow", users, 0)
	}
	for _, e := range list {
		n := e
		if n.Effects.StartsWorkflowID == string(id) {
			n.Effects.StartsWorkflowID = ""
			if n.Response.Mode == model.ResponseRun {
				n.Response = model.InboundResponse{Mode: model.ResponseAck}
			}
		}
		if c := n.Effects.Completes; c != nil && c.WorkflowID == string(id) {
			n.Effects.Completes = nil
		}
		if err := tx.exec(setEffects, encode(n.Effects), encode(n.Response), ms(tx.now), e.ID); err != nil {
			return err
		}
		if err := tx.audit("inbound_endpoint", "updated", string(e.ID), e.Name, inboundChanges(e, n)); err != nil {
			return err
		}
	}
	return nil
}
