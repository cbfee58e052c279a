package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// law is the import law: each package of ours, and which packages of ours it may import. What is not listed is refused;
// a new package needs a row, and with it a thought about where it belongs. Handlers see jobs alone of what acts; of
// connector, scheme and script they read the descriptions of types, kinds and helpers, which are data.
var law = map[string][]string{
	".":                  {"db", "db/fault", "db/model", "db/seal", "handlers", "handlers/web", "jobs", "jobs/bench", "jobs/egress", "jobs/script", "jobs/tracing", "static"},
	"handlers":           {"db", "db/fault", "db/model", "handlers/api", "handlers/web", "jobs", "jobs/connector", "jobs/filter", "jobs/inbound", "jobs/scheme", "jobs/script", "static", "views", "views/href", "views/texts", "views/ui"},
	"handlers/api":       {"db", "db/fault", "db/model", "handlers/web", "jobs", "jobs/connector", "jobs/filter", "jobs/inbound", "jobs/scheme", "views/href"},
	"handlers/apitest":   {},
	"handlers/web":       {"db", "db/fault", "db/model", "views", "views/href", "views/texts", "views/ui"},
	"views":              {"db/fault", "db/model", "views/graph", "views/href", "views/texts", "views/ui"},
	"views/graph":        {},
	"views/ui":           {"views/href", "views/texts"},
	"views/texts":        {},
	"views/texts/gather": {"views/texts"},
	"views/href":         {},
	"static":             {},
	"static/fetch":       {},
	"jobs":               {"db", "db/fault", "db/model", "jobs/connector", "jobs/deliver", "jobs/dispatch", "jobs/egress", "jobs/export", "jobs/filter", "jobs/flow", "jobs/housekeeping", "jobs/inbound", "jobs/mail", "jobs/s3", "jobs/scheme", "jobs/script", "jobs/tracing"},
	"jobs/dispatch":      {"db", "db/fault", "db/model", "jobs/deliver"},
	"jobs/deliver":       {"db/fault", "db/model", "jobs/connector", "jobs/egress", "jobs/scheme", "jobs/script"},
	"jobs/connector":     {"db/fault", "db/model", "jobs/egress", "jobs/s3", "jobs/scheme", "jobs/script"},
	"jobs/standin":       {},
	"jobs/scheme":        {"db/fault", "db/model", "jobs/egress"},
	"jobs/egress":        {"db/fault", "db/model"},
	"jobs/export":        {"db", "db/fault", "db/model", "jobs/s3"},
	"jobs/s3":            {"db/fault", "db/model", "jobs/egress", "jobs/scheme"},
	"jobs/s3/s3test":     {},
	"jobs/filter":        {"db/fault", "db/model"},
	"jobs/flow":          {"db/fault", "db/model"},
	"jobs/inbound":       {"db/fault", "db/model"},
	"jobs/mail":          {"db/fault", "db/model"},
	"jobs/mail/mailtest": {},
	"jobs/script":        {"db/fault", "db/model"},
	"jobs/tracing":       {"db/model"},
	"jobs/bench":         {"db/fault", "db/model"},
	"db":                 {"db/fault", "db/migrations", "db/model", "db/seal"},
	"db/dbtest":          {"db", "db/fault", "db/model", "db/seal"},
	"db/migrations":      {},
	"db/model":           {"db/fault"},
	"db/seal":            {},
	"db/fault":           {},
	"jobs/housekeeping":  {"db", "db/fault", "db/model"},
}

// only names the packages of ours that may import something outside: a path, or a path and all below it ("/...").
var only = map[string][]string{
	"database/sql":                                 {"db"},
	"modernc.org/sqlite/...":                       {"db"},
	"github.com/pressly/goose/v3/...":              {"db"},
	"github.com/dop251/goja/...":                   {"jobs/script"},
	"github.com/expr-lang/expr/...":                {"jobs/filter"},
	"github.com/labstack/echo/v4/...":              {"handlers", "handlers/api", "handlers/web"},
	"github.com/danielgtaylor/huma/v2/...":         {"handlers/api"},
	"github.com/a-h/templ/...":                     {"handlers", "handlers/web", "views", "views/texts/gather", "views/ui"},
	"go.opentelemetry.io/...":                      {"jobs/tracing"},
	"github.com/wneessen/go-mail/...":              {"jobs/mail"},
	"github.com/santhosh-tekuri/jsonschema/v6/...": {"handlers/apitest", "jobs"},
	"github.com/aws/aws-sdk-go-v2/...":             {"jobs/s3/s3test"}, // another's signer, for tests alone
}

type listed struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// ours is a package's path inside the module, "." for the root; false for packages from elsewhere.
func ours(path string) (string, bool) {
	if path == "waybill" {
		return ".", true
	}
	return strings.CutPrefix(path, "waybill/")
}

func TestImportLaw(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name, _ := ours(p.ImportPath)
		seen[name] = true
		may, known := law[name]
		if !known {
			t.Errorf("%s is not in the import law", name)
			continue
		}
		for _, path := range p.Imports {
			if inside, ok := ours(path); ok && !slices.Contains(may, inside) {
				t.Errorf("%s imports %s, which the import law does not allow", name, inside)
			}
			for outside, owners := range only {
				if covers(outside, path) && !slices.Contains(owners, name) {
					t.Errorf("%s imports %s, which only %s may", name, path, strings.Join(owners, ", "))
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("go list showed %d packages; the test does not see the tree", len(seen))
	}
}

func covers(rule, path string) bool {
	root, below := strings.CutSuffix(rule, "/...")
	return path == root || below && strings.HasPrefix(path, root+"/")
}

// TestHTTPClients finds what could reach the network past the address rules: clients, transports and dialers are built
// in jobs/egress and in the load of jobs/bench only.
func TestHTTPClients(t *testing.T) {
	allowed := []string{"jobs/egress", "jobs/bench"}
	found := 0
	for _, p := range packages(t) {
		name, _ := ours(p.ImportPath)
		for _, file := range p.GoFiles {
			for _, use := range clients(t, filepath.Join(p.Dir, file)) {
				found++
				if !slices.Contains(allowed, name) {
					t.Errorf("%s/%s uses %s, which only %s may", name, file, use, strings.Join(allowed, ", "))
				}
			}
		}
	}
	if found == 0 {
		t.Error("no client was found, not even the one of jobs/egress: the test is blind")
	}
}

func clients(t *testing.T, file string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	reaching := []string{"http.Client", "http.Transport", "http.DefaultClient", "http.DefaultTransport", "http.Get", "http.Post", "http.PostForm", "http.Head",
		"net.Dialer", "net.Dial", "net.DialTimeout", "net.DialTCP", "net.DialUDP", "tls.Dial", "tls.Dialer", "tls.DialWithDialer"}
	var out []string
	ast.Inspect(tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(reaching, x.Name+"."+s.Sel.Name) {
				out = append(out, x.Name+"."+s.Sel.Name)
			}
		}
		return true
	})
	return out
}

// TestTopLevel keeps what only one machine needs, such as pictures taken while working, out of the repository's top.
func TestTopLevel(t *testing.T) {
	known := []string{".ci", ".gitignore", ".golangci.yml", "CONTRIBUTING.md", "Makefile", "README.md", "db", "docs", "go.mod", "go.sum", "handlers", "jobs", "static", "views"}
	out, err := exec.CommandContext(t.Context(), "git", "ls-files").Output()
	if err != nil {
		t.Skipf("not a checkout: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) < 100 {
		t.Fatalf("git ls-files showed %d files; the test does not see the tree", len(files))
	}
	for _, file := range files {
		top, _, _ := strings.Cut(file, "/")
		if !slices.Contains(known, top) && (top != file || filepath.Ext(file) != ".go") {
			t.Errorf("%s is at the top of the repository; only Go files of the program and %s belong there", file, strings.Join(known, ", "))
		}
	}
}
