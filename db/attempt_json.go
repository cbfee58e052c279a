package db

import (
	"strconv"

	"waybill/db/model"
)

// What every attempt stores as JSON is written by hand: reflection took longer for it than SQLite for the row. It reads back
// as what encode writes.

// headers is encode of headers.
func headers(list []model.Header) string {
	if list == nil {
		return "null"
	}
	var room [640]byte
	b := append(room[:0], '[')
	for i, h := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = quoted(append(b, `{"name":`...), h.Name)
		b = append(quoted(append(b, `,"value":`...), h.Value), '}')
	}
	return string(append(b, ']'))
}

// timings is encode of timings.
func timings(t model.Timings) string {
	if t.Certificate || t.Authority || t.WaitedFor != "" {
		return encode(t)
	}
	var room [160]byte
	b := room[:0]
	for _, f := range [...]struct {
		name string
		n    int64
	}{{`{"dns":`, t.DNS}, {`,"connect":`, t.Connect}, {`,"tls":`, t.TLS}, {`,"first_byte":`, t.FirstByte}, {`,"total":`, t.Total}} {
		b = strconv.AppendInt(append(b, f.name...), f.n, 10)
	}
	b = strconv.AppendBool(append(b, `,"reused":`...), t.Reused)
	if t.Waited != 0 {
		b = strconv.AppendInt(append(b, `,"waited":`...), t.Waited, 10)
	}
	return string(append(b, '}'))
}

// quoted appends a JSON string.
func quoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return append(b, encode(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
