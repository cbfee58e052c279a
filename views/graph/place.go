package graph

import (
	"math"
)

// place gives every vertex its x, near those that it is linked to, and every layer its y.
func (l *layout) place() {
	for _, row := range l.rows {
		x := 0.0
		for i, v := range row {
			if i > 0 {
				x += l.apart(row[i-1], v)
			}
			l.nodes[v].X = x
		}
	}
	for sweep := range 10 {
		for k := range l.rows {
			row := k
			if sweep%2 == 1 {
				row = len(l.rows) - 1 - k
			}
			l.straighten(l.rows[row], sweep%2 == 0)
		}
	}
	l.stack()
}

// stack gives every layer its y.
func (l *layout) stack() {
	y := margin + Height/2
	l.tops = nil
	for layer := range l.rows {
		l.tops = append(l.tops, y-Height/2)
		for _, v := range l.rows[layer] {
			l.nodes[v].Y = y
		}
		y += Height + l.gapBelow(layer)
	}
}

// gapBelow is the room between a layer and the next one.
func (l *layout) gapBelow(layer int) float64 {
	words, most := map[int]int{}, 0
	for _, e := range l.edges {
		if e.Words > 0 && !e.Back && l.nodes[e.from].layer == layer {
			words[e.from]++
			most = max(most, words[e.from])
		}
	}
	return gap + labelled*float64(most+l.more[layer])
}

func (l *layout) apart(a, b int) float64 {
	half := func(v int) float64 {
		if l.nodes[v].real {
			return Width / 2
		}
		return 10
	}
	return half(a) + half(b) + between
}

// straighten moves the vertices of a layer as near as they can get to the mean of their neighbours, without a change of
// order: least squares under distances, by pooling those that push each other.
func (l *layout) straighten(row []int, above bool) {
	type block struct{ sum, weight float64 }
	var blocks []block
	var sizes []int
	shift := make([]float64, len(row))
	for i, v := range row {
		if i > 0 {
			shift[i] = shift[i-1] + l.apart(row[i-1], v)
		}
		want, weight := l.wish(v, above)
		blocks, sizes = append(blocks, block{(want - shift[i]) * weight, weight}), append(sizes, 1)
		for n := len(blocks); n > 1 && blocks[n-2].sum/blocks[n-2].weight > blocks[n-1].sum/blocks[n-1].weight; n = len(blocks) {
			blocks[n-2] = block{blocks[n-2].sum + blocks[n-1].sum, blocks[n-2].weight + blocks[n-1].weight}
			sizes[n-2] += sizes[n-1]
			blocks, sizes = blocks[:n-1], sizes[:n-1]
		}
	}
	i := 0
	for b, size := range sizes {
		for range size {
			l.nodes[row[i]].X = blocks[b].sum/blocks[b].weight + shift[i]
			i++
		}
	}
}

// wish is where a vertex would like to be, and how much.
func (l *layout) wish(v int, above bool) (x, weight float64) {
	near := l.nodes[v].down
	if above {
		near = l.nodes[v].up
	}
	if len(near) == 0 {
		return l.nodes[v].X, 0.1
	}
	for _, n := range near {
		x += l.nodes[n].X
	}
	weight = float64(len(near))
	if !l.nodes[v].real {
		weight *= 4 // long lines are straight before all else
	}
	return x / float64(len(near)), weight
}

// lanes gives lines that lead back a way each, right of all boxes and so far from them that words on it hide none. It gives the
// width of the picture.
func (l *layout) lanes(right float64) float64 {
	n, half := 0, 0.0
	for _, e := range l.edges {
		if e.Back {
			half = max(half, e.Words/2)
		}
	}
	for i := range l.edges {
		if e := &l.edges[i]; e.Back {
			n++
			e.lane = right + max(0, half-margin) + lane*float64(n)
		}
	}
	if n == 0 {
		return right + margin
	}
	return right + max(0, half-margin) + lane*float64(n) + max(margin, half+4)
}

// draw moves everything into the picture and makes the paths.
func (l *layout) draw(real int) Picture {
	left, right := math.Inf(1), math.Inf(-1)
	for _, n := range l.nodes {
		half := 10.0
		if n.real {
			half = Width / 2
		}
		left, right = min(left, n.X-half), max(right, n.X+half)
	}
	if len(l.nodes) == 0 {
		return Picture{}
	}
	for v := range l.nodes {
		l.nodes[v].X = math.Round(l.nodes[v].X - left + margin)
	}
	right += margin - left
	out := Picture{Width: l.lanes(right)}
	l.ports()
	order := make([]*link, len(l.edges))
	for i := range l.edges {
		order[i] = &l.edges[i]
	}
	l.more = map[int]int{}
	for range mostHigher {
		crowded := l.words(out.Width, order)
		if len(crowded) == 0 {
			break
		}
		for layer := range crowded {
			l.more[layer]++
		}
		l.stack()
	}
	l.words(out.Width, order)
	out.Height = l.tops[len(l.tops)-1] + Height + margin
	for i := range l.edges {
		e := &l.edges[i]
		if e.Back {
			l.drawBack(e)
			out.Height = max(out.Height, l.nodes[e.from].Y+Height/2+gap/2+margin)
		} else {
			l.drawDown(e)
		}
		out.Edges = append(out.Edges, e.Edge)
	}
	for _, v := range l.nodes[:real] {
		out.Nodes = append(out.Nodes, v.Node)
	}
	return out
}
