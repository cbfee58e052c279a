package graph

import "math"

// Sizes of words on lines.
const (
	wordsHeight = 20.0
	wordsApart  = 4.0 // between words, and between words and boxes
	mostHigher  = 8   // rounds in which layers are moved apart until all words find a place
)

// rect is an area by its middle.
type rect struct{ x, y, width, height float64 }

func (r rect) meets(o rect) bool {
	return math.Abs(r.x-o.x)*2 < r.width+o.width+2*wordsApart && math.Abs(r.y-o.y)*2 < r.height+o.height+2*wordsApart
}

// words puts the words of lines where they hide neither a box nor each other, and gives the layers below which there was no
// room for all. Words stay on their lines.
func (l *layout) words(width float64, order []*link) (crowded map[int]bool) {
	crowded = map[int]bool{}
	var taken []rect
	for _, n := range l.nodes {
		if n.real {
			taken = append(taken, rect{n.X, n.Y, Width, Height})
		}
	}
	for _, e := range order {
		if e.Words == 0 {
			continue
		}
		places := l.placesOf(e)
		best, free := 0, false
		for i, p := range places {
			r := e.around(p, width)
			if free = !meetsAny(r, taken); free {
				best = i
				break
			}
		}
		if !free && !e.Back {
			crowded[l.nodes[e.from].layer] = true
		}
		r := e.around(places[best], width)
		e.LabelX, e.LabelY = math.Round(r.x), math.Round(r.y)
		taken = append(taken, r)
	}
	return crowded
}

func meetsAny(r rect, list []rect) bool {
	for _, o := range list {
		if r.meets(o) {
			return true
		}
	}
	return false
}

// around is the ground of the words at p, inside the picture.
func (e *link) around(p point, width float64) rect {
	return rect{max(e.Words/2+2, min(p.x, width-e.Words/2-2)), p.y, e.Words, wordsHeight}
}

// placesOf are the places on a line where its words can stand, the best first.
func (l *layout) placesOf(e *link) []point {
	if e.Back {
		from, to := l.nodes[e.from].Y, l.nodes[e.to].Y
		mid := (from + to) / 2
		out := []point{{e.lane, mid}}
		for d := wordsHeight + 6; d < math.Abs(from-to)/2; d += wordsHeight + 6 {
			out = append(out, point{e.lane, mid - d}, point{e.lane, mid + d})
		}
		return out
	}
	a, b := l.nodes[e.from], l.nodes[e.through[1]]
	from, to := point{a.X + e.outAt, a.Y + Height/2}, point{b.X, b.Y - Height/2}
	if len(e.through) == 2 {
		to.x += e.inAt
	}
	at := func(y float64) point { return point{bend(from.x, to.x, (y-from.y)/(to.y-from.y)), y} }
	own := from.y + (to.y-from.y)*float64(e.row+1)/float64(e.rows+1)
	out := []point{at(own)}
	for y := from.y + wordsHeight/2 + wordsApart; y <= to.y-wordsHeight/2-wordsApart; y += 6 {
		out = append(out, at(y))
	}
	return out
}
