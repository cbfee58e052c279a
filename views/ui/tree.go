package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"waybill/views/texts"
)

// TreeNode is one value of a JSON text, in the order in which it came.
type TreeNode struct {
	Key      string // as shown: a member's name, an element's index, "" for the whole
	Path     string // how a template or filter names it
	Kind     string // object, list, text, number, yes or no, nothing
	Text     string // of a plain value, as JSON
	Children []TreeNode
}

// mostTree is how many values a tree shows; text with more is no tree any more.
const mostTree = 1500

// Tree reads a JSON text; root is how its whole is named. False when it is no JSON, or too much of it.
func Tree(data []byte, root string) (TreeNode, bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	t := treeReader{dec: dec, left: mostTree}
	n := t.value("", root, 0)
	return n, !t.bad && t.left >= 0
}

type treeReader struct {
	dec  *json.Decoder
	left int
	bad  bool
}

func (t *treeReader) value(key, path string, depth int) TreeNode {
	n := TreeNode{Key: key, Path: path}
	tok, err := t.dec.Token()
	if t.left--; err != nil || t.left < 0 || depth > 60 {
		t.bad = true
		return n
	}
	switch v := tok.(type) {
	case json.Delim:
		t.inside(&n, v, depth)
	case string:
		n.Kind, n.Text = texts.ID("text"), jsonText(v)
	case json.Number:
		n.Kind, n.Text = texts.ID("number"), v.String()
	case bool:
		n.Kind, n.Text = texts.ID("yes or no"), strconv.FormatBool(v)
	default:
		n.Kind, n.Text = texts.ID("nothing"), "null"
	}
	return n
}

func (t *treeReader) inside(n *TreeNode, open json.Delim, depth int) {
	n.Kind = "object"
	if open == '[' {
		n.Kind = "list"
	}
	for i := 0; t.dec.More() && !t.bad; i++ {
		if n.Kind == "list" {
			n.Children = append(n.Children, t.value(strconv.Itoa(i), n.Path+"["+strconv.Itoa(i)+"]", depth+1))
			continue
		}
		key, err := t.dec.Token()
		name, is := key.(string)
		if err != nil || !is {
			t.bad = true
			return
		}
		n.Children = append(n.Children, t.value(name, n.Path+pathOf(name), depth+1))
	}
	if _, err := t.dec.Token(); err != nil {
		t.bad = true
	}
}

// pathOf is how an expression names a member.
func pathOf(name string) string {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return "[" + strconv.Quote(name) + "]"
		}
	}
	if name == "" {
		return `[""]`
	}
	return "." + name
}

// jsonText is a text as JSON, with readable letters.
func jsonText(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return strconv.Quote(s)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// sum says what it is, an object or a list, and how much it holds.
func (n TreeNode) sum(ctx context.Context) string {
	if n.Kind == "list" {
		return say(ctx, "list, {elements}", "elements", Many(ctx, len(n.Children), "element"))
	}
	return say(ctx, "object, {fields}", "fields", Many(ctx, len(n.Children), "field"))
}

// none says that there is nothing in it.
func (n TreeNode) none(ctx context.Context) string {
	if n.Kind == "list" {
		return say(ctx, "empty list")
	}
	return say(ctx, "empty object")
}

func (n TreeNode) plain() bool { return n.Kind != "object" && n.Kind != "list" }

func (n TreeNode) class() string {
	switch n.Kind {
	case "text":
		return "t-str"
	case "number":
		return "t-num"
	}
	return "t-word"
}
