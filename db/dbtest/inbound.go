package dbtest

import (
	"time"

	"waybill/db"
	"waybill/db/model"
)

func inbound(name string, user model.UserID) *model.InboundEndpoint {
	e := &model.InboundEndpoint{Name: name, UserID: user, Enabled: true, Verification: model.Verification{Preset: model.PresetGitHub}}
	e.Clean()
	return e
}

// inboundChanges are the methods of Tx about inbound endpoints.
func inboundChanges() []change {
	var e model.InboundEndpoint
	return []change{
		{"SetServiceUser", "inbound_endpoint.created", true, func(tx *db.Tx, x *Setup) error {
			c := connection("two-way")
			if err := tx.CreateConnection(c); err != nil {
				return err
			}
			return tx.SetServiceUser(*c, x.User.ID)
		}},
		{"CreateInbound", "inbound_endpoint.created", true, func(tx *db.Tx, x *Setup) error {
			e = *inbound("Carrier", x.User.ID)
			return tx.CreateInbound(&e, model.Secrets{"secret": "s"})
		}},
		{"UpdateInbound", "inbound_endpoint.updated", true, func(tx *db.Tx, x *Setup) error {
			e.Event = "parcel.moved"
			return tx.UpdateInbound(&e, nil)
		}},
		{"RotateInbound", "inbound_endpoint.rotated", true, func(tx *db.Tx, x *Setup) error {
			_, err := tx.RotateInbound(e.ID, time.Hour)
			return err
		}},
		{"RotateInboundSecret", "inbound_endpoint.secret_rotated", true, func(tx *db.Tx, x *Setup) error {
			_, err := tx.RotateInboundSecret(e.ID, "t", time.Hour)
			return err
		}},
		{"RevokeInbound", "inbound_endpoint.revoked", true, func(tx *db.Tx, x *Setup) error {
			_, err := tx.RevokeInbound(e.ID, e.Keys[0].ID)
			return err
		}},
		{"AwaitSample", "inbound_endpoint.sample_awaited", true, func(tx *db.Tx, x *Setup) error {
			return tx.AwaitSample(e.ID, time.Now().Add(time.Minute))
		}},
		{"AuditReplay", "inbound_endpoint.call_replayed", false, func(tx *db.Tx, x *Setup) error { return tx.AuditReplay(e, "rcp_1") }},
		{"DeleteInbound", "inbound_endpoint.deleted", true, func(tx *db.Tx, x *Setup) error { return tx.DeleteInbound(e.ID) }},
	}
}
