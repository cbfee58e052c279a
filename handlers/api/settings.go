package api

import (
	"net/http"

	"waybill/db/model"
)

// StorageSettings say how long and how much is kept.
type StorageSettings struct {
	RowDays    int   `json:"row_days" doc:"Events, deliveries and attempts"`
	BodyDays   int   `json:"body_days" doc:"Data of events, bodies of attempts"`
	BudgetMiB  int64 `json:"budget_mib" doc:"How large the database may grow"`
	MinFreeMiB int64 `json:"min_free_mib" doc:"How much of the disk must be free for anything to be accepted"`
}

type storage struct {
	StorageSettings
	Version   int64   `json:"version"`
	UpdatedAt *string `json:"updated_at" format:"date-time"`
	UsedBytes int64   `json:"used_bytes"`
	FreeBytes int64   `json:"free_bytes" doc:"Of the disk"`
	LogBytes  int64   `json:"log_bytes" doc:"The log of writes"`
	Blocked   string  `json:"blocked" doc:"Why nothing is accepted now; empty when all is well"`
}

type storageInput struct {
	Versioned
	StorageSettings
}

func (a *API) settings() {
	view, manage := model.Settings.View(), model.Settings.Manage()
	add(a, route{http.MethodGet, "/settings/storage", "show-storage", "Show retention and disk use", "Settings", "", view, 0}, func(c call, _ *none) (*body[storage], error) { return a.showStorage(c) })
	add(a, route{http.MethodPut, "/settings/storage", "update-storage", "Change retention", "Settings", "What the environment of the server sets stays as it is.", manage, 0}, a.updateStorage)
}

func (a *API) showStorage(c call) (*body[storage], error) {
	house := a.jobs.House()
	p, err := house.Policy(c)
	if err != nil {
		return nil, err
	}
	use, err := a.store.DiskUse(c)
	return single(storage{StorageSettings: StorageSettings{p.RowDays, p.BodyDays, p.Budget >> 20, p.MinFree >> 20}, Version: p.Version, UpdatedAt: stamp(p.Changed),
		UsedBytes: use.Used, FreeBytes: use.Free, LogBytes: use.Log, Blocked: house.Blocked()}, err)
}

func (a *API) updateStorage(c call, in *struct{ Body storageInput }) (*body[storage], error) {
	n := model.Storage{RowDays: in.Body.RowDays, BodyDays: in.Body.BodyDays, Budget: in.Body.BudgetMiB << 20, MinFree: in.Body.MinFreeMiB << 20, Version: in.Body.Version}
	if err := a.jobs.UpdateStorage(c, c.actor, n); err != nil {
		return nil, err
	}
	return a.showStorage(c)
}
