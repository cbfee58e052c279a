// Package graph works out where the steps of a workflow are drawn: layers from the top down, few crossings, straight
// lines where it can, and lines that lead back beside the rest. It is pure arithmetic on what it is given, the same
// picture for the same graph; views draw what it says. It knows nothing of workflows, HTML or colours.
package graph

import (
	"math"
	"slices"
)

// Node is a box to be placed; X and Y are its centre when it is.
type Node struct {
	ID   string
	X, Y float64

	layer, order int
}

// Edge leads from one node to another. Layout fills in the rest.
type Edge struct {
	From, To string
	Words    float64 // width of the words on it, for which room is left; 0 = none

	Back           bool    // it leads up again
	Path           string  // as the d of an SVG path
	LabelX, LabelY float64 // middle of the words, which stand on the line and hide no box
}

// Sizes of the drawing, in pixels.
const (
	Width    = 224.0 // of a node
	Height   = 64.0
	between  = 36.0 // nodes of a layer
	gap      = 52.0 // between layers
	labelled = 24.0 // more of it for each line with words that leaves a node: they stand below each other
	margin   = 20.0
	lane     = 18.0 // between lines that lead back
	rounding = 10.0
)

// Picture is a graph with places.
type Picture struct {
	Nodes         []Node
	Edges         []Edge
	Width, Height float64
}

// Find gives a node by its id.
func (p Picture) Find(id string) (Node, bool) {
	for _, n := range p.Nodes {
		if n.ID == id {
			return n, true
		}
	}
	return Node{}, false
}

// Layout places nodes, the first of which is the root. Edges from or to what is not there are left out.
func Layout(nodes []Node, edges []Edge) Picture {
	l := &layout{index: map[string]int{}}
	for i, n := range nodes {
		l.index[n.ID] = i
		l.nodes = append(l.nodes, vertex{Node: n, real: true})
	}
	for _, e := range edges {
		from, okFrom := l.index[e.From]
		to, okTo := l.index[e.To]
		if okFrom && okTo {
			l.edges = append(l.edges, link{Edge: e, from: from, to: to})
		}
	}
	l.turn()
	l.layers()
	l.split()
	l.sort()
	l.place()
	return l.draw(len(nodes))
}

// vertex is a node, or a place where a long line passes a layer.
type vertex struct {
	Node
	real bool
	up   []int // neighbours in the layer above
	down []int
}

type link struct {
	Edge
	from, to    int
	through     []int   // vertices that it passes, both ends included
	outAt, inAt float64 // of its ends, from the middle of the nodes
	lane        float64 // where a line that leads back goes up
	row, rows   int     // of its words among those of the lines that leave its node
}

type layout struct {
	index map[string]int
	nodes []vertex
	edges []link
	rows  [][]int // vertices by layer, from left to right
	tops  []float64
	more  map[int]int // rows of words for which layers are moved apart further
}

// turn finds the lines that lead back: those that close a circle, searched from the first node on.
func (l *layout) turn() {
	const (
		fresh = iota
		open
		done
	)
	state := make([]int, len(l.nodes))
	var visit func(v int)
	visit = func(v int) {
		state[v] = open
		for i := range l.edges {
			e := &l.edges[i]
			if e.from != v {
				continue
			}
			switch {
			case e.to == v || state[e.to] == open:
				e.Back = true
			case state[e.to] == fresh:
				visit(e.to)
			}
		}
		state[v] = done
	}
	for v := range l.nodes {
		if state[v] == fresh {
			visit(v)
		}
	}
}

// layers puts every node below all that lead to it.
func (l *layout) layers() {
	for range l.nodes { // as many rounds as the longest way can have steps
		moved := false
		for _, e := range l.edges {
			if !e.Back && l.nodes[e.to].layer <= l.nodes[e.from].layer {
				l.nodes[e.to].layer = l.nodes[e.from].layer + 1
				moved = true
			}
		}
		if !moved {
			return
		}
	}
}

// split cuts lines that pass layers into pieces.
func (l *layout) split() {
	deepest := 0
	for _, n := range l.nodes {
		deepest = max(deepest, n.layer)
	}
	l.rows = make([][]int, deepest+1)
	for i := range l.edges {
		e := &l.edges[i]
		if e.Back {
			continue
		}
		e.through = []int{e.from}
		for layer := l.nodes[e.from].layer + 1; layer < l.nodes[e.to].layer; layer++ {
			l.nodes = append(l.nodes, vertex{Node: Node{layer: layer}})
			e.through = append(e.through, len(l.nodes)-1)
		}
		e.through = append(e.through, e.to)
		for k := 1; k < len(e.through); k++ {
			a, b := e.through[k-1], e.through[k]
			l.nodes[a].down, l.nodes[b].up = append(l.nodes[a].down, b), append(l.nodes[b].up, a)
		}
	}
	for v := range l.nodes {
		layer := l.nodes[v].layer
		l.nodes[v].order = len(l.rows[layer])
		l.rows[layer] = append(l.rows[layer], v)
	}
}

// mostSorted bounds for how many vertices crossings are taken out; beyond it no order helps the eye.
const mostSorted = 2000

// sort puts the nodes of each layer into the order with the fewest crossings that some sweeps find.
func (l *layout) sort() {
	if len(l.nodes) > mostSorted {
		return
	}
	best, fewest := l.copyRows(), l.crossings()
	for sweep := 0; sweep < 12 && fewest > 0; sweep++ {
		for k := range l.rows {
			row := k
			if sweep%2 == 1 {
				row = len(l.rows) - 1 - k
			}
			l.sortRow(row, sweep%2 == 0)
		}
		if n := l.crossings(); n < fewest {
			best, fewest = l.copyRows(), n
		}
	}
	l.rows = best
	for _, row := range l.rows {
		for i, v := range row {
			l.nodes[v].order = i
		}
	}
}

func (l *layout) copyRows() [][]int {
	out := make([][]int, len(l.rows))
	for i, row := range l.rows {
		out[i] = slices.Clone(row)
	}
	return out
}

// sortRow orders a layer by the mean place of its neighbours above, or below.
func (l *layout) sortRow(row int, above bool) {
	mean := map[int]float64{}
	for i, v := range l.rows[row] {
		near := l.nodes[v].down
		if above {
			near = l.nodes[v].up
		}
		mean[v] = float64(i)
		if len(near) > 0 {
			sum := 0.0
			for _, n := range near {
				sum += float64(l.nodes[n].order)
			}
			mean[v] = sum / float64(len(near))
		}
	}
	slices.SortStableFunc(l.rows[row], func(a, b int) int {
		switch {
		case mean[a] < mean[b]:
			return -1
		case mean[a] > mean[b]:
			return 1
		}
		return 0
	})
	for i, v := range l.rows[row] {
		l.nodes[v].order = i
	}
}

// crossings counts lines that cross between neighbouring layers.
func (l *layout) crossings() int {
	n := 0
	for _, row := range l.rows {
		var ends []int // of the lines below this layer, in the order of their beginnings
		for _, v := range row {
			own := make([]int, 0, len(l.nodes[v].down))
			for _, d := range l.nodes[v].down {
				own = append(own, l.nodes[d].order)
			}
			slices.Sort(own)
			for _, end := range own {
				for _, before := range ends {
					if before > end {
						n++
					}
				}
			}
			ends = append(ends, own...)
		}
	}
	return n
}

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
