package dbtest

import (
	"time"

	"waybill/db"
	"waybill/db/model"
)

// operations are the changes of what holds for the whole instance.
func operations() []change {
	rule := model.NetworkRule{Effect: model.NetworkAllow, Pattern: "erp.example.com"}
	return []change{
		{"CreateNetworkRule", "network_rule.created", true, func(tx *db.Tx, x *Setup) error {
			rule.DestinationID = x.Destination.ID
			return tx.CreateNetworkRule(&rule)
		}},
		{"UpdateNetworkRule", "network_rule.updated", true, func(tx *db.Tx, _ *Setup) error {
			rule.Note = "Asked for by Ada"
			return tx.UpdateNetworkRule(&rule)
		}},
		{"DeleteNetworkRule", "network_rule.deleted", true, func(tx *db.Tx, _ *Setup) error { return tx.DeleteNetworkRule(rule.ID) }},
		{"UpdateNetwork", "settings.updated", true, func(tx *db.Tx, _ *Setup) error {
			return tx.UpdateNetwork(model.Network{ProxyURL: "http://proxy.example.com:3128", ProxyUser: "ada"}, "s3cret")
		}},
		{"UpdateFeatures", "settings.updated", true, func(tx *db.Tx, _ *Setup) error {
			return tx.UpdateFeatures(model.Features{Off: []model.Feature{model.FeatureSlack}})
		}},
		{"UpdateStorage", "settings.updated", false, func(tx *db.Tx, _ *Setup) error {
			s := model.DefaultStorage()
			s.BodyDays = 3
			return tx.UpdateStorage(s)
		}},
		{"RotateSigning", "destination.signing_rotated", true, func(tx *db.Tx, x *Setup) error {
			x.Destination.Version = 0 // the rotation is a version of its own
			return tx.RotateSigning(x.Destination.ID, Signing, "whsec_bmV3ZXI=", "", tx.Now().Add(time.Hour))
		}},
	}
}
