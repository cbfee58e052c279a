package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"waybill/views/texts"
)

// folders are where texts for people are written, below the root of the repository. Beside the pages and their scripts
// these are the checks, whose complaints pages show.
var folders = []string{"views", "handlers", "static/src/js", "db", "jobs"}

// gathered is what the sources say: id to where, and plural ids.
type gathered struct {
	from    map[string][]string
	many    map[string]string
	formats map[string]bool // of package fmt
}

func nothing() gathered {
	return gathered{map[string][]string{}, map[string]string{}, map[string]bool{}}
}

func gather(root string) (gathered, error) {
	g := nothing()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "texts") {
				return filepath.SkipDir
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			switch {
			case strings.HasSuffix(name, ".js"):
				return g.script(path, name)
			case !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"), strings.HasSuffix(name, "gallery_templ.go"), strings.HasSuffix(name, "gallery.go"):
				return nil
			}
			return g.source(path, strings.Replace(name, "_templ.go", ".templ", 1))
		})
		if err != nil {
			return g, err
		}
	}
	return g, nil
}

var scriptText = regexp.MustCompile(`\btell\("((?:[^"\\]|\\.)*)"`)

func (g gathered) script(path, name string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, m := range scriptText.FindAllSubmatch(text, -1) {
		if s, err := strconv.Unquote(`"` + string(m[1]) + `"`); err == nil {
			g.add(s, name)
		}
	}
	return nil
}

func (g gathered) source(path, name string) error {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	v := visitor{g: g, name: filepath.ToSlash(name), pages: strings.HasPrefix(name, "views") || strings.HasPrefix(name, "handlers"), known: map[token.Pos]bool{}, named: constants(f)}
	v.file(f)
	return nil
}

type visitor struct {
	g     gathered
	name  string
	pages bool
	known map[token.Pos]bool // literals that are looked up
	named map[string]string  // texts of the file's constants
}

// mark keeps where the literals of an expression stand.
func (v visitor) mark(e ast.Node) {
	ast.Inspect(e, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok {
			v.known[l.Pos()] = true
		}
		return true
	})
}

func (v visitor) file(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			v.call(n)
		case *ast.CompositeLit:
			v.literal(n, typeName(n.Type))
		case *ast.ReturnStmt:
			v.returned(n)
		case *ast.ValueSpec:
			for _, e := range n.Values {
				if !v.pages {
					v.whole(e)
				}
			}
		}
		return true
	})
}

// constants are the texts of the file's constants, by name.
func constants(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			if x, ok := s.(*ast.ValueSpec); ok && len(x.Names) == 1 && len(x.Values) == 1 {
				if text := said(x.Values[0]); len(text) == 1 {
					out[x.Names[0].Name] = text[0]
				}
			}
		}
	}
	return out
}

// said are the texts that an expression can be, that of a constant too.
func (v visitor) said(e ast.Expr) []string {
	if id, ok := e.(*ast.Ident); ok && v.named[id.Name] != "" {
		return []string{v.named[id.Name]}
	}
	return said(e)
}

func (v visitor) add(e ast.Expr) {
	for _, s := range v.said(e) {
		v.g.add(s, v.name)
		v.mark(e)
	}
}

var (
	sentence = regexp.MustCompile(`^\p{Lu}\p{Ll}`)
	whole    = regexp.MustCompile(`(?s)^\p{Lu}\p{Ll}*[,;]? .*[.?]$`)
)

// returned keeps what a function gives back when it reads like a text for people: such functions choose between texts.
// Below the pages these are whole sentences.
func (v visitor) returned(r *ast.ReturnStmt) {
	if v.pages && len(r.Results) == 1 {
		v.sentence(r.Results[0])
	}
	if v.pages {
		return
	}
	for _, e := range r.Results {
		v.whole(e)
	}
}

func (v visitor) whole(e ast.Expr) {
	for _, s := range said(e) {
		if whole.MatchString(s) {
			v.g.add(s, v.name)
			v.mark(e)
		}
	}
}

func (v visitor) sentence(e ast.Expr) {
	for _, s := range said(e) {
		if sentence.MatchString(s) {
			v.g.add(s, v.name)
			v.mark(e)
		}
	}
}

func (v visitor) call(c *ast.CallExpr) {
	name, of := "", ""
	switch f := c.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if x, ok := f.X.(*ast.Ident); ok {
			of = x.Name
		}
	}
	v.told(c, name, of)
	for _, i := range makers[name] {
		if i < len(c.Args) {
			v.add(c.Args[i])
		}
	}
	if !v.pages {
		return
	}
	for _, i := range args[name] {
		if i < len(c.Args) {
			v.add(c.Args[i])
		}
	}
	if i, ok := nouns[name]; ok && i < len(c.Args) {
		v.mark(c.Args[i])
		for _, noun := range said(c.Args[i]) {
			v.g.count("{n} "+noun, "{n} "+texts.Plural(noun), v.name)
		}
	}
	if name == "N" && len(c.Args) > 3 {
		v.mark(c)
		if one, many := said(c.Args[2]), said(c.Args[3]); len(one) == 1 && len(many) == 1 {
			v.g.count(one[0], many[0], v.name)
		}
	}
}

// told reads the calls that make what all of the program says to people.
func (v visitor) told(c *ast.CallExpr, name, of string) {
	if of == "fault" || of == "" && strings.HasPrefix(v.name, "db/fault/") {
		name = "fault." + name
	}
	if i, ok := faults[name]; ok && i < len(c.Args) {
		for _, s := range said(c.Args[i]) {
			v.g.format(s, v.name)
			v.mark(c.Args[i])
		}
	}
	if i, ok := kinds[name]; ok && i < len(c.Args) {
		v.add(c.Args[i])
	}
	if i, ok := absent[name]; ok && i < len(c.Args) && !counts(c.Args) {
		for _, noun := range said(c.Args[i]) {
			if !slices.Contains(inner, noun) {
				v.g.add("There is no such "+noun+".", v.name)
			}
			v.mark(c.Args[i])
		}
	}
}

// counts reports whether a query's scan function is that of a number, which there always is.
func counts(args []ast.Expr) bool {
	return len(args) > 2 && typeName(args[2]) == "number"
}

// literal reads a composite literal of a type; elements of lists and maps that name no type have that of the list.
func (v visitor) literal(c *ast.CompositeLit, kind string) {
	elem := elemName(c.Type)
	for i, e := range c.Elts {
		value, key := e, ""
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			value = kv.Value
			if id, ok := kv.Key.(*ast.Ident); ok {
				key = id.Name
			}
		} else if p := places[kind]; i < len(p) {
			key = p[i]
		}
		if inner, ok := value.(*ast.CompositeLit); ok && inner.Type == nil && elem != "" {
			v.literal(inner, elem)
			continue
		}
		if key == "" {
			continue
		}
		if counted[kind] == key {
			for _, noun := range v.said(value) {
				v.g.count("{n} "+noun, "{n} "+texts.Plural(noun), v.name)
			}
			continue
		}
		if key == "Placeholder" && kind == "Field" && !v.example(value) {
			continue
		}
		if inner, ok := value.(*ast.CompositeLit); ok && slices.Contains(told[kind], key) {
			v.values(inner)
			continue
		}
		if slices.Contains(told[kind], key) || v.pages && (slices.Contains(fields[kind], key) || slices.Contains(places[kind], key)) {
			v.add(value)
		}
	}
}

// values reads what a map of texts holds.
func (v visitor) values(c *ast.CompositeLit) {
	for _, e := range c.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			v.add(kv.Value)
		}
	}
}

var words = regexp.MustCompile(`^\p{Lu}\p{Ll}+:? |\} \p{L}{2,}`)

// example reports whether the placeholder of a field says something: most are what machines write.
func (v visitor) example(e ast.Expr) bool {
	return slices.ContainsFunc(v.said(e), words.MatchString)
}

func typeName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.SelectorExpr:
		return t.Sel.Name
	}
	return ""
}

func elemName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.ArrayType:
		return typeName(t.Elt)
	case *ast.MapType:
		if list, ok := t.Value.(*ast.ArrayType); ok {
			return typeName(list.Elt)
		}
		return typeName(t.Value)
	}
	return ""
}

// said are the texts that an expression can be: a literal, or literals joined; nothing when values are in it.
func said(e ast.Expr) []string {
	switch x := e.(type) {
	case *ast.BasicLit:
		if x.Kind == token.STRING {
			if s, err := strconv.Unquote(x.Value); err == nil {
				return []string{s}
			}
		}
	case *ast.BinaryExpr:
		if x.Op == token.ADD {
			if a, b := said(x.X), said(x.Y); len(a) == 1 && len(b) == 1 {
				return []string{a[0] + b[0]}
			}
		}
	case *ast.ParenExpr:
		return said(x.X)
	case *ast.CallExpr:
		if f, ok := x.Fun.(*ast.Ident); ok && f.Name == "first" && len(x.Args) == 2 {
			return slices.Concat(said(x.Args[0]), said(x.Args[1]))
		}
	}
	return nil
}

var letters = regexp.MustCompile(`\p{L}{2}`)

// add keeps a text for translators: one with words in it, and no address or name of a thing of machines.
func (g gathered) add(text, from string) {
	if !letters.MatchString(text) && !strings.HasPrefix(text, "{n} ") || strings.Contains(text, "://") && !strings.Contains(text, " ") || strings.ContainsAny(text, "%") && strings.Contains(text, "%s") {
		return
	}
	if !strings.Contains(text, " ") && strings.ContainsAny(text, "_/@{=") {
		return
	}
	if !slices.Contains(g.from[text], from) {
		g.from[text] = append(g.from[text], from)
	}
}

var verbs = regexp.MustCompile(`%(\[\d\])?[a-z]`)

// format keeps a format with words in it; what is no format in any language is a text like others.
func (g gathered) format(text, from string) {
	if !letters.MatchString(verbs.ReplaceAllString(text, "")) && !strings.Contains(text, "“") {
		return
	}
	if strings.Contains(text, "%") {
		g.formats[text] = true
		if !slices.Contains(g.from[text], from) {
			g.from[text] = append(g.from[text], from)
		}
		return
	}
	g.add(text, from)
}

func (g gathered) count(one, many, from string) {
	g.many[one] = many
	if !slices.Contains(g.from[one], from) {
		g.from[one] = append(g.from[one], from)
	}
}

// entries are what was gathered, sorted, with what a language says so far.
func (g gathered) entries(head texts.Entry, said map[string]texts.Entry) []texts.Entry {
	out := []texts.Entry{head}
	ids := make([]string, 0, len(g.from))
	for id := range g.from {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		from := slices.Clone(g.from[id])
		slices.Sort(from)
		e := texts.Entry{ID: id, Many: g.many[id], From: from, Format: g.formats[id]}
		if old := said[id]; (old.Many == "") == (e.Many == "") {
			e.Texts = old.Texts
		}
		out = append(out, e)
	}
	return out
}
