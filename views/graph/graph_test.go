package graph

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func nodes(ids ...string) []Node {
	var out []Node
	for _, id := range ids {
		out = append(out, Node{ID: id})
	}
	return out
}

func edge(from, to string) Edge { return Edge{From: from, To: to} }

func TestChain(t *testing.T) {
	p := Layout(nodes("a", "b", "c"), []Edge{edge("a", "b"), edge("b", "c"), edge("b", "nowhere")})
	if len(p.Nodes) != 3 || len(p.Edges) != 2 {
		t.Fatalf("got %d nodes, %d edges", len(p.Nodes), len(p.Edges))
	}
	for i := 1; i < 3; i++ {
		if p.Nodes[i].X != p.Nodes[0].X || p.Nodes[i].Y <= p.Nodes[i-1].Y {
			t.Errorf("node %d stands at %v, %v after %v, %v", i, p.Nodes[i].X, p.Nodes[i].Y, p.Nodes[i-1].X, p.Nodes[i-1].Y)
		}
	}
	if want := "M132 84L132 136"; p.Edges[0].Path != want {
		t.Errorf("path %q, want %q", p.Edges[0].Path, want)
	}
}

func TestDiamond(t *testing.T) {
	p := Layout(nodes("a", "l", "r", "z"), []Edge{edge("a", "l"), edge("a", "r"), edge("l", "z"), edge("r", "z")})
	a, _ := p.Find("a")
	z, _ := p.Find("z")
	left, _ := p.Find("l")
	right, _ := p.Find("r")
	if a.X != z.X || left.Y != right.Y || left.X+right.X != 2*a.X || right.X-left.X < Width {
		t.Errorf("a %v, l %v, r %v, z %v", a, left, right, z)
	}
}

func TestRejectionLeadsBack(t *testing.T) {
	p := Layout(nodes("ask", "decide", "end"), []Edge{edge("ask", "decide"), edge("decide", "end"), edge("decide", "ask"), edge("end", "end")})
	for _, e := range p.Edges {
		if want := e.From == "decide" && e.To == "ask" || e.From == e.To; e.Back != want {
			t.Errorf("%s to %s: back %v", e.From, e.To, e.Back)
		}
		if e.Back && (e.LabelX <= p.Nodes[0].X+Width/2 || e.LabelX > p.Width) {
			t.Errorf("the line back runs at %v of %v", e.LabelX, p.Width)
		}
	}
}

func TestCrossingsAreTakenOut(t *testing.T) {
	// As given, every line crosses every other.
	p := Layout(nodes("root", "a", "b", "c", "x", "y", "z"),
		[]Edge{edge("root", "a"), edge("root", "b"), edge("root", "c"), edge("a", "z"), edge("b", "y"), edge("c", "x")})
	at := func(id string) float64 { n, _ := p.Find(id); return n.X }
	if (at("a") < at("b")) != (at("z") < at("y")) || (at("b") < at("c")) != (at("y") < at("x")) {
		t.Errorf("lines cross: a %v b %v c %v, z %v y %v x %v", at("a"), at("b"), at("c"), at("z"), at("y"), at("x"))
	}
}

// Whatever the graph: no two boxes overlap, all are inside, every line has a path, and the same graph gives the same picture.
func TestAnyGraph(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var list []Node
		n := r.IntN(25)
		for i := range n {
			list = append(list, Node{ID: fmt.Sprint(i)})
		}
		var edges []Edge
		for range r.IntN(2*n + 1) {
			edges = append(edges, Edge{From: fmt.Sprint(r.IntN(n)), To: fmt.Sprint(r.IntN(n)), Label: r.IntN(3) == 0})
		}
		p := Layout(list, edges)
		for i, a := range p.Nodes {
			if a.X-Width/2 < 0 || a.Y-Height/2 < 0 || a.X+Width/2 > p.Width || a.Y+Height/2 > p.Height {
				t.Fatalf("seed %d: %v is outside of %v × %v", seed, a, p.Width, p.Height)
			}
			for _, b := range p.Nodes[:i] {
				if dx, dy := a.X-b.X, a.Y-b.Y; dx*dx < Width*Width && dy*dy < Height*Height {
					t.Fatalf("seed %d: %v and %v overlap", seed, a, b)
				}
			}
		}
		for _, e := range p.Edges {
			if len(e.Path) < 5 || e.LabelX < 0 || e.LabelX > p.Width {
				t.Fatalf("seed %d: %+v", seed, e)
			}
		}
		if again := Layout(list, edges); fmt.Sprint(again) != fmt.Sprint(p) {
			t.Fatalf("seed %d: two pictures of one graph", seed)
		}
	}
}

func BenchmarkLayout(b *testing.B) {
	var list []Node
	var edges []Edge
	for i := range 100 {
		list = append(list, Node{ID: fmt.Sprint(i)})
		edges = append(edges, Edge{From: fmt.Sprint(i / 2), To: fmt.Sprint(i)}, Edge{From: fmt.Sprint(i / 3), To: fmt.Sprint(i)})
	}
	for b.Loop() {
		Layout(list, edges)
	}
}
