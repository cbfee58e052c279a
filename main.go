// Command waybill is a team's integration desk in one binary: it keeps credentials and connections, decides what is sent
// when an event arrives, and watches every delivery until it is settled.
//
// This package only wires: the command line and configuration (config.go), the server (serve.go) and the small commands
// that administrators run beside it (admin.go). It holds no rules; those are in jobs and db.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"waybill/db/fault"
	"waybill/jobs/script"
)

// version is set by the linker for releases.
var version string

type commands struct {
	Store storeConfig `embed:""`

	Serve serveCmd `cmd:"" default:"withargs" help:"Run the server (the default)."`
	User  struct {
		Create userCreateCmd `cmd:"" help:"Add a user."`
		Passwd userPasswdCmd `cmd:"" help:"Set a user's password and end their sessions."`
	} `cmd:"" help:"Users."`
	APIKey struct {
		Create apiKeyCreateCmd `cmd:"" help:"Make an API key and print it."`
	} `cmd:"" name:"apikey" help:"API keys."`
	Backup backupCmd `cmd:"" help:"Copy the database to a file while everything goes on."`
	Key    struct {
		Doctor keyDoctorCmd `cmd:"" help:"Say which secrets the master key does not open."`
		Rotate keyRotateCmd `cmd:"" help:"Move every secret to a new master key; a server may run meanwhile."`
	} `cmd:"" help:"The master key."`
	Bench        benchCmd        `cmd:"" help:"Measure this program on this machine."`
	Doctor       doctorCmd       `cmd:"" help:"Check this installation."`
	History      historyCmd      `cmd:"" hidden:"" help:"Fill a data folder with a past, for measuring."`
	Version      versionCmd      `cmd:"" help:"Print the version."`
	RenderWorker renderWorkerCmd `cmd:"" hidden:"" name:"render-worker"`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run is the program: it gives the exit code, 0 when all went well, 2 when the command line made no sense, else 1.
func run(args []string, io streams) int {
	var c commands
	exit := -1
	parser, err := kong.New(&c, kong.Name("waybill"), kong.Description("A team's integration desk: what is sent when an event arrives, and what became of it."),
		kong.Writers(io.out, io.err), kong.Exit(func(code int) { exit = code }), kong.Bind(io), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		return failed(io, err, 2)
	}
	ctx, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		return failed(io, err, 2)
	}
	if err := ctx.Run(&c.Store); err != nil {
		return failed(io, err, 1)
	}
	return 0
}

// failed says in one line what went wrong.
func failed(io streams, err error, code int) int {
	if errors.Is(err, errSilent) {
		return code
	}
	text := err.Error()
	if f := fault.Of(err); f != nil {
		text = f.Error()
	}
	fmt.Fprintln(io.err, "waybill: "+strings.ReplaceAll(strings.TrimSpace(text), "\n", " "))
	return code
}

// errSilent ends a command that has already said what is wrong.
var errSilent = errors.New("failed")

// programVersion is the release, or the commit that this was built from.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" && !strings.HasPrefix(v, "v0.0.0-") {
		return strings.TrimPrefix(v, "v")
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 8 {
			return "dev-" + s.Value[:8]
		}
	}
	return "dev"
}

type versionCmd struct{}

func (versionCmd) Run(io streams) error {
	_, err := fmt.Fprintln(io.out, "waybill "+programVersion())
	return err
}

type renderWorkerCmd struct{}

func (renderWorkerCmd) Run(io streams) error { return script.ServeWorker(io.in, io.out) }
