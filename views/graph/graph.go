// Package graph works out where the steps of a workflow are drawn: layers from the top down, few crossings, straight
// lines where it can, and lines that lead back beside the rest. It is pure arithmetic on what it is given, the same
// picture for the same graph; views draw what it says. It knows nothing of workflows, HTML or colours.
package graph

import (
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
