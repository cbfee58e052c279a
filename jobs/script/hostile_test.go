package script

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostile is what a template may try to stall or grow the process: growth, endless code, natives that ignore an
// interrupt, backtracking, amplification, deep nesting, recursion, and floods of output.
var hostile = []string{
	`for(;;);`,
	`while(true){}`,
	`do{}while(1)`,
	`let a=[];for(;;)a.push(a.length)`,
	`let a=[];for(;;)a.push(new Array(1000).fill("x"))`,
	`let s="x";for(;;)s+=s`,
	`let o={};for(let i=0;;i++)o["k"+i]=i`,
	`let m=new Map();for(let i=0;;i++)m.set(i,{i})`,
	`let m=new Set();for(let i=0;;i++)m.add("k"+i)`,
	`function*g(){for(;;)yield 1} for(const x of g());`,
	`function*g(){for(;;)yield 1} [...g()]`,
	`(async()=>{for(;;)await 1})()`,
	`const f=()=>Promise.resolve().then(f);f()`,
	`for(;;){try{throw 1}catch(e){}finally{continue}}`,
	`(function f(){try{f()}finally{f()}})()`,
	`/(a+)+$/.test("a".repeat(40)+"b")`,
	`/(?=(a+)+$)b/.test("a".repeat(40))`,
	`/(a+)+\1$/.test("a".repeat(40)+"b")`,
	`/^(?:(?!b)(a|a)*)*$/.test("a".repeat(40)+"c")`,
	`"a".repeat(1e6).match(/(?=.*.*.*.*b)/)`,
	`"x".repeat(2**29)`,
	`"x".repeat(2**40)`,
	`"x".padStart(2**31)`,
	`"x".padEnd(2**40)`,
	`"x".repeat(5e7).split("")`,
	`3n**(10n**7n)`,
	`1n<<(2n**36n)`,
	`let b=3n;for(;;)b*=b`,
	`Array.prototype.indexOf.call({length:2**53-1},1)`,
	`Array.prototype.lastIndexOf.call({length:2**53-1},1)`,
	`Array.prototype.includes.call({length:2**53-1},1)`,
	`Array.prototype.join.call({length:2**53-1},"x")`,
	`Array.prototype.reverse.call({length:2**53-1})`,
	`Array.prototype.fill.call({length:2**53-1},1)`,
	`new Array(2**32-1).fill(0)`,
	`let a=[];a[1e8]=1;a.sort()`,
	`let a=[];a.length=2**32-1;a.join("x")`,
	`let a=[];a.length=2**32-1;JSON.stringify(a)`,
	`let a=[];a.length=2**32-1;a.concat(a)`,
	`Array.from({length:2**32-1})`,
	`Array.from({length:1e9},(_,i)=>i)`,
	`Math.max.apply(null,{length:2**32-1})`,
	`(()=>1).apply(null,{length:2**31})`,
	`String.fromCharCode.apply(null,{length:2**30})`,
	`"x".repeat(1e5).replace(/x/g,"x".repeat(1e5))`,
	`"x".repeat(1e5).replaceAll("x","y".repeat(1e5))`,
	`"x".repeat(1e5).replaceAll("","$&".repeat(1e4))`,
	`"\u1E9B\u0323".repeat(1e7).normalize("NFKD")`,
	`"ß".repeat(1e8).toUpperCase()`,
	`new Uint8Array(2**40)`,
	`new ArrayBuffer(2**33)`,
	`let a=[];for(;;)a.push(new Uint8Array(1e6))`,
	`JSON.parse("[".repeat(5e6))`,
	`JSON["par"+"se"]("[".repeat(5e6))`,
	`JSON.parse('{"a":'.repeat(1e6))`,
	`let o={};for(let i=0;i<1e6;i++)o={o};JSON.stringify(o)`,
	`(function f(){f()})()`,
	`const o={get a(){return this.a}};o.a`,
	`const p=new Proxy({},{get(t,k,r){return r[k]}});p.a`,
	`const o={toString(){return ""+this}};""+o`,
	`[3,2,1].sort(function f(a,b){return [a,b].sort(f)})`,
	`[1].map(function f(){return [1].map(f)})`,
	`let a=[1];for(let i=0;i<1e6;i++)a=[a];a.flat(Infinity)`,
	`let a=[];for(let i=0;i<60;i++)a=[a,a];JSON.stringify(a)`,
	`return "x".repeat(2**21)`,
	`for(;;)throw_.x=1;var throw_=new Proxy({},{set(){for(;;);}})`,
	`return {toJSON(){for(;;);}}`,
	`throw {toString(){for(;;);}}`,
	`decodeURIComponent("%41".repeat(3e7))`,
	`new Date(8.64e15).toLocaleString().repeat(1e8)`,
	`formatDate(now(),"YYYY".repeat(2e7))`,
	`sha256("x".repeat(2**28))`,
}

// hostileTags do it without a statement tag.
var hostileTags = []string{
	`{{@each(Array.from({length:1e7})) => v}}xxxxxxxxxxxxxxxxxxxx{{/each}}`,
	`{{@each({length:2**40}) => v}}x{{/each}}`,
	`{{@each({[Symbol.iterator]:()=>({next:()=>({value:1,done:false})})}) => v}}x{{/each}}`,
	`{{ "\u0000".repeat(1e6) }}`,
	`{{ ` + strings.Repeat("1&&", 60) + `1 }}`,
	`{{! x = ` + strings.Repeat("2**", 60) + `2 }}`,
}

func hostileSources() []string {
	var out []string
	for _, s := range hostile {
		out = append(out, "{{! "+s+" }}")
	}
	return append(out, hostileTags...)
}

// Each hostile template ends in its bound, and meanwhile and afterwards other templates render.
func TestHostileTemplates(t *testing.T) {
	if raced {
		t.Skip("the race detector needs more memory than the limits under test; CI runs this without it")
	}
	if n := len(hostileSources()); n < 66 {
		t.Fatalf("%d hostile templates", n)
	}
	p := newTestPool(t, Options{Workers: 3})
	if got := say(t, p, JSONBody, `{{ it.data[0].id }}`, order); got != "7" {
		t.Fatal(got)
	}
	before := residentKB(t, os.Getpid())
	stop, good := goodRenders(t, p)
	counts := map[string]int{}
	for i, source := range hostileSources() {
		started := time.Now()
		_, err := p.Render(context.Background(), job(&Template{Version: "bad" + strconv.Itoa(i), Parts: body(JSONBody, source).Parts}, order))
		var problem *Problem
		var lost *Lost
		switch {
		case errors.As(err, &problem):
			counts[problem.Bound]++
		case errors.As(err, &lost):
			counts["lost: "+lost.Bound]++
		case err == nil:
			counts["rendered"]++
		default:
			t.Errorf("%s: %v", source, err)
		}
		t.Logf("%6d ms  %-50s %v", time.Since(started).Milliseconds(), source[:min(50, len(source))], err)
		if got := say(t, p, JSONBody, `{{ it.data[0].id }}`, order); got != "7" {
			t.Errorf("after %s: %s", source, got)
		}
	}
	stop()
	t.Logf("%v; %d other renders meanwhile", counts, good())
	if grown := residentKB(t, os.Getpid()) - before; grown > 32<<10 {
		t.Errorf("this process grew by %d KB", grown)
	}
	if counts[BoundTime] == 0 || counts[BoundOutput] == 0 || counts[BoundDepth] == 0 || counts["lost: "+BoundTime] == 0 || counts["lost: "+BoundMemory] == 0 {
		t.Errorf("a class of bounds was never met: %v", counts)
	}
	if counts["rendered"] > len(hostile)/4 {
		t.Errorf("too many were harmless to prove anything: %v", counts)
	}
}

// goodRenders keeps rendering another template until stop.
func goodRenders(t *testing.T, p *Pool) (stop func(), count func() int) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	n := 0
	wait.Go(func() {
		good := &Template{Version: "good", Parts: body(JSONBody, identity).Parts}
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			out, err := p.Render(context.Background(), job(good, `{"data":[{"b":1,"a":2}]}`))
			if err != nil || out.Parts[0] != `{"b":1,"a":2}` {
				t.Errorf("a good render beside a hostile one: %v %v", out, err)
				return
			}
			n++
		}
	})
	return func() { close(done); wait.Wait() }, func() int { return n }
}

// residentKB is VmRSS of a process.
func residentKB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Skip("no /proc here; CI runs this on Linux")
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
