package db

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/db/model"
)

// What is written by hand is byte for byte what encoding/json writes.
func TestAttemptJSON(t *testing.T) {
	for _, list := range [][]model.Header{nil, {}, {{Name: "A", Value: "b"}}, {{Name: "A", Value: "a\"\\<>&\x00\x1f\x7f\u2028ä\xff"}, {Name: "", Value: ""}}} {
		if diff := cmp.Diff(encode(list), headers(list)); diff != "" {
			t.Error(diff)
		}
	}
	for _, v := range []model.Timings{{}, {DNS: 1, Connect: 2, TLS: 3, FirstByte: 4, Total: 5, Reused: true}, {Total: -1, Waited: 9}, {Certificate: true}, {Authority: true}, {Waited: 1, WaitedFor: "order"}} {
		if diff := cmp.Diff(encode(v), timings(v)); diff != "" {
			t.Error(diff)
		}
	}
}

// No field of the timings is forgotten.
func TestAttemptJSONIsWhole(t *testing.T) {
	for i := range reflect.TypeFor[model.Timings]().NumField() {
		var v model.Timings
		switch f := reflect.ValueOf(&v).Elem().Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString("x")
		default:
			f.SetInt(7)
		}
		if diff := cmp.Diff(encode(v), timings(v)); diff != "" {
			t.Error(diff)
		}
	}
}

// Whatever is empty, a row holds what was given.
func TestLeanStatements(t *testing.T) {
	s, err := Open(context.Background(), Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	type values struct {
		A, B string
		C    int64
		D    []byte
	}
	const insert = "INSERT INTO lean (a, b, c, d, e) VALUES ($2, $1, $3, $4, coalesce(nullif($1, ''), 'none'))"
	err = s.Write(context.Background(), model.System("test"), func(tx *Tx) error {
		if err := tx.exec("CREATE TABLE lean (a TEXT, b TEXT, c INTEGER, d BLOB, e TEXT) STRICT"); err != nil {
			return err
		}
		for n := range 16 {
			v := values{C: int64(n & 4)}
			if n&1 != 0 {
				v.A = "it's $3"
			}
			if n&2 != 0 {
				v.B = "b"
			}
			if n&8 != 0 {
				v.D = []byte("x")
			}
			if changed, err := tx.lean(insert, model.EventID(v.B), v.A, v.C, v.D); err != nil || changed != 1 {
				t.Errorf("%+v: %d rows, %v", v, changed, err)
			}
			got, err := all(tx, func(r row) (v values, err error) { err = r.Scan(&v.A, &v.B, &v.C, &v.D); return v, err }, "SELECT a, b, c, d FROM lean ORDER BY rowid DESC LIMIT 1")
			if diff := cmp.Diff([]values{v}, got); err != nil || diff != "" {
				t.Error(err, diff)
			}
		}
		if n := len(tx.w.lean.made); n != 16 {
			t.Errorf("%d statements for 16 patterns", n)
		}
		if _, err := tx.lean("INSERT INTO nowhere VALUES ($1)", 1); err == nil {
			t.Error("a broken statement is no error")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkLean is one delivery's row, by database/sql with everything bound, and beneath it with what says something.
func BenchmarkLean(b *testing.B) {
	for name, insert := range map[string]func(*Tx, ...any) error{
		"bound": func(tx *Tx, values ...any) error { return tx.exec(insertDelivery, values...) },
		"lean":  func(tx *Tx, values ...any) error { _, err := tx.lean(insertDelivery, values...); return err },
	} {
		b.Run(name, func(b *testing.B) {
			s, err := Open(context.Background(), Options{Dir: b.TempDir(), Now: time.Now})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			target, owner := "dst_00000000000000000000000000", string(model.NewNodeID(time.Now()))
			b.ReportAllocs()
			for done := 0; done < b.N; {
				if err := s.Write(context.Background(), model.System("bench"), func(tx *Tx) error {
					for range min(256, b.N-done) {
						now := time.Now()
						if err := insert(tx, string(model.NewDeliveryID(now)), string(model.NewEventID(now)), target, target, "act_00000000000000000000000000", "realtime", "pending",
							owner, ms(now), "", "", "", ms(now), "", "", "", "", int64(0), ""); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
				done += 256
			}
		})
	}
}
