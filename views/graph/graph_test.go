package graph

import (
	"fmt"
	"math"
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
	p := Layout(nodes("ask", "decide", "end"), []Edge{edge("ask", "decide"), edge("decide", "end"), {From: "decide", To: "ask", Words: 64}, {From: "end", To: "end", Words: 64}})
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
	words, covered := 0, 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var list []Node
		n := r.IntN(25)
		for i := range n {
			list = append(list, Node{ID: fmt.Sprint(i)})
		}
		var edges []Edge
		for range r.IntN(2*n + 1) {
			edges = append(edges, Edge{From: fmt.Sprint(r.IntN(n)), To: fmt.Sprint(r.IntN(n)), Words: float64(r.IntN(3)/2) * float64(60+r.IntN(140))})
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
		back := 0
		for i, e := range p.Edges {
			if e.Back {
				back++
			}
			for _, o := range p.Edges[:i] {
				if e.Words > 0 && o.Words > 0 && (!e.Back || !o.Back || back < 3) && 2*math.Abs(e.LabelX-o.LabelX) < e.Words+o.Words && math.Abs(e.LabelY-o.LabelY) < 20 {
					covered++
				}
			}
			if words++; e.Words == 0 {
				words--
			}
			if len(e.Path) < 5 || e.LabelX < 0 || e.LabelX > p.Width {
				t.Fatalf("seed %d: %+v", seed, e)
			}
		}
		if again := Layout(list, edges); fmt.Sprint(again) != fmt.Sprint(p) {
			t.Fatalf("seed %d: two pictures of one graph", seed)
		}
	}
	if covered*500 > words { // lines drawn at random can be so close that nothing helps
		t.Errorf("%d of %d words hide others", covered, words)
	}
}

// A workflow of many steps with branches, conditions, joins and rejections: no words hide each other or a box.
func TestWordsAreReadable(t *testing.T) {
	words := func(from, to string, width float64) Edge { return Edge{From: from, To: to, Words: width} }
	p := Layout(nodes("trigger", "intake", "screen", "hit", "credit", "score", "legal", "risk", "board", "team", "contract", "signed", "remind", "erp", "fix", "tell", "first", "done"),
		[]Edge{edge("trigger", "intake"), edge("intake", "screen"), edge("intake", "credit"), words("intake", "legal", 190), words("screen", "hit", 200), words("screen", "risk", 200), edge("hit", "risk"),
			edge("credit", "score"), edge("score", "risk"), words("legal", "intake", 64), edge("legal", "risk"), words("risk", "board", 190), words("risk", "team", 190), words("board", "intake", 64), edge("board", "contract"),
			words("team", "risk", 64), edge("team", "contract"), edge("contract", "signed"), words("signed", "remind", 200), words("signed", "erp", 200), words("signed", "tell", 200), edge("remind", "signed"),
			words("erp", "fix", 200), edge("erp", "first"), edge("fix", "erp"), edge("tell", "first"), edge("first", "done")})
	for i, e := range p.Edges {
		if e.Words == 0 {
			continue
		}
		r := rect{e.LabelX, e.LabelY, e.Words, wordsHeight}
		for _, o := range p.Edges[:i] {
			if o.Words > 0 && r.meets(rect{o.LabelX, o.LabelY, o.Words, wordsHeight}) {
				t.Errorf("the words of %s to %s hide those of %s to %s", e.From, e.To, o.From, o.To)
			}
		}
		for _, n := range p.Nodes {
			if r.meets(rect{n.X, n.Y, Width, Height}) {
				t.Errorf("the words of %s to %s hide %s", e.From, e.To, n.ID)
			}
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
