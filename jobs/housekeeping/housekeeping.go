// Package housekeeping keeps the store within its bounds: what is too old goes, bodies before rows; when there is too much, the
// oldest goes first; pages that are free are given back; and when the disk is nearly full, it says so, and nothing more is accepted.
//
// Everything is done in small writes behind the realtime ones, with short reads. What belongs to deliveries that are not settled
// is spared. It decides when and how much; the statements are db's.
package housekeeping

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// Options wire a Keeper; all but Fixed, DropFiles and Went are required.
type Options struct {
	Store *db.Store
	Now   func() time.Time
	Log   *slog.Logger
	Fixed model.Storage // what the environment says; 0 = people may set it

	// DropFiles removes the files that are part of no run (any more); nil = there are none.
	DropFiles func(context.Context) error
	// Went hears how each pass, and each look at the disk that failed, went; nil = nobody asks.
	Went func(error)
}

// Keeper is made by New and works while Run does.
type Keeper struct {
	o       Options
	blocked atomic.Pointer[fault.Words]
	use     atomic.Pointer[model.DiskUse]
	stop    <-chan struct{}

	// Below: owned by the goroutine that makes passes.
	data, bodies, runs db.Sweep
	since              time.Time // when those began at the start
	over               atomic.Bool
}

// How often things are looked at, and bounds.
const (
	watchEvery = 10 * time.Second
	passEvery  = time.Minute
	sweepEvery = 24 * time.Hour // from the start again, for what was not settled when it was looked at
	youngest   = time.Hour      // what is younger is not removed for its size
	reserve    = 16 << 20
	manyPages  = 512      // given back in one write
	spareBytes = 64 << 20 // that the file may hold in vain, for what comes next
	longLog    = 512 << 20
)

// New makes a Keeper; nothing happens before Run.
func New(o Options) *Keeper { return &Keeper{o: o, stop: make(chan struct{})} }

// Policy is what holds now: what people set, under what the environment says.
func (k *Keeper) Policy(ctx context.Context) (model.Storage, error) {
	s, err := k.o.Store.Storage(ctx)
	return s.Over(k.o.Fixed), err
}

// Fixed is what the environment says.
func (k *Keeper) Fixed() model.Storage { return k.o.Fixed }

// Use is the last measurement; zero before the first.
func (k *Keeper) Use() model.DiskUse {
	if u := k.use.Load(); u != nil {
		return *u
	}
	return model.DiskUse{}
}

// Blocked is why nothing can be accepted, nil when it can.
func (k *Keeper) Blocked() *fault.Words { return k.blocked.Load() }

// Accepting is nil, or the fault that callers get.
func (k *Keeper) Accepting() error {
	why := k.Blocked()
	if why == nil {
		return nil
	}
	f := fault.Coded(fault.Unavailable, "disk_low", "%s Nothing was accepted; deliveries go on.", why)
	f.RetryAfter = 30
	return f
}

// Run works until stop is closed.
func (k *Keeper) Run(stop <-chan struct{}) {
	k.stop = stop
	k.watch()
	go k.passes()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			k.watch()
		}
	}
}

func (k *Keeper) passes() {
	if err := k.keepReserve(context.Background()); err != nil { // a disk can be full before the first pass
		k.o.Log.Warn("the reserve for a full disk could not be made; trying again", "error", err)
	}
	tick := time.NewTicker(passEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
		}
		err := k.Pass(context.Background())
		k.went(err)
		if err != nil && !k.stopped() {
			k.o.Log.Warn("what is too old could not be removed; trying again", "error", err)
		}
	}
}

func (k *Keeper) went(err error) {
	if k.o.Went != nil {
		k.o.Went(err)
	}
}

func (k *Keeper) stopped() bool {
	select {
	case <-k.stop:
		return true
	default:
		return false
	}
}

// rest waits, but not beyond the end.
func (k *Keeper) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-k.stop:
	case <-t.C:
	}
}

// watch measures the disk, and opens and closes the door.
func (k *Keeper) watch() {
	ctx := context.Background()
	use, err := k.o.Store.DiskUse(ctx)
	var p model.Storage
	if err == nil {
		p, err = k.Policy(ctx)
	}
	if err != nil {
		k.went(err)
		k.o.Log.Warn("the disk could not be measured", "error", err)
		return
	}
	k.use.Store(&use)
	if use.Free < reserve/2 {
		if gone, err := k.o.Store.GiveUp(); err == nil && gone {
			k.o.Log.Warn("the disk is full; the reserve was given up so that old data can be removed", "free", use.Free)
		}
	}
	if use.Log > longLog {
		k.o.Log.Warn("the log of writes is long: something reads for very long", "bytes", use.Log)
	}
	why := k.judge(use, p.Fits(use.Disk, k.o.Fixed))
	if before := k.Blocked(); (before == nil) != (why == nil) {
		k.o.Log.Warn("the disk: what is accepted changed", "blocked", why.String(), "free", use.Free, "used", use.Used)
	}
	k.blocked.Store(why)
}

// judge says why nothing can be accepted. Once closed, the door opens again only with some room.
func (k *Keeper) judge(use model.DiskUse, p model.Storage) *fault.Words {
	need := p.MinFree
	if k.Blocked() != nil {
		need += need / 4
	}
	size := use.File - use.Spare
	switch {
	case use.Free < need:
		return fault.Say("The disk of this server is nearly full: %d MiB are free, %d MiB must stay free.", use.Free>>20, p.MinFree>>20)
	case k.over.Load() && size > p.Budget+p.Budget/10:
		return fault.Say("The database of this server has %d MiB, more than its budget of %d MiB, and nothing old is left to remove.", size>>20, p.Budget>>20)
	}
	return nil
}

// Pass does once what is to be done: by age, by size, and giving back.
func (k *Keeper) Pass(ctx context.Context) error {
	p, err := k.Policy(ctx)
	if err != nil {
		return err
	}
	p = p.Fits(k.Use().Disk, k.o.Fixed)
	if err := k.byAge(ctx, p); err != nil {
		return err
	}
	if err := k.bySize(ctx, p); err != nil {
		return err
	}
	if err := k.giveBack(ctx, p); err != nil {
		return err
	}
	use, err := k.o.Store.DiskUse(ctx)
	if err != nil {
		return err
	}
	if err := k.keepReserve(ctx); err != nil {
		return err
	}
	return k.o.Store.NoteDiskUse(ctx, use)
}

// keepReserve makes the reserve where there is room for it.
func (k *Keeper) keepReserve(ctx context.Context) error {
	p, err := k.Policy(ctx)
	if err != nil {
		return err
	}
	use, err := k.o.Store.DiskUse(ctx)
	if err != nil || use.Free <= p.Fits(use.Disk, k.o.Fixed).MinFree+2*reserve {
		return err
	}
	_, err = k.o.Store.Reserve(reserve)
	return err
}

// step is one of the store's ways of removing.
type step func(context.Context, time.Time, db.Sweep) (db.Sweep, error)

// sweep goes on from w until nothing made before t is left, or enough says so. It rests as long as it keeps the writer busy,
// whatever it waited for that: so it may take half of the writer's time, and keeps up with what comes in beside it.
func (k *Keeper) sweep(ctx context.Context, do step, before time.Time, w *db.Sweep, enough func() (bool, error)) error {
	for n := 1; !k.stopped(); n++ {
		next, err := do(ctx, before, *w)
		if err != nil {
			return err
		}
		if *w = next; w.Done {
			return nil
		}
		if enough != nil && n%8 == 0 {
			if ok, err := enough(); ok || err != nil {
				return err
			}
		}
		if next.Gone > 0 {
			k.rest(next.Took)
		}
	}
	return nil
}

func (k *Keeper) byAge(ctx context.Context, p model.Storage) error {
	now := k.o.Now()
	rows, bodies := now.Add(-time.Duration(p.RowDays)*24*time.Hour), now.Add(-time.Duration(p.BodyDays)*24*time.Hour)
	why := fmt.Sprintf("It was held for more than %d days, as long as deliveries are kept.", p.RowDays)
	for !k.stopped() {
		n, err := k.o.Store.ExpireHeld(ctx, rows, why)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	if now.Sub(k.since) > sweepEvery || now.Before(k.since) {
		k.data, k.bodies, k.runs, k.since = db.Sweep{}, db.Sweep{}, db.Sweep{}, now
	}
	// Rows first: what goes whole need not lose its body before.
	if err := k.dropRows(ctx, rows, nil); err != nil {
		return err
	}
	if err := k.sweep(ctx, k.o.Store.DropData, bodies, &k.data, nil); err != nil {
		return err
	}
	if err := k.sweep(ctx, k.o.Store.DropBodies, bodies, &k.bodies, nil); err != nil {
		return err
	}
	if err := k.sweep(ctx, k.o.Store.DropRunData, bodies, &k.runs, nil); err != nil {
		return err
	}
	if k.o.DropFiles == nil {
		return nil
	}
	return k.o.DropFiles(ctx)
}

func (k *Keeper) dropRows(ctx context.Context, before time.Time, enough func() (bool, error)) error {
	for _, do := range []step{k.o.Store.DropDeliveries, k.o.Store.DropBatches, k.o.Store.DropEvents, k.o.Store.DropRuns} {
		if err := k.sweep(ctx, do, before, &db.Sweep{}, enough); err != nil {
			return err
		}
	}
	return nil
}

// bySize removes the oldest, day by day, bodies before rows, until the database is within 95 % of its budget and the disk has
// room again.
func (k *Keeper) bySize(ctx context.Context, p model.Storage) error {
	fits := func(budget int64) (bool, error) {
		use, err := k.o.Store.DiskUse(ctx)
		// What is spare is given back afterwards, so it counts as free.
		return use.File-use.Spare <= budget && use.Free+use.Spare >= p.MinFree+p.MinFree/2, err
	}
	if ok, err := fits(p.Budget); ok || err != nil {
		k.over.Store(false)
		return err
	}
	enough := func() (bool, error) { return fits(p.Budget / 100 * 95) }
	now := k.o.Now()
	var data, bodies, runs db.Sweep
	for day := p.RowDays; day >= 0; day-- {
		before := now.Add(-max(time.Duration(day)*24*time.Hour, youngest))
		if err := k.sweep(ctx, k.o.Store.DropData, before, &data, enough); err != nil {
			return err
		}
		if err := k.sweep(ctx, k.o.Store.DropBodies, before, &bodies, enough); err != nil {
			return err
		}
		if err := k.sweep(ctx, k.o.Store.DropRunData, before, &runs, enough); err != nil {
			return err
		}
		if ok, err := enough(); ok || err != nil {
			return err
		}
	}
	for day := p.RowDays; day >= 0; day-- {
		if err := k.dropRows(ctx, now.Add(-max(time.Duration(day)*24*time.Hour, youngest)), enough); err != nil {
			return err
		}
		if ok, err := enough(); ok || err != nil {
			return err
		}
	}
	use, err := k.o.Store.DiskUse(ctx)
	if err != nil {
		return err
	}
	if size := use.File - use.Spare; size > p.Budget {
		k.over.Store(true)
		k.o.Log.Warn("the database is larger than its budget, and nothing old is left to remove", "bytes", size, "budget", p.Budget)
	} else {
		k.o.Log.Warn("the disk has little room, and nothing old is left to remove", "free", use.Free, "must_stay_free", p.MinFree)
	}
	return nil
}

// giveBack shortens the file when much of it is empty, or the disk is nearly full.
func (k *Keeper) giveBack(ctx context.Context, p model.Storage) error {
	gave := false
	for !k.stopped() {
		use, err := k.o.Store.DiskUse(ctx)
		if err != nil {
			return err
		}
		keep := max(spareBytes, use.File/8)
		if use.Free < p.MinFree+p.MinFree/2 {
			keep = 0
		}
		if use.Spare <= keep || use.Spare == 0 {
			break
		}
		start := time.Now()
		if err := k.o.Store.GiveBackPages(ctx, manyPages); err != nil {
			return err
		}
		after, err := k.o.Store.DiskUse(ctx)
		if err != nil {
			return err
		}
		if gave = true; after.Spare >= use.Spare { // a file that was made without it
			break
		}
		k.rest(time.Since(start))
	}
	if gave {
		return k.o.Store.Checkpoint()
	}
	return nil
}
