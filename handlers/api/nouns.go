package api

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"

	"waybill/db/fault"
	"waybill/db/model"
)

// Meta is what every object carries. Like all that is embedded in inputs and answers it has an exported name: huma
// passes over embedded types without one.
type Meta struct {
	ID        string  `json:"id" readOnly:"true"`
	CreatedAt *string `json:"created_at" format:"date-time" readOnly:"true"`
	UpdatedAt *string `json:"updated_at" format:"date-time" readOnly:"true"`
	Version   int64   `json:"version" doc:"Grows with every change; send it back on PUT to be told of changes in between"`
}

func newMeta[ID ~string](id ID, made, changed time.Time, version int64) Meta {
	return Meta{string(id), stamp(made), stamp(changed), version}
}

// Versioned is what an input carries to be told of changes in Between.
type Versioned struct {
	Version int64 `json:"version,omitempty" minimum:"0" doc:"The version that GET gave; absent or 0 overwrites whatever is there"`
}

// versioned is what embeds a Versioned.
type versioned interface{ expect(version int64) bool }

// expect takes the version that a caller names beside the body; false: the body names another.
func (v *Versioned) expect(version int64) bool {
	same := v.Version == 0 || v.Version == version
	v.Version = version
	return same
}

// heed reads If-Match (RFC 9110 13.1.1) for a change whose input is in: "3" in quotes is the version that the caller saw. What
// cannot be compared is refused, since a condition that nobody looks at overwrites what it was to protect.
func heed(ifMatch string, in any) error {
	if ifMatch == "" || ifMatch == "*" {
		return nil
	}
	var bad fault.Check
	body := reflect.ValueOf(in).Elem().FieldByName("Body")
	var v versioned
	if body.IsValid() && body.Kind() == reflect.Struct {
		v, _ = body.Addr().Interface().(versioned)
	}
	version, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(ifMatch, `"`), `"`), 10, 64)
	switch {
	case v == nil:
		bad.Add("If-Match", "This operation compares no versions. Leave If-Match out.")
	case err != nil || ifMatch != `"`+strconv.FormatInt(version, 10)+`"` || version < 1:
		bad.Add("If-Match", "The version that GET gave, in quotes, such as \"3\".")
	case !v.expect(version):
		bad.Add("version", "This is another version than that of If-Match.")
	}
	return bad.Err()
}

// stamp is a time in an answer, nil when it did not happen.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := model.Stamp(t)
	return &s
}

// or is *p, or what stands in for it when it is absent or null.
func or[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// full gives an empty list instead of null.
func full[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// Between is a span of time as two query parameters.
type Between struct {
	From string `query:"from" format:"date-time" doc:"At or after (RFC 3339)"`
	To   string `query:"to" format:"date-time" doc:"Before (RFC 3339)"`
}

func (b Between) times() (from, to time.Time, err error) {
	var bad fault.Check
	from, to = parseTime(&bad, "from", b.From), parseTime(&bad, "to", b.To)
	return from, to, bad.Err()
}

// parseTime reads RFC 3339 text; "" is the zero time.
func parseTime(bad *fault.Check, field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, wrong := model.ParseTime(text)
	if wrong != nil {
		bad.Add(field, "%s", wrong)
	}
	return t
}

// also adds complaints to what a check found; other errors win.
func also(err error, more []fault.Field) error {
	if len(more) == 0 {
		return err
	}
	var bad fault.Check
	bad.Join("", more)
	var f *fault.Fault
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		bad.Join("", f.Fields)
	} else if err != nil {
		return err
	}
	return bad.Err()
}
