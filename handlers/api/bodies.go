package api

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"waybill/db/fault"
)

// What huma does not look at in a body: members whose names are mistyped, and numbers that their place cannot hold. A body is read once
// along the outline of its type before huma decodes it; wrong types are left to huma, missing members to jobs.

// outline is what may stand at one place of a body.
type outline struct {
	free    bool                // any JSON, kept byte for byte
	loose   bool                // any JSON, whose numbers become float64
	number  bool                // fits float64
	whole   bool                // fits int64
	members map[string]*outline // of an object that knows its members; nil values are those of answers, which are passed over
	each    *outline            // an item of a list, or a value of a map
}

var (
	rawType     = reflect.TypeFor[json.RawMessage]()
	decodesType = reflect.TypeFor[json.Unmarshaler]()
)

// outlineOf is the outline of the type in. as are the types of answers that may be sent back in its place: PUT takes what GET gave, so
// their members are known too.
func (a *API) outlineOf(in reflect.Type, as ...reflect.Type) *outline {
	in = solid(in)
	switch {
	case in == rawType || reflect.PointerTo(in).Implements(decodesType):
		return &outline{free: true}
	case in.Kind() == reflect.Struct:
		return a.objectOf(in, slices.Concat(as, a.shown[in]))
	}
	switch in.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		var items []reflect.Type
		for _, t := range as {
			if t = solid(t); t.Kind() == in.Kind() {
				items = append(items, t.Elem())
			}
		}
		return &outline{each: a.outlineOf(in.Elem(), items...)}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &outline{whole: true}
	case reflect.Float32, reflect.Float64:
		return &outline{number: true}
	}
	return &outline{loose: true}
}

func (a *API) objectOf(in reflect.Type, as []reflect.Type) *outline {
	s := &outline{members: map[string]*outline{}}
	answers := map[string][]reflect.Type{}
	for _, t := range as {
		if t = solid(t); t.Kind() != reflect.Struct {
			continue
		}
		for name, member := range membersOf(t) {
			answers[name], s.members[name] = append(answers[name], member), nil
		}
	}
	for name, member := range membersOf(in) {
		s.members[name] = a.outlineOf(member, answers[name]...)
	}
	return s
}

// solid is the type behind pointers.
func solid(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// membersOf are the members of a struct as JSON has them, those of embedded structs included.
func membersOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		out[name] = f.Type
	}
	return out
}

// typeOfBody is the type of the body of an operation's input or output, nil when it has none.
func typeOfBody(t reflect.Type) reflect.Type {
	if f, ok := t.FieldByName("Body"); ok {
		return solid(f.Type)
	}
	return nil
}

// learn notes what an operation takes, and in which answers the same thing is shown.
func (a *API) learn(r route, in, out reflect.Type) {
	takes, gives := typeOfBody(in), typeOfBody(out)
	if takes != nil {
		a.takes[r.id] = takes
	}
	switch {
	case gives == nil:
	case r.method == http.MethodGet:
		a.gives[r.path] = gives
	case takes != nil:
		a.shown[takes] = append(a.shown[takes], gives)
	}
	if got := a.gives[r.path]; r.method == http.MethodPut && got != nil && takes != nil {
		a.shown[takes] = append(a.shown[takes], got)
	}
}

// outline makes the outlines, once all operations are known.
func (a *API) outline() {
	a.shown[reflect.TypeFor[trialEvent]()] = []reflect.Type{reflect.TypeFor[event]()}
	for id, in := range a.takes {
		a.outlines[id] = a.outlineOf(in)
	}
}

// walk is one body that is being read along its outline.
type walk struct {
	d     *jsontext.Decoder
	bad   fault.Check
	loose bool // within a loose value, whose depth has been looked at
}

// checkBody refuses text that is not JSON (400), and what the outline cannot take (422).
func checkBody(s *outline, text []byte) error {
	var w walk
	err := parse(text, func(d *jsontext.Decoder) error {
		w.d = d
		return w.value("", s)
	})
	if err != nil {
		return err
	}
	return w.bad.Err()
}

// mostComplaints is of how many members a caller is told at once.
const mostComplaints = 20

func (w *walk) complain(path, format string, args ...any) {
	if len(w.bad.Fields()) < mostComplaints {
		w.bad.Add(path, format, args...)
	}
}

// value reads the next value; path is where it stands.
func (w *walk) value(path string, s *outline) error {
	switch kind := w.d.PeekKind(); {
	case s == nil || s.free:
		return skip(w.d, path)
	case s.loose && !w.loose && (kind == '{' || kind == '['):
		if deeper(w.d.UnreadBuffer(), mostDepth) {
			return deepFault(path)
		}
		w.loose = true
		defer func() { w.loose = false }()
		return w.value(path, s)
	case kind == '{' && (s.members != nil || s.each != nil || s.loose):
		return w.object(path, s)
	case kind == '[' && (s.each != nil || s.loose):
		return w.list(path, s)
	case kind == '0' && (s.whole || s.number || s.loose):
		return w.number(path, s)
	}
	return skip(w.d, path)
}

// object reads the members of an object, each of which s knows.
func (w *walk) object(path string, s *outline) error {
	_, _ = w.d.ReadToken() // the brace that was seen
	for w.d.PeekKind() != '}' {
		raw, err := w.d.ReadValue()
		if err != nil {
			return jsonFault(err)
		}
		name := string(unquoted(raw))
		at, member := strings.TrimPrefix(path+"."+clipped(name), "."), s.inner()
		if s.members != nil {
			var known bool
			if member, known = s.members[name]; !known {
				if meant := mistyped(name, s.taken()...); meant != nil {
					w.complain(at, "%s", meant)
				}
			}
		}
		if err := w.value(at, member); err != nil {
			return err
		}
	}
	_, err := w.d.ReadToken()
	return jsonFault(err)
}

func (w *walk) list(path string, s *outline) error {
	_, _ = w.d.ReadToken() // the bracket that was seen
	for i := 0; w.d.PeekKind() != ']'; i++ {
		if err := w.value(path+"["+strconv.Itoa(i)+"]", s.inner()); err != nil {
			return err
		}
	}
	_, err := w.d.ReadToken()
	return jsonFault(err)
}

// inner is the outline of what a list, a map or a loose value holds.
func (s *outline) inner() *outline {
	if s.loose {
		return s
	}
	return s.each
}

func (w *walk) number(path string, s *outline) error {
	raw, err := w.d.ReadValue()
	if err != nil {
		return jsonFault(err)
	}
	if _, err := strconv.ParseFloat(string(raw), 64); err != nil {
		w.complain(path, "This number is too large.")
		return nil
	}
	if !s.whole {
		return nil
	}
	if _, err := strconv.ParseInt(string(raw), 10, 64); err != nil {
		if strings.Trim(string(raw), "-0123456789") == "" {
			w.complain(path, "This number is too large.")
		} else {
			w.complain(path, "This must be a whole number, written without a point and without an exponent.")
		}
	}
	return nil
}

// clipped is a name short enough to be repeated.
func clipped(name string) string {
	if r := []rune(name); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return name
}

// taken are the members that mean something in a request.
func (s *outline) taken() (names []string) {
	for name, member := range s.members {
		if member != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// mistyped says that there is no member of this name, but one that it is near to; nil when there is none: what nobody knows is
// passed over, as it may come from a newer version or belong to whoever sends it.
func mistyped(name string, known ...string) *fault.Words {
	best, least := "", 3
	for _, k := range known {
		if n := distance(plain(name), plain(k)); n < least && n < max(2, len(k)/2) {
			best, least = k, n
		}
	}
	if best == "" {
		return nil
	}
	return fault.Say("There is no member of this name. Did you mean “%s”?", best)
}

// plain is a name without what people write differently.
func plain(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(clipped(name)))
}

// distance is how many letters must be put in, left out or exchanged to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// uncoded refuses bodies that are compressed.
func uncoded(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return fault.New(fault.Unsupported, "Send the body without Content-Encoding.")
	}
	return nil
}

// readBody reads the body whole before huma does, and checks it against the outline of its operation.
func (x *exchange) readBody(s *outline) error {
	r := x.c.Request()
	if err := uncoded(r.Header); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, mostBody))
	switch {
	case err != nil:
		return brokenBody(err)
	case len(text) == mostBody:
		return fault.New(fault.TooLarge, "The request body is larger than %d MiB.", mostBody>>20)
	}
	x.in = bytes.NewReader(text)
	if len(text) == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Header.Get("Content-Type") != "" && (err != nil || media != "application/json" && !strings.HasSuffix(media, "+json")) {
		return fault.New(fault.Unsupported, "Send the body as application/json.")
	}
	return checkBody(s, text)
}
