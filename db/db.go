// Package db is the store: everything that survives a restart is here and nowhere else.
//
// Reads hang on *Store, changes on *Tx, which only Store.Write hands out: no change without an actor, an audit row and
// a transaction. The queue's own bookkeeping (deliveries.go) is the one exception. It refuses to hold rules of the
// business; those are in db/model and jobs. It is the only importer of database/sql.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"modernc.org/sqlite"

	"waybill/db/migrations"
	"waybill/db/model"
)

// Options say how a store is opened.
type Options struct {
	Dir string           // data folder; made when absent, mode 0700
	Now func() time.Time // the one clock
	Key KeySource        // the master key
	Log *slog.Logger
}

// Store is the open database. It is safe for concurrent use.
type Store struct {
	dir     string
	now     func() time.Time
	log     *slog.Logger
	keys    keyring
	readers *sql.DB
	reads   statements
	claimer *sql.DB // reads what is due: no page can keep it waiting
	claims  statements
	writer  *writer

	closing sync.Once
	closed  error

	version   atomic.Int64 // config_version as last seen
	routed    atomic.Pointer[Routing]
	versionAt atomic.Int64 // when that was, unix ms
	changed   struct {
		sync.Mutex
		hooks []func()
	}
	outcome   atomic.Pointer[func(model.Delivery, model.Outcome)] // who hears of stored outcomes
	readied   atomic.Pointer[func(model.TargetID)]
	followed  atomic.Pointer[func()]
	cancelled atomic.Pointer[func(*Tx, model.Delivery) error] // who has a say when a run's delivery is cancelled
}

// FileName of the database in the data folder.
const FileName = "waybill.db"

// setDriver makes process-wide settings of the driver, before the first open: POSIX locks of a process fall when it closes
// any handle on the file, OFD locks do not (where the system has them); and a misspelt pragma must be an error.
var setDriver = sync.OnceValue(func() error {
	sqlite.StrictPragmas(true)
	if _, err := sqlite.OFDLocking(true); err != nil && !errors.Is(err, sqlite.ErrOFDLockingUnavailable) {
		return fmt.Errorf("set the database's locking: %w", err)
	}
	return nil
})

// Open opens or makes the database in o.Dir, brings its schema up to date and starts the writer.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := setDriver(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(o.Dir, FileName))
	if err != nil {
		return nil, fmt.Errorf("find the data folder: %w", err)
	}
	release, err := alone(o.Dir)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := create(ctx, path); err != nil {
		return nil, err
	}
	base, err := sqlite.NewConnector(dsn(path, "_busy_timeout=10000&_journal_mode=WAL&_synchronous=NORMAL&_foreign_keys=1&_txlock=immediate&_defensive=1&_dqs=0&_error_rc=1"+
		"&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=journal_size_limit(134217728)&_pragma=wal_autocheckpoint(4000)&_pragma=cache_size(-16000)"))
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	under := &beneath{Connector: base}
	write := sql.OpenDB(under)
	write.SetMaxOpenConns(1)
	if err := migrate(ctx, write, o.Log); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	s := &Store{dir: o.Dir, now: o.Now, log: o.Log}
	if s.readers, err = reading(path, 4, &s.reads); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if s.claimer, err = reading(path, 1, &s.claims); err != nil {
		return nil, errors.Join(err, s.readers.Close(), write.Close())
	}
	if s.writer, err = newWriter(ctx, s, write, under); err != nil {
		return nil, errors.Join(err, s.claimer.Close(), s.readers.Close(), write.Close())
	}
	if _, err := s.Version(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	key, err := s.loadKey(ctx, o.Key)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.keys.now, s.keys.from = key, o.Key
	return s, nil
}

// reading opens connections that only read, and has st prepare on them.
func reading(path string, connections int, st *statements) (*sql.DB, error) {
	d, err := sql.Open("sqlite", dsn(path, "mode=ro&_busy_timeout=5000&_query_only=1&_defensive=1&_dqs=0&_pragma=cache_size(-4000)"))
	if err != nil {
		return nil, fmt.Errorf("open the readers: %w", err)
	}
	d.SetMaxOpenConns(connections)
	d.SetMaxIdleConns(connections)
	st.prep = func(q string) (*sql.Stmt, error) { return d.PrepareContext(context.Background(), q) }
	return d, nil
}

// create makes a new database whole, under another name, before it gets its own: settings such as the page size must
// stand before the first table. Never on an old one: with auto_vacuum in its DSN every open needs the write lock.
func create(ctx context.Context, path string) (err error) {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new-*.db") // mode 0600
	if err != nil {
		return fmt.Errorf("make the database file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if err := f.Close(); err != nil {
		return fmt.Errorf("make the database file: %w", err)
	}
	d, err := sql.Open("sqlite", dsn(f.Name(), ""))
	if err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	d.SetMaxOpenConns(1)
	// In this order, for in any other the page size stays 4096: VACUUM gives the file both settings, and in WAL mode it
	// could not change the size.
	for _, q := range []string{"CREATE TABLE waybill (made INTEGER NOT NULL) STRICT", "PRAGMA auto_vacuum = 2", "PRAGMA page_size = 8192", "VACUUM", "PRAGMA journal_mode = WAL"} {
		if _, err := d.ExecContext(ctx, q); err != nil {
			return errors.Join(fmt.Errorf("make the database: %w", err), d.Close())
		}
	}
	if err := d.Close(); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// alone keeps other processes from making or changing the schema at the same time, until release.
func alone(dir string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "schema.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the schema: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the schema: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func dsn(path, query string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query
}

// migrate brings the schema up to date; a database made by a newer Waybill is refused.
func migrate(ctx context.Context, d *sql.DB, log *slog.Logger) error {
	files, err := fs.Sub(migrations.FS, "sqlite")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(database.DialectSQLite3, d, files)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	have, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have > newest {
		return fmt.Errorf("this database has schema %d, this program knows %d: it was opened by a newer Waybill; start that one, or restore a backup", have, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	if have > 0 && have < newest {
		log.Info("the database was brought up to date; an older Waybill no longer opens it", "schema_before", have, "schema", newest)
	}
	return nil
}

// Close lets running writes end, folds the WAL into the file and closes it; once.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = errors.Join(s.writer.close(), s.claimer.Close(), s.readers.Close()) })
	return s.closed
}

// reader reads from a pool under the caller's context.
type reader struct {
	from *statements
	ctx  context.Context
}

func (r reader) prepare(q string) (*sql.Stmt, error) { return r.from.get(q) }
func (r reader) context() context.Context            { return r.ctx }

func (s *Store) reader(ctx context.Context) reader { return reader{&s.reads, ctx} }

const configVersion = `SELECT value FROM config_version WHERE one = 1`

// staleAfter is how long a change made by another process may go unseen.
const staleAfter = time.Second

// Version is the number that grows with every change of routing, keys, users or roles. What this process changed
// shows at once, what another one changed within a second.
func (s *Store) Version(ctx context.Context) (int64, error) {
	now := s.now().UnixMilli()
	if seen := s.versionAt.Load(); now-seen < staleAfter.Milliseconds() && now >= seen {
		return s.version.Load(), nil
	}
	v, err := one(s.reader(ctx), "configuration", number, configVersion)
	if err != nil {
		return 0, err
	}
	s.saw(v, now)
	return v, nil
}

func (s *Store) saw(v, now int64) {
	for {
		old := s.version.Load()
		if v <= old || s.version.CompareAndSwap(old, v) {
			break
		}
	}
	s.versionAt.Store(now)
}

// OnChange calls hook, from the keeper's goroutine, after each commit of this process that grew Version.
func (s *Store) OnChange(hook func()) {
	s.changed.Lock()
	defer s.changed.Unlock()
	s.changed.hooks = append(s.changed.hooks, hook)
}

func (s *Store) notify() {
	s.changed.Lock()
	defer s.changed.Unlock()
	for _, h := range s.changed.hooks {
		h()
	}
}

// Failed is closed when the database file can no longer be trusted (I/O error, corruption): the program must stop.
func (s *Store) Failed() <-chan struct{} { return s.writer.failed }

// Ready is nil when the store takes writes.
func (s *Store) Ready(ctx context.Context) error {
	select {
	case <-s.writer.failed:
		return errors.New("the database could not be written")
	default:
	}
	_, err := one(s.reader(ctx), "configuration", number, configVersion)
	return err
}

// Backup writes a consistent copy of the database to path, which must not exist, while everything goes on.
func (s *Store) Backup(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists; a backup never overwrites", path)
	}
	source, err := filepath.Abs(filepath.Join(s.dir, FileName))
	if err != nil {
		return err
	}
	d, err := sql.Open("sqlite", dsn(source, "mode=ro&_busy_timeout=5000"))
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer d.Close()
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make the backup: %w", err)
	}
	defer func() { _ = os.Remove(part) }()
	defer f.Close()
	if _, err := d.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fmt.Errorf("copy the database: %w", sorted(err))
	}
	if err := verify(ctx, part); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync the backup: %w", err)
	}
	if err := os.Link(part, path); err != nil { // unlike a rename it never replaces a file
		return fmt.Errorf("name the backup: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// verify reads a finished copy whole.
func verify(ctx context.Context, path string) error {
	full, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	d, err := sql.Open("sqlite", dsn(full, "mode=ro"))
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer d.Close()
	var word string
	if err := d.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&word); err != nil {
		return fmt.Errorf("check the backup: %w", err)
	}
	if word != "ok" {
		return fmt.Errorf("the backup is damaged: %s", word)
	}
	return nil
}

// Dir is the data folder.
func (s *Store) Dir() string { return s.dir }
