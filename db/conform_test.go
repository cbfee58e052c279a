package db_test

import (
	"testing"

	"waybill/db"
	"waybill/db/dbtest"
)

func TestSQLiteConforms(t *testing.T) {
	dbtest.Conform(t, func(t testing.TB) *db.Store { return dbtest.Open(t) })
}
