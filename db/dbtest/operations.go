package dbtest

import (
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
	}
}
