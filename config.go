package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"waybill/db"
	"waybill/db/model"
	"waybill/db/seal"
	"waybill/handlers/web"
	"waybill/jobs/egress"
	"waybill/jobs/tracing"
)

// storeConfig is what every command needs that opens the data folder.
type storeConfig struct {
	DataDir     string `env:"WAYBILL_DATA_DIR" default:"./data" placeholder:"DIR" help:"Folder of the database, the key file and uploads (${env})."`
	DatabaseURL string `env:"WAYBILL_DATABASE_URL" placeholder:"URL" help:"Leave empty: SQLite in the data folder (${env})."`
	// MasterKey is from WAYBILL_MASTER_KEY alone: what stands on a command line, everybody sees who may list processes.
	MasterKey     model.Secret `kong:"-"`
	MasterKeyFlag model.Secret `name:"master-key" hidden:"" help:"Refused."`
	MasterKeyFile string       `env:"WAYBILL_MASTER_KEY_FILE" placeholder:"FILE" help:"File that holds the master key; master.key in the data folder, made when needed, unless set (${env}). The environment variable WAYBILL_MASTER_KEY may hold the key itself."`
}

// check refuses what can only be a mistake. A key file that is absent is none: the server runs without its key and says so.
func (c *storeConfig) check() error {
	if c.MasterKeyFlag != "" {
		return errors.New("--master-key is not taken: everybody who may list processes would see the key. Set WAYBILL_MASTER_KEY, or --master-key-file to a file that holds it")
	}
	c.MasterKey = model.Secret(os.Getenv("WAYBILL_MASTER_KEY"))
	if c.DatabaseURL != "" {
		return errors.New("WAYBILL_DATABASE_URL: other databases are not built yet; leave it empty for SQLite in the data folder")
	}
	if c.DataDir == "" {
		return errors.New("WAYBILL_DATA_DIR: name a folder")
	}
	if c.MasterKey != "" && c.MasterKeyFile != "" {
		return errors.New("WAYBILL_MASTER_KEY and WAYBILL_MASTER_KEY_FILE: set one of them")
	}
	if c.MasterKey != "" {
		return checkKey("WAYBILL_MASTER_KEY", c.MasterKey.Reveal())
	}
	if c.MasterKeyFile == "" {
		return nil
	}
	text, err := os.ReadFile(c.MasterKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("WAYBILL_MASTER_KEY_FILE: %w", err)
	}
	return checkKey("WAYBILL_MASTER_KEY_FILE", string(text))
}

func checkKey(name, text string) error {
	if _, err := seal.ParseAll(text); err != nil {
		return fmt.Errorf("%s: not a master key: %d bytes in base64 are wanted (openssl rand -base64 32 makes one)", name, seal.KeySize)
	}
	return nil
}

func (c storeConfig) key() db.KeySource {
	return db.KeySource{Text: c.MasterKey, File: c.MasterKeyFile}
}

// serveConfig is what the server alone needs.
type serveConfig struct {
	Addr           string   `env:"WAYBILL_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Listen address (${env})."`
	BaseURL        string   `env:"WAYBILL_BASE_URL" placeholder:"URL" help:"Public URL, when it is not the listen address (${env})."`
	AllowHosts     string   `env:"WAYBILL_ALLOW_HOSTS" placeholder:"LIST" help:"Hosts and CIDRs that may be called although private, plain HTTP or a bare address (${env})."`
	Proxy          string   `env:"WAYBILL_PROXY" placeholder:"URL" help:"HTTP proxy that requests go through, such as http://proxy.example.com:3128; unset, it is set on the settings page (${env}). Its password comes from the environment variable WAYBILL_PROXY_PASSWORD alone."`
	ProxyUser      string   `env:"WAYBILL_PROXY_USER" placeholder:"NAME" help:"User name for the proxy (${env})."`
	ProxyBypass    string   `env:"WAYBILL_PROXY_BYPASS" placeholder:"LIST" help:"Hosts and CIDRs that are called without the proxy (${env})."`
	Log            string   `env:"WAYBILL_LOG" default:"text" enum:"text,json" help:"Log format: text or json (${env})."`
	MetricsAddr    string   `env:"WAYBILL_METRICS_ADDR" placeholder:"HOST:PORT" help:"Separate listen address for /metrics, without a key (${env})."`
	TrustedProxies []string `env:"WAYBILL_TRUSTED_PROXIES" placeholder:"CIDR" help:"Networks whose X-Forwarded-For, -Proto and -Host headers are believed (${env})."`
	TLSCert        string   `env:"WAYBILL_TLS_CERT" placeholder:"FILE" help:"Certificate, to serve HTTPS itself (${env})."`
	RetentionDays  int      `env:"WAYBILL_RETENTION_DAYS" placeholder:"DAYS" help:"How long events and deliveries are kept; unset, it is set on the settings page, 30 at first (${env})."`
	BodyDays       int      `env:"WAYBILL_BODY_DAYS" placeholder:"DAYS" help:"How long the data of events and the bodies of attempts are kept; 7 at first (${env})."`
	DiskBudgetMiB  int64    `env:"WAYBILL_DISK_BUDGET_MIB" name:"disk-budget-mib" placeholder:"MIB" help:"How large the database may grow; 10240 at first (${env})."`
	MinFreeMiB     int64    `env:"WAYBILL_MIN_FREE_MIB" name:"min-free-mib" placeholder:"MIB" help:"How much of the disk must be free for anything to be accepted; 64 at first (${env})."`
	TLSKey         string   `env:"WAYBILL_TLS_KEY" placeholder:"FILE" help:"Its key (${env})."`
	traceConfig
}

// settings are the configuration in the types that are worked with.
type settings struct {
	base    *url.URL // nil = from the listener
	rules   egress.Rules
	proxy   *egress.Proxy // nil = set on the settings page
	proxies web.Proxies
	tls     bool
	storage model.Storage
	traces  *tracing.Options // nil = nothing is traced
}

func (c serveConfig) read() (settings, error) {
	var s settings
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return s, fmt.Errorf("WAYBILL_ADDR: %q is not HOST:PORT", c.Addr)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return s, errors.New("WAYBILL_TLS_CERT and WAYBILL_TLS_KEY: set both, or neither")
	}
	s.tls = c.TLSCert != ""
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return s, fmt.Errorf("WAYBILL_BASE_URL: %q is not a URL such as https://waybill.example.com (a path is not supported)", c.BaseURL)
		}
		s.base = &url.URL{Scheme: u.Scheme, Host: u.Host}
	}
	if err := c.positive(); err != nil {
		return s, err
	}
	var err error
	s.storage = model.Storage{RowDays: c.RetentionDays, BodyDays: c.BodyDays, Budget: c.DiskBudgetMiB << 20, MinFree: c.MinFreeMiB << 20}
	if bad := model.DefaultStorage().Over(s.storage).Check(); len(bad) > 0 {
		return s, fmt.Errorf("WAYBILL_RETENTION_DAYS, WAYBILL_BODY_DAYS, WAYBILL_DISK_BUDGET_MIB, WAYBILL_MIN_FREE_MIB: %s: %s", bad[0].Name, bad[0].Message)
	}
	if s.rules, err = egress.ParseRules(c.AllowHosts); err != nil {
		return s, fmt.Errorf("WAYBILL_ALLOW_HOSTS: %w", err)
	}
	if s.proxy, err = c.proxy(model.Secret(os.Getenv(proxyPassword))); err != nil {
		return s, err
	}
	if s.traces, err = c.traceConfig.read(os.Getenv); err != nil {
		return s, err
	}
	s.proxies, err = parseProxies(c.TrustedProxies)
	return s, err
}

// positive refuses numbers below zero, which would be taken for not set.
func (c serveConfig) positive() error {
	for _, x := range []struct {
		name string
		n    int64
	}{
		{"WAYBILL_RETENTION_DAYS", int64(c.RetentionDays)}, {"WAYBILL_BODY_DAYS", int64(c.BodyDays)}, {"WAYBILL_DISK_BUDGET_MIB", c.DiskBudgetMiB}, {"WAYBILL_MIN_FREE_MIB", c.MinFreeMiB},
	} {
		if x.n < 0 {
			return fmt.Errorf("%s: %d is below zero; set a number above it, or leave it unset", x.name, x.n)
		}
	}
	return nil
}

// proxyPassword is a variable only: what stands on a command line, everybody sees who may list processes.
const proxyPassword = "WAYBILL_PROXY_PASSWORD"

// proxy is the one that the environment sets, nil when it sets none.
func (c serveConfig) proxy(password model.Secret) (*egress.Proxy, error) {
	if c.Proxy == "" {
		if c.ProxyUser != "" || c.ProxyBypass != "" || password != "" {
			return nil, errors.New("WAYBILL_PROXY_USER, WAYBILL_PROXY_PASSWORD, WAYBILL_PROXY_BYPASS: they need WAYBILL_PROXY")
		}
		return nil, nil
	}
	p, err := egress.ParseProxy(c.Proxy)
	if err != nil {
		return nil, fmt.Errorf("WAYBILL_PROXY: it %w", err) // not the text: it may hold a password
	}
	if strings.ContainsAny(c.ProxyUser, ":\r\n") || c.ProxyUser == "" && password != "" {
		return nil, errors.New("WAYBILL_PROXY_USER: a name without a colon is needed")
	}
	if p.Bypass, err = egress.ParseRules(c.ProxyBypass); err != nil {
		return nil, fmt.Errorf("WAYBILL_PROXY_BYPASS: %w", err)
	}
	p.User, p.Password = c.ProxyUser, password
	return &p, nil
}

func parseProxies(list []string) (web.Proxies, error) {
	var out web.Proxies
	for _, text := range list {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if a, bare := netip.ParseAddr(text); err != nil && bare == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("WAYBILL_TRUSTED_PROXIES: %q is neither a network such as 10.0.0.0/8 nor an address", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// urlOf is the URL at which a listener is reached when no other is configured.
func urlOf(addr net.Addr, asked string, tls bool) *url.URL {
	u := &url.URL{Scheme: "http", Host: addr.String()}
	if tls {
		u.Scheme = "https"
	}
	host, _, _ := net.SplitHostPort(asked)
	_, port, _ := net.SplitHostPort(addr.String())
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	u.Host = net.JoinHostPort(host, port)
	return u
}
