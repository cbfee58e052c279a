package dbtest

import (
	"time"

	"waybill/db"
	"waybill/db/model"
)

// operations are the changes of what holds for the whole instance.
func operations() []change {
	return []change{
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
