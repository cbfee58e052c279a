package api

import (
	"net/http"
	"slices"

	"waybill/db/model"
)

// StorageSettings say how long and how much is kept.
type StorageSettings struct {
	RowDays    int   `json:"row_days" needed:"true" doc:"Events, deliveries and attempts"`
	BodyDays   int   `json:"body_days" needed:"true" doc:"Data of events, bodies of attempts"`
	BudgetMiB  int64 `json:"budget_mib" needed:"true" doc:"How large the database may grow"`
	MinFreeMiB int64 `json:"min_free_mib" needed:"true" doc:"How much of the disk must be free for anything to be accepted"`
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
	add(a, route{http.MethodGet, "/settings/features", "show-features", "Show which features are on", "Settings", "", view, 0}, func(c call, _ *none) (*body[features], error) { return a.showFeatures(c) })
	add(a, route{http.MethodPut, "/settings/features", "update-features", "Switch features on or off", "Settings",
		"What exists of a feature that is off stays and can be seen; deliveries to it are held, and nothing new of it is made.", manage, 0}, a.updateFeatures)
}

func (a *API) showStorage(c call) (*body[storage], error) {
	house := a.jobs.House()
	p, err := house.Policy(c)
	if err != nil {
		return nil, err
	}
	use, err := a.store.DiskUse(c)
	return single(storage{StorageSettings: StorageSettings{p.RowDays, p.BodyDays, p.Budget >> 20, p.MinFree >> 20}, Version: p.Version, UpdatedAt: stamp(p.Changed),
		UsedBytes: use.Used, FreeBytes: use.Free, LogBytes: use.Log, Blocked: house.Blocked().String()}, err)
}

func (a *API) updateStorage(c call, in *struct{ Body storageInput }) (*body[storage], error) {
	n := model.Storage{RowDays: in.Body.RowDays, BodyDays: in.Body.BodyDays, Budget: in.Body.BudgetMiB << 20, MinFree: in.Body.MinFreeMiB << 20, Version: in.Body.Version}
	if err := a.jobs.UpdateStorage(c, c.actor, n); err != nil {
		return nil, err
	}
	return a.showStorage(c)
}

// features are the parts of Waybill that can be switched off, true = on.
type features struct {
	Features  map[string]bool `json:"features" doc:"By name: s3_analytics, s3_uploads, salesforce_mc, marketo, slack, teams; what is left out stays as it is"`
	Version   int64           `json:"version"`
	UpdatedAt *string         `json:"updated_at" format:"date-time" readOnly:"true"`
}

type featuresInput struct {
	Versioned
	Features map[string]bool `json:"features" doc:"By name, true = on; what is left out stays as it is"`
}

func (a *API) showFeatures(c call) (*body[features], error) {
	x, err := a.store.Features(c)
	out := features{Features: map[string]bool{}, Version: x.Version, UpdatedAt: stamp(x.Changed)}
	for _, f := range model.AllFeatures() {
		out.Features[string(f)] = x.Has(f)
	}
	return single(out, err)
}

func (a *API) updateFeatures(c call, in *struct{ Body featuresInput }) (*body[features], error) {
	old, err := a.store.Features(c)
	if err != nil {
		return nil, err
	}
	n := model.Features{Version: in.Body.Version}
	for _, f := range old.Off {
		if _, said := in.Body.Features[string(f)]; !said {
			n.Off = append(n.Off, f)
		}
	}
	for name, on := range in.Body.Features {
		if f := model.Feature(name); !on || !slices.Contains(model.AllFeatures(), f) {
			n.Off = append(n.Off, f)
		}
	}
	if err := a.jobs.UpdateFeatures(c, c.actor, n); err != nil {
		return nil, err
	}
	return a.showFeatures(c)
}
