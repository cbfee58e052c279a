package graph

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// point is a place in the picture.
type point struct{ x, y float64 }

// ports spreads the ends of lines that meet at a node, in the order of where they lead.
func (l *layout) ports() {
	for v := range l.nodes {
		if !l.nodes[v].real {
			continue
		}
		var out, in []*link
		for i := range l.edges {
			e := &l.edges[i]
			if e.Back {
				continue
			}
			if e.from == v {
				out = append(out, e)
			}
			if e.to == v {
				in = append(in, e)
			}
		}
		slices.SortStableFunc(out, func(a, b *link) int { return cmp.Compare(l.nodes[a.through[1]].X, l.nodes[b.through[1]].X) })
		slices.SortStableFunc(in, func(a, b *link) int {
			return cmp.Compare(l.nodes[a.through[len(a.through)-2]].X, l.nodes[b.through[len(b.through)-2]].X)
		})
		rows := 0
		for i, e := range out {
			e.outAt = spread(i, len(out))
			if e.Words > 0 {
				e.row = rows
				rows++
			}
		}
		for _, e := range out {
			e.rows = rows
		}
		for i, e := range in {
			e.inAt = spread(i, len(in))
		}
	}
}

// spread is how far from a node's middle the i-th of n lines ends.
func spread(i, n int) float64 {
	step := min(40, (Width-60)/float64(max(1, n-1)))
	return math.Round((float64(i) - float64(n-1)/2) * step)
}

// drawDown is a line from the bottom of a node to the top of another, through the places that it passes.
func (l *layout) drawDown(e *link) {
	var points []point
	for k, v := range e.through {
		n := l.nodes[v]
		switch k {
		case 0:
			points = append(points, point{n.X + e.outAt, n.Y + Height/2})
		case len(e.through) - 1:
			points = append(points, point{n.X + e.inAt, n.Y - Height/2})
		default:
			points = append(points, point{n.X, n.Y - Height/2}, point{n.X, n.Y + Height/2})
		}
	}
	var b strings.Builder
	move(&b, "M", points[0])
	for k := 1; k < len(points); k++ {
		from, to := points[k-1], points[k]
		if from.x == to.x || k%2 == 0 {
			move(&b, "L", to)
			continue
		}
		half := (to.y - from.y) / 2
		b.WriteString("C" + num(from.x) + " " + num(from.y+half) + " " + num(to.x) + " " + num(to.y-half) + " " + num(to.x) + " " + num(to.y))
	}
	e.Path = b.String()
}

// bend is how far a curve from a to b, upright at both ends, has come sideways at height t.
func bend(a, b, t float64) float64 { return a + (b-a)*t*t*(3-2*t) }

// drawBack is a line that leaves a node at its right, goes up in its lane and enters another at its right.
func (l *layout) drawBack(e *link) {
	x := e.lane
	from, to := l.nodes[e.from], l.nodes[e.to]
	const aside = 14.0
	points := []point{{from.X + Width/2, from.Y + 8}}
	if !l.rightmost(e.from) {
		below := from.Y + Height/2 + 14
		points = append(points, point{from.X + Width/2 + aside, from.Y + 8}, point{from.X + Width/2 + aside, below}, point{x, below})
	} else {
		points = append(points, point{x, from.Y + 8})
	}
	if !l.rightmost(e.to) {
		above := to.Y - Height/2 - 14
		points = append(points, point{x, above}, point{to.X + Width/2 + aside, above}, point{to.X + Width/2 + aside, to.Y - 8})
	} else {
		points = append(points, point{x, to.Y - 8})
	}
	points = append(points, point{to.X + Width/2, to.Y - 8})
	e.Path = rounded(points)
}

func (l *layout) rightmost(v int) bool {
	row := l.rows[l.nodes[v].layer]
	return row[len(row)-1] == v
}

// rounded is a line of straight pieces with round corners.
func rounded(points []point) string {
	var b strings.Builder
	move(&b, "M", points[0])
	for i := 1; i < len(points)-1; i++ {
		before, at, after := points[i-1], points[i], points[i+1]
		r := min(rounding, distance(before, at)/2, distance(at, after)/2)
		move(&b, "L", toward(at, before, r))
		b.WriteString("Q" + num(at.x) + " " + num(at.y) + " ")
		end := toward(at, after, r)
		b.WriteString(num(end.x) + " " + num(end.y))
	}
	move(&b, "L", points[len(points)-1])
	return b.String()
}

func distance(a, b point) float64 { return math.Hypot(a.x-b.x, a.y-b.y) }

// toward is the point r away from a in the direction of b.
func toward(a, b point, r float64) point {
	d := distance(a, b)
	if d == 0 {
		return a
	}
	return point{a.x + (b.x-a.x)*r/d, a.y + (b.y-a.y)*r/d}
}

func move(b *strings.Builder, command string, p point) {
	b.WriteString(command + num(p.x) + " " + num(p.y))
}

func num(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }
