package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"
	"time"
)

// What runs for every event goes to the driver directly, and binds only what says something: a value costs as much to bind
// as to store, and most columns of most rows are empty. Values that are empty become part of the statement; each pattern of
// them is a statement of its own, prepared once.

// beneath opens the writer's connection and remembers what database/sql covers.
type beneath struct {
	driver.Connector
	conn driver.Conn
}

// Connect implements driver.Connector.
func (b *beneath) Connect(ctx context.Context) (c driver.Conn, err error) {
	c, err = b.Connector.Connect(ctx)
	b.conn = c
	return c, err
}

// lean are the statements of the writer's connection that were prepared beneath database/sql. They are the writer's
// goroutine's own, as the connection is.
type lean struct {
	conn driver.ConnPrepareContext
	made map[pattern]leanest
	args []driver.NamedValue // used again and again
}

// leanest is a prepared statement, and which value stands at each ? of it.
type leanest struct {
	driver.StmtExecContext
	values []int
}

// pattern is a statement and which of its values are empty, two bits each.
type pattern struct {
	query string
	empty uint64
}

const (
	mostPatterns = 256 // beyond, everything is bound
	mostValues   = 32  // that a pattern can tell of
)

var literals = [...]string{"", "NULL", "''", "0"}

// exec runs a statement that changes rows, and says how many. Its parameters are $1, $2, …; values becomes what the driver takes.
func (l *lean) exec(ctx context.Context, query string, values ...any) (int64, error) {
	p := pattern{query: query}
	for i, v := range values {
		plain, code, err := literal(v)
		if err != nil {
			return 0, err
		}
		if i < mostValues {
			p.empty |= code << (2 * i)
		}
		values[i] = plain
	}
	st, err := l.statement(ctx, p)
	if err != nil {
		return 0, err
	}
	l.args = l.args[:0]
	for i, n := range st.values {
		l.args = append(l.args, driver.NamedValue{Ordinal: i + 1, Value: values[n]})
	}
	r, err := st.ExecContext(ctx, l.args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// literal is a value as drivers take it, and which literal it is, 0 = none.
func literal(v any) (plain driver.Value, code uint64, err error) {
	switch x := v.(type) {
	case nil:
		return nil, 1, nil
	case string:
		if x == "" {
			return x, 2, nil
		}
		return v, 0, nil
	case int:
		return number64(int64(x))
	case int64:
		return number64(x)
	case bool:
		if x {
			return number64(1)
		}
		return number64(0)
	case []byte:
		if x == nil {
			return nil, 1, nil
		}
		return v, 0, nil
	case float64, time.Time:
		return v, 0, nil
	}
	if plain, err = driver.DefaultParameterConverter.ConvertValue(v); err != nil {
		return nil, 0, err
	}
	return literal(plain)
}

func number64(n int64) (driver.Value, uint64, error) {
	if n == 0 {
		return n, 3, nil
	}
	return n, 0, nil
}

func (l *lean) statement(ctx context.Context, p pattern) (leanest, error) {
	if st, ok := l.made[p]; ok {
		return st, nil
	}
	if len(l.made) >= mostPatterns {
		p.empty = 0
		if st, ok := l.made[p]; ok {
			return st, nil
		}
	}
	text, values := p.text()
	prepared, err := l.conn.PrepareContext(ctx, text)
	if err != nil {
		return leanest{}, err
	}
	st, ok := prepared.(driver.StmtExecContext)
	if !ok {
		return leanest{}, errors.Join(errors.New("the database driver has no ExecContext"), prepared.Close())
	}
	l.made[p] = leanest{st, values}
	return l.made[p], nil
}

// text is the statement with its empty values in it, and which of the others stands at each ?, counted from 0.
func (p pattern) text() (string, []int) {
	var b strings.Builder
	var values []int
	rest := p.query
	for {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if !found {
			return b.String(), values
		}
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		n, _ := strconv.Atoi(after[:digits])
		if code := p.code(n); code > 0 {
			b.WriteString(literals[code])
		} else {
			b.WriteByte('?')
			values = append(values, n-1)
		}
		rest = after[digits:]
	}
}

func (p pattern) code(n int) uint64 {
	if n < 1 || n > mostValues {
		return 0
	}
	return p.empty >> (2 * (n - 1)) & 3
}

// close ends all statements, without which the connection would not close.
func (l *lean) close() (err error) {
	for _, st := range l.made {
		err = errors.Join(err, st.StmtExecContext.(driver.Stmt).Close())
	}
	clear(l.made)
	return err
}
