package db

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"waybill/db/model"
)

func open(t *testing.T, dir string, key KeySource) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: dir, Now: time.Now, Key: key, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func opened(t *testing.T) *Store {
	t.Helper()
	s := open(t, t.TempDir(), KeySource{})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// evaluator works out string constants of this package, concatenations included.
type evaluator map[string]ast.Expr

func (e evaluator) text(x ast.Expr) (string, error) {
	switch x := x.(type) {
	case *ast.BasicLit:
		if x.Kind == token.STRING {
			return strconv.Unquote(x.Value)
		}
	case *ast.BinaryExpr:
		a, err := e.text(x.X)
		if err != nil {
			return "", err
		}
		b, err := e.text(x.Y)
		return a + b, err
	case *ast.Ident:
		if v, ok := e[x.Name]; ok {
			return e.text(v)
		}
	case *ast.SelectorExpr:
		if x.Sel.Name == "Administrator" {
			return model.Administrator, nil
		}
	}
	return "", fmt.Errorf("%T is not text", x)
}

// Every SQL constant of the package must fit the schema and find its rows by index.
func TestStatementsPrepare(t *testing.T) {
	consts := evaluator{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if i < len(v.Values) {
						consts[name.Name] = v.Values[i]
					}
				}
			}
		}
	}
	s, statement, seen := opened(t), regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b`), 0
	for name, x := range consts {
		query, err := consts.text(x)
		if err != nil || !statement.MatchString(query) {
			continue
		}
		seen++
		err = s.Write(context.Background(), model.System("test"), func(tx *Tx) error {
			if _, err := tx.prepare(query); err != nil {
				return err
			}
			return plan(t, tx, name, query)
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if seen < 80 {
		t.Errorf("only %d statements were found; the search is broken", seen)
	}
}

// A value that is bound alone behind LIMIT or LIKE has SQLite look at it when it plans, and so compile the statement anew
// whenever it is bound: a sixth of what pages cost. Behind a sign, or joined to a text, it is not looked at.
func TestStatementsAreCompiledOnce(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	alone, seen := regexp.MustCompile(`\b(LIMIT|LIKE) [?$]`), 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				seen++
				if text := alone.FindString(strings.ReplaceAll(l.Value, "LIKE ? ||", "")); text != "" {
					t.Errorf("%s: %q stands alone in %s", name, text, l.Value)
				}
			}
			return true
		})
	}
	if seen < 500 {
		t.Errorf("only %d texts were looked at; the search is broken", seen)
	}
}

var (
	wholeTable = regexp.MustCompile(`SCAN (d|e|a|r|t|deliveries|events|attempts|audit|runs|tasks|task_assignees|timers|awaits|files)( |$)`)
	parameter  = regexp.MustCompile(`\$[0-9]+`)
)

// needs is how statements that run while much waits must find their rows.
var needs = map[string]string{
	"dueOf":       "deliveries_open (owner=? AND target_id=? AND lane=? AND next_attempt_at<?)",
	"nextDueOf":   "deliveries_open (owner=? AND target_id=? AND lane=? AND next_attempt_at>?)",
	"holdOf":      "deliveries_open (owner=? AND target_id=? AND lane=? AND next_attempt_at>?)",
	"releaseOf":   "deliveries_open (owner=? AND target_id=? AND lane=? AND next_attempt_at=?)",
	"openSomeTo":  "deliveries_open (owner=? AND target_id=?)",
	"heldTargets": "deliveries_status (status=?)",
	"failedNow":   "COVERING INDEX deliveries_status (status=?)",
	"failedNowTo": "COVERING INDEX deliveries_destination_status (destination_id=? AND status=?)",
}

// plan fails when a statement walks a table that grows with use, and when claiming walks everything that waits.
func plan(t *testing.T, tx *Tx, name, query string) error {
	args := map[string]bool{}
	for _, p := range parameter.FindAllString(query, -1) {
		args[p] = true
	}
	rows, err := tx.w.conn.QueryContext(tx.w.ctx, "EXPLAIN QUERY PLAN "+query, make([]any, len(args))...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return err
		}
		steps = append(steps, detail)
	}
	all := strings.Join(steps, "\n  ")
	if name == "lastHash" { // its last row only
		return rows.Err()
	}
	if need := needs[name]; !strings.Contains(all, need) {
		t.Errorf("%s does not find its rows by %q:\n  %s", name, need, all)
	}
	if wholeTable.MatchString(all) || ((name == "own" || name == "ownStill") && !strings.HasPrefix(all, "SEARCH deliveries USING PRIMARY KEY")) {
		t.Errorf("%s walks too much:\n  %s", name, all)
	}
	return rows.Err()
}
