package jobs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
)

// CheckAudience cleans and checks an audience.
func (s *Service) CheckAudience(a *model.Audience) error {
	a.Clean()
	var bad fault.Check
	bad.Join("", a.Check())
	return bad.Err()
}

// AddMembers appends records to an audience, or puts them in place of those that it has, and tells how many it holds then.
// Each is a JSON object. It is done in steps behind all realtime work; a list that replaces shows only when it is whole.
func (s *Service) AddMembers(ctx context.Context, actor model.Actor, id model.AudienceID, list []json.RawMessage, replace bool) (int64, error) {
	a, err := s.o.Store.Audience(ctx, id)
	if err != nil {
		return 0, err
	}
	if replace {
		return s.replaceMembers(ctx, actor, a, list)
	}
	n := a.Count
	for len(list) > 0 {
		some := list[:min(len(list), db.MaxAdded)]
		err := s.o.Store.WriteBulk(ctx, actor, func(tx *db.Tx) (err error) {
			n, err = tx.AddMembers(id, some)
			return err
		})
		if err != nil {
			return n, err
		}
		list = list[len(some):]
	}
	return n, nil
}

func (s *Service) replaceMembers(ctx context.Context, actor model.Actor, a model.Audience, list []json.RawMessage) (int64, error) {
	generation, total := s.o.Now().UnixMilli(), int64(len(list))
	for first := int64(0); first < total; {
		some := list[first:min(total, first+db.MaxAdded)]
		if err := s.o.Store.WriteBulk(ctx, actor, func(tx *db.Tx) error { return tx.StageMembers(a.ID, generation, first, some) }); err != nil {
			return 0, err
		}
		first += int64(len(some))
	}
	err := s.o.Store.WriteBulk(ctx, actor, func(tx *db.Tx) error { return tx.ReplaceMembers(a.ID, a.Generation, generation, total) })
	return total, err
}

// ReadMembers reads the records of a file: CSV with a line of names (separated by commas, semicolons or tabs; values are
// text), JSON lines, or a JSON array of objects. Nothing is taken of a file that is wrong anywhere; the complaint about
// "file" says where.
func ReadMembers(file io.Reader) ([]json.RawMessage, error) {
	r := bufio.NewReaderSize(file, 64<<10)
	if mark, _ := r.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = r.Discard(3)
	}
	for {
		c, err := r.Peek(1)
		if err != nil {
			break
		}
		switch c[0] {
		case ' ', '\t', '\r', '\n':
			_, _ = r.Discard(1)
			continue
		case '{', '[':
			return readJSONMembers(r)
		}
		return readCSVMembers(r)
	}
	return nil, badFile("The file is empty.")
}

func badFile(format string, args ...any) error {
	var bad fault.Check
	bad.Add("file", format, args...)
	return bad.Err()
}

// readJSONMembers reads objects that follow each other, or one array of them.
func readJSONMembers(r io.Reader) ([]json.RawMessage, error) {
	dec := json.NewDecoder(r)
	var out []json.RawMessage
	for {
		var v json.RawMessage
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fileFault(err, "Record %d is not JSON: %s.", len(out)+1, strings.TrimPrefix(err.Error(), "json: "))
		}
		list := []json.RawMessage{v}
		if v[0] == '[' {
			if err := json.Unmarshal(v, &list); err != nil {
				return nil, badFile("This is no list of records.")
			}
		}
		for _, x := range list {
			if words := CheckMember(x); words != "" {
				return nil, badFile("Record %d: %s", len(out)+1, words)
			}
			var line bytes.Buffer
			if err := json.Compact(&line, x); err != nil {
				return nil, badFile("Record %d is not JSON.", len(out)+1)
			}
			out = append(out, line.Bytes())
		}
		if len(out) > model.MaxMembers {
			return nil, badFile("At most %d records.", model.MaxMembers)
		}
	}
}

// fileFault keeps a fault of reading (the file is too large), and puts words to anything else.
func fileFault(err error, format string, args ...any) error {
	if fault.Of(err) != nil || strings.Contains(err.Error(), "request body too large") {
		return err
	}
	return badFile(format, args...)
}

// CheckMember is what is wrong with a record, "" when nothing is.
func CheckMember(data json.RawMessage) string {
	switch data = bytes.TrimSpace(data); {
	case len(data) == 0 || data[0] != '{':
		return "A record is an object, such as {\"email\": \"ada@example.com\"}."
	case len(data) > model.MaxMember:
		return "A record has at most 64 KiB."
	case !utf8.Valid(data):
		return "The text is not UTF-8. Save the file as UTF-8 and try again."
	}
	return ""
}

// readCSVMembers makes an object of each line after the first, with its values as text.
func readCSVMembers(r *bufio.Reader) ([]json.RawMessage, error) {
	c := csv.NewReader(r)
	c.Comma = separator(r)
	c.ReuseRecord = true
	head, err := c.Read()
	if err != nil {
		return nil, fileFault(err, "The first line cannot be read: %s.", err)
	}
	names, err := columnNames(head)
	if err != nil {
		return nil, err
	}
	var out []json.RawMessage
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		line, _ := c.FieldPos(0)
		if errors.Is(err, csv.ErrFieldCount) {
			return nil, badFile("Line %d has %d values, but the first line has %d names.", line, len(row), len(names))
		}
		if err != nil {
			return nil, fileFault(err, "The file cannot be read: %s.", err)
		}
		if len(out) == model.MaxMembers {
			return nil, badFile("At most %d records.", model.MaxMembers)
		}
		data := object(names, row)
		if words := CheckMember(data); words != "" {
			return nil, badFile("Line %d: %s", line, words)
		}
		out = append(out, data)
	}
}

// separator is what stands between the names of the first line.
func separator(r *bufio.Reader) rune {
	start, _ := r.Peek(4096)
	start, _, _ = bytes.Cut(start, []byte("\n"))
	best, most := ',', bytes.Count(start, []byte(","))
	for _, c := range ";\t" {
		if n := bytes.Count(start, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// columnNames are the encoded names of a file's columns.
func columnNames(head []string) ([][]byte, error) {
	seen, out := map[string]bool{}, make([][]byte, len(head))
	for i, name := range head {
		name = strings.TrimSpace(name)
		switch {
		case !utf8.ValidString(name):
			return nil, badFile("The text is not UTF-8. Save the file as UTF-8 and try again.")
		case name == "":
			return nil, badFile("Column %d has no name in the first line.", i+1)
		case seen[name]:
			return nil, badFile("Two columns are called “%s”.", name)
		}
		seen[name] = true
		out[i] = quoteJSON(name)
	}
	return out, nil
}

func object(names [][]byte, row []string) json.RawMessage {
	out := []byte{'{'}
	for i, v := range row {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, names[i]...), ':'), quoteJSON(v)...)
	}
	return append(out, '}')
}

// quoteJSON keeps < and & as they are; bytes that are no UTF-8 stay, so that they are noticed.
func quoteJSON(s string) []byte {
	if !utf8.ValidString(s) {
		return []byte(s)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // text is always encodable
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
