package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/net/netutil"

	"waybill/db"
	"waybill/db/model"
	"waybill/handlers"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/static"
)

type serveCmd struct {
	serveConfig
}

// grace is how long running requests and attempts may take to end after the first signal.
const grace = 25 * time.Second

// Run serves until a signal or a failed disk ends it.
func (c serveCmd) Run(sc *storeConfig, io streams) error {
	started := time.Now()
	if err := sc.check(); err != nil {
		return err
	}
	set, err := c.read()
	if err != nil {
		return err
	}
	if err := prepareProcess(); err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // which would end the process
	log := newLog(c.Log, io.err)
	lock, err := lockFolder(sc.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer listener.Close()
	certs, err := c.certificates(log)
	if err != nil {
		return err
	}
	makeRoom(sc.DataDir, log)
	store, err := openStore(sc, time.Now, log)
	if err != nil {
		return noRoom(sc.DataDir, err)
	}
	if set.base == nil {
		set.base = urlOf(listener.Addr(), c.Addr, set.tls)
	}
	s := &server{config: c.serveConfig, settings: set, log: log, store: store, listener: netutil.LimitListener(listener, mostConnections), drain: newDrain(), certs: certs, hangups: hangups}
	node := model.NewNodeID(time.Now())
	tracer := set.tracer(node, log)
	s.jobs = jobs.New(jobs.Options{Store: store, Now: time.Now, Log: log, Rules: set.rules, Proxy: set.proxy, Storage: set.storage, Version: programVersion(), BaseURL: set.base.String(),
		Node: node, Tracer: tracer})
	err = s.run(sc.DataDir, started)
	err = errors.Join(err, s.jobs.Stop(0))
	stopTracing(tracer)
	err = errors.Join(err, store.Close())
	if full := roomError(""); errors.As(err, &full) {
		return full
	}
	return err
}

// prepareProcess makes new files private, gives the dispatcher room beside the render workers, takes the secrets out of the
// environment, where children, crash reports and /proc would show it, and silences the standard logger: through it
// net/http prints what a receiver sends unasked, which may be a secret of ours.
func prepareProcess() error {
	syscall.Umask(0o077)
	log.SetOutput(io.Discard)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(4, runtime.NumCPU()+2))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // what lives is small beside what passes through
	}
	return errors.Join(forgetEnv("WAYBILL_MASTER_KEY"), forgetEnv(proxyPassword), forgetEnv(traceHeaders), forgetEnv(onlyTraceHeaders))
}

func newLog(format string, to io.Writer) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(to, nil))
	}
	return slog.New(slog.NewTextHandler(to, nil))
}

// lockFolder keeps a second server away from the data folder for as long as the file is open.
func lockFolder(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "waybill.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		full, _ := filepath.Abs(dir)
		return nil, errors.Join(fmt.Errorf("another Waybill server runs on the data folder %s", full), f.Close())
	}
	return f, nil
}

func openStore(sc *storeConfig, now func() time.Time, log *slog.Logger) (*db.Store, error) {
	return db.Open(context.Background(), db.Options{Dir: sc.DataDir, Now: now, Key: sc.key(), Log: log})
}

// server is one run of the serve command.
type server struct {
	config   serveConfig
	settings settings
	log      *slog.Logger
	store    *db.Store
	jobs     *jobs.Service
	listener net.Listener
	drain    *drain
	certs    *certificates // nil = plain HTTP
	hangups  <-chan os.Signal
}

// mostConnections leaves room for others beside 10,000 that do nothing; an idle one costs about 22 KB of memory.
const mostConnections = 16_384

func (s *server) run(dir string, started time.Time) error {
	files, err := static.New()
	if err != nil {
		return err
	}
	h, err := handlers.New(handlers.Options{
		Options: web.Options{Store: s.store, Now: time.Now, Log: s.log, BaseURL: s.settings.base, Version: programVersion(), Proxies: s.settings.proxies},
		Files:   files, Jobs: s.jobs, Metrics: s.metrics(), MetricsHere: s.config.MetricsAddr == "",
	})
	if err != nil {
		return err
	}
	e, err := h.Echo()
	if err != nil {
		return err
	}
	if err := s.jobs.Start(context.Background()); err != nil {
		return noRoom(dir, err)
	}
	ended := make(chan error, 2)
	over := make(chan struct{})
	defer close(over)
	go s.rereads(over)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM) // before anyone can see that this runs
	defer signal.Stop(signals)
	web := s.serve(s.listener, s.drain.wrap(e), s.certs, ended)
	defer web.Close()
	if s.config.MetricsAddr != "" {
		l, err := net.Listen("tcp", s.config.MetricsAddr)
		if err != nil {
			return fmt.Errorf("listen for metrics: %w", err)
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", h.Metrics())
		defer s.serve(l, mux, nil, ended).Close()
	}
	if !files.Has("htmx.js") {
		s.log.Info("live pages and fonts are not built in; `make assets` fetches them (everything works without)")
	}
	s.log.Info("Waybill is ready", "url", s.settings.base.String(), "version", programVersion(), "data", dir, "took_ms", time.Since(started).Milliseconds())
	if err := s.announceSetup(h); err != nil {
		return err
	}
	return s.wait(web, h, signals, ended)
}

// metrics are the counters of the process and of what jobs does.
func (s *server) metrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	count := func(name, help string, value func(jobs.Stats) int64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "waybill_" + name, Help: help}, func() float64 { return float64(value(s.jobs.Stats())) }))
	}
	count("events_accepted_total", "Events stored since the start.", func(s jobs.Stats) int64 { return s.Accepted })
	count("attempts_total", "Attempts made since the start.", func(s jobs.Stats) int64 { return s.Attempts })
	count("deliveries_delivered_total", "Attempts that the other side accepted.", func(s jobs.Stats) int64 { return s.Delivered })
	count("deliveries_failed_total", "Deliveries that ended as failed.", func(s jobs.Stats) int64 { return s.Failed })
	level := func(name, help string, value func(jobs.Stats) float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "waybill_" + name, Help: help}, func() float64 { return value(s.jobs.Stats()) }))
	}
	level("deliveries_in_memory", "Deliveries that are queued in memory or being sent.", func(s jobs.Stats) float64 { return float64(s.InMemory) })
	level("deliveries_in_memory_bytes", "Event data of the deliveries in memory.", func(s jobs.Stats) float64 { return float64(s.Bytes) })
	level("deliveries_sending", "Attempts that are under way.", func(s jobs.Stats) float64 { return float64(s.Sending) })
	r.MustRegister(newGauges(s.store, s.jobs))
	return r
}

func (s *server) announceSetup(h *handlers.Handlers) error {
	path, err := h.Start(context.Background())
	if err != nil || path == "" {
		return err
	}
	s.log.Info("Nobody can sign in yet. Open this link, which works once, to create the first administrator", "link", s.settings.base.String()+path)
	return nil
}

// serve answers on l; what ends it goes to ended.
func (s *server) serve(l net.Listener, h http.Handler, certs *certificates, ended chan<- error) *http.Server {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      6 * time.Minute, // a test of a destination may wait for its timeout of at most 5 minutes
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	if certs != nil {
		srv.TLSConfig = &tls.Config{GetCertificate: certs.choose}
	}
	go func() {
		if certs != nil {
			ended <- srv.ServeTLS(l, "", "")
			return
		}
		ended <- srv.Serve(l)
	}()
	return srv
}

// wait blocks until something ends the server, and then ends the rest in order. A second signal ends the process.
func (s *server) wait(srv *http.Server, h *handlers.Handlers, signals <-chan os.Signal, ended <-chan error) error {
	var cause error
	select {
	case sig := <-signals:
		s.log.Info("stopping", "signal", sig.String(), "grace", grace)
	case <-s.store.Failed():
		cause = errors.New("the database could not be written; stopping, so that nothing is accepted that is not stored")
	case err := <-ended:
		cause = fmt.Errorf("serve: %w", err)
	}
	go func() {
		sig := <-signals
		s.log.Warn("stopping at once", "signal", sig.String())
		os.Exit(1)
	}()
	h.Stopping()
	s.drain.stop()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := s.jobs.Stop(grace)
	s.drain.wait(ctx)
	if cut := srv.Shutdown(ctx); cut != nil {
		s.log.Warn("some requests were cut off", "err", cut)
	}
	if cause == nil && err == nil {
		s.log.Info("stopped")
	}
	return errors.Join(cause, err)
}
