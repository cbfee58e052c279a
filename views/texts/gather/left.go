package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	templ "github.com/a-h/templ/parser/v2"
)

// Left is a text that reads as if it were for people and is not looked up.
type Left struct {
	File string // below the root
	Line int
	Text string
}

func (l Left) String() string { return fmt.Sprintf("%s:%d: %q", l.File, l.Line, l.Text) }

// left finds, in pages, texts that are written into markup or into code and do not go through the catalogue.
func left(root string) ([]Left, error) {
	var out []Left
	for _, pattern := range []string{"views/*.templ", "views/ui/*.templ"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "gallery.templ") {
				continue
			}
			found, err := markup(root, name)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	for _, pattern := range []string{"views/*.go", "views/ui/*.go"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "gallery") {
				continue
			}
			found, err := code(root, name)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	return out, nil
}

// shown are the attributes that people read or hear.
var shown = []string{"aria-label", "title", "placeholder", "alt", "aria-description"}

var word = regexp.MustCompile(`\p{L}{2}`)

// markup are the texts between the tags of a templ file, and in attributes that are shown.
func markup(root, name string) (out []Left, err error) {
	file, err := templ.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	at, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	add := func(line uint32, text string) {
		if word.MatchString(text) && !silentText.MatchString(text) && !slices.Contains(same[:], strings.TrimSpace(text)) {
			out = append(out, Left{at, int(line) + 1, strings.TrimSpace(text)})
		}
	}
	var walk func(nodes []templ.Node, code bool)
	walk = func(nodes []templ.Node, code bool) {
		for _, n := range nodes {
			if e, ok := n.(*templ.Element); ok {
				for _, a := range e.Attributes {
					c, ok := a.(*templ.ConstantAttribute)
					if !ok || !slices.Contains(shown, c.Key.String()) {
						continue
					}
					if key, ok := c.Key.(templ.ConstantAttributeKey); ok {
						add(key.NameRange.From.Line, c.Value)
					}
				}
				walk(e.Children, code || e.Name == "code" || e.Name == "kbd" || e.Name == "pre")
				continue
			}
			if s, ok := n.(*templ.Text); ok && !code {
				add(s.Range.From.Line, s.Value)
			}
			if c, ok := n.(templ.CompositeNode); ok {
				walk(c.ChildNodes(), code)
			}
		}
	}
	for _, n := range file.Nodes {
		if t, ok := n.(*templ.HTMLTemplate); ok {
			walk(t.Children, false)
		}
	}
	return out, nil
}

// silentText are texts that no language changes: class names, what htmx reads, headers, names of browsers and systems, and
// samples of what people type.
var silentText = regexp.MustCompile(`^(num|mono) quiet$|-$|^(innerHTML|input) |:#$|^(Authorization|Accept|Bearer|Esc|Tab|Local|Edge|Opera|Firefox|Chrome|Safari|Android|Windows|Mac OS X|Linux)$|` +
	`^(View|Manage)$|^(designer|flow-tip|menu-item) |^light dark$|^text/plain|@example\.com|^Northwind ERP$|^it\.|^event\.data|/in/•|curl|-H |^\{`)

// same are words that are the same in every language: names of products and of formats.
var same = [...]string{"Waybill", "UTC"}

var (
	sentences = regexp.MustCompile(`\p{L}{2,}[,;:”]? [“]?\p{L}{2,}`)
	capital   = regexp.MustCompile(`^\p{Lu}\p{Ll}+$`)
)

// code are the texts in Go, that of templ files too, that nothing looks up.
func code(root, name string) (out []Left, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	at, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	g := nothing()
	v := visitor{g: g, name: at, pages: true, known: map[token.Pos]bool{}}
	v.file(file)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			return false
		case *ast.CallExpr:
			return !silent(n)
		case *ast.CompositeLit:
			return typeName(n.Type) != "Error"
		case *ast.BasicLit:
			if n.Kind != token.STRING || v.known[n.Pos()] {
				return true
			}
			s, err := strconv.Unquote(n.Value)
			if err != nil || strings.HasPrefix(s, "<") || silentText.MatchString(s) || slices.Contains(same[:], s) {
				return true
			}
			if sentences.MatchString(s) || capital.MatchString(s) {
				out = append(out, Left{at, set.Position(n.Pos()).Line, s})
			}
		}
		return true
	})
	return out, nil
}

// silent are calls whose texts nobody sees on a page: the log, errors, markup that is looked at elsewhere.
func silent(c *ast.CallExpr) bool {
	f, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, _ := f.X.(*ast.Ident)
	if x != nil && (x.Name == "templruntime" && f.Sel.Name == "WriteString" || x.Name == "errors" || x.Name == "strings" || x.Name == "regexp" || x.Name == "href") {
		return true
	}
	switch f.Sel.Name {
	case "Errorf", "Set", "Get", "Info", "Warn", "Error", "Debug", "Header", "HasPrefix", "QueryParam", "FormValue", "Param":
		return x == nil || x.Name != "ui"
	}
	return false
}
