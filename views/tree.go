package views

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Branch is one value of a JSON document as a tree: a leaf has a Value, a node has Branches.
type Branch struct {
	Name     string // of the member, or [0] in a list
	Value    string // of a leaf, as people read it
	Kind     string // text, number, word (true, false, null), object, list
	Branches []Branch
}

// TreeOf reads JSON into branches, in the order of the text: those of the top object or list, or one nameless leaf.
// What is no JSON has none.
func TreeOf(data json.RawMessage) []Branch {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	b, err := branch(dec, "", 0)
	if err != nil {
		return nil
	}
	if b.Kind == "object" || b.Kind == "list" {
		return b.Branches
	}
	return []Branch{b}
}

// deepest is how far a tree is drawn; below it stands the text.
const deepest = 12

func branch(dec *json.Decoder, name string, depth int) (Branch, error) {
	if depth == deepest {
		var rest json.RawMessage
		err := dec.Decode(&rest)
		return Branch{Name: name, Kind: "word", Value: string(rest)}, err
	}
	t, err := dec.Token()
	if err != nil {
		return Branch{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		b := Branch{Name: name, Kind: "object"}
		if t == '[' {
			b.Kind = "list"
		}
		for i := 0; dec.More(); i++ {
			key := "[" + strconv.Itoa(i) + "]"
			if t == '{' {
				k, err := dec.Token()
				if err != nil {
					return b, err
				}
				key, _ = k.(string)
			}
			child, err := branch(dec, key, depth+1)
			if err != nil {
				return b, err
			}
			b.Branches = append(b.Branches, child)
		}
		_, err := dec.Token()
		return b, err
	case string:
		return Branch{Name: name, Kind: "text", Value: t}, nil
	case json.Number:
		return Branch{Name: name, Kind: "number", Value: t.String()}, nil
	case bool:
		return Branch{Name: name, Kind: "word", Value: strconv.FormatBool(t)}, nil
	}
	return Branch{Name: name, Kind: "word", Value: "null"}, nil
}
