package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// axe is the path of the accessibility checker, "" when it is not fetched.
func axe() string {
	path := filepath.Join("static", "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// inspected remembers what was looked at on which kind of page, for all browsers of the package: what was looked at once is not
// looked at again.
var inspected = struct {
	sync.Mutex
	on map[string]map[string]bool
}{on: map[string]map[string]bool{}}

// unseen gives those of found that no browser met on such a page before.
func (b *browser) unseen(page string, found []string) (fresh []string) {
	inspected.Lock()
	defer inspected.Unlock()
	if inspected.on[page] == nil {
		inspected.on[page] = map[string]bool{}
	}
	for _, x := range found {
		if !inspected.on[page][x] {
			inspected.on[page][x] = true
			fresh = append(fresh, x)
		}
	}
	return fresh
}

// kind is the address of the page, whichever thing it shows.
func (b *browser) kind() string {
	path, _, _ := strings.Cut(b.where(), "?")
	return regexp.MustCompile(`[a-z]{3}_[0-9a-z]{26}`).ReplaceAllString(path, "id")
}

// parts are the kinds of what is visible on a page, each with its first element: what it is, what it lies in, how it is named and
// whether it says anything; and the order of the headings.
const parts = `(() => {
	const found = {}, plain = s => s.replace(/[a-z]{3}_[0-9a-z]{26}|[0-9]+/g, "*");
	const kind = e => e.localName + "." + (e.getAttribute("class") ?? "");
	const says = e => !!(e.textContent.trim() || e.getAttribute("aria-label") || e.getAttribute("title"));
	const named = a => ["id", "name", "type", "role"].includes(a.name) || a.name.startsWith("aria-") ? a.name + "=" + a.value : a.name;
	const all = [...document.querySelectorAll("body *:not(svg *, option)")].filter(e => e.checkVisibility());
	for (const e of all) found[plain([kind(e.parentElement), kind(e), says(e), ...[...e.attributes].map(named)].join(" "))] ??= e;
	found["headings " + all.map(e => e.localName).filter(n => /^h[1-6]$/.test(n)).join(" ").replace(/(h\d)( \1)+/g, "$1")] = document;
	return found;
})()`

// shades are the colours in which a page writes, each with its first element: text, size, weight and all that lies behind it.
const shades = `(() => {
	const found = {}, known = new Map();
	const plain = new Set(["rgba(0, 0, 0, 0)", "none", "1"]);
	const behind = e => {
		if (!e) return "";
		if (!known.has(e)) {
			const s = getComputedStyle(e);
			known.set(e, [s.backgroundColor, s.backgroundImage.slice(0, 80), s.opacity].filter(v => !plain.has(v)).join(" ") + behind(e.parentElement));
		}
		return known.get(e);
	};
	for (const e of document.querySelectorAll("body *:not(svg *, option)")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !/^(input|textarea|select)$/.test(e.localName) || !e.checkVisibility()) continue;
		const own = getComputedStyle(e);
		found[[e.disabled, own.color, own.fontSize, own.fontWeight, behind(e)].join(" ")] ??= e;
	}
	return found;
})()`

// inspect checks the page at hand: no sideways scrolling on a desktop and on a phone, and accessibility.
func (b *browser) inspect() {
	b.Helper()
	found := eval[[]string](b, "Object.keys("+parts+")")
	fonts := eval[string](b, "document.fonts.size ? 'with fonts' : 'without fonts'")
	if len(b.unseen(b.kind()+" "+fonts, found)) > 0 || b.thorough {
		b.fits(1280)
		b.size(320, 860)
		b.fits(320)
		b.size(1280, 860)
		b.still() // a click at once would land where things were on the phone
	}
	if !b.thorough {
		return
	}
	if fresh := b.unseen(b.kind(), found); len(fresh) > 0 {
		b.shoot()
		b.accessible(`["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`, `{"color-contrast": {enabled: false}}`, parts, fresh)
	}
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		if fresh := b.unseen(scheme, eval[[]string](b, "Object.keys("+shades+")")); len(fresh) > 0 {
			b.accessible(`{type: "rule", values: ["color-contrast"]}`, `{}`, shades, fresh)
		}
	}
	b.scheme("light")
}

// fits checks that nothing reaches beyond a window of that width.
func (b *browser) fits(width int) {
	b.Helper()
	b.until("the window has its width", fmt.Sprintf("innerWidth === %d", width))
	if over := eval[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		b.Errorf("%s scrolls sideways by %d px at %d px: %s", b.where(), over, width, eval[string](b,
			"[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 120)).slice(-3).join(' | ')"))
	}
}

// accessible asks axe about those of the elements that all lists under the keys in fresh; a document means the whole page.
func (b *browser) accessible(rules, but, all string, fresh []string) {
	b.Helper()
	path := axe()
	if path == "" {
		if os.Getenv("E2E") == "require" {
			b.Fatal("axe is not fetched: go run ./static/fetch -dev")
		}
		return
	}
	source, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	keys, err := json.Marshal(fresh)
	if err != nil {
		b.Fatal(err)
	}
	if !eval[bool](b, "!!window.axe") {
		eval[bool](b, string(source)+"; true")
	}
	found := eval[string](b, `(all => {
		const those = `+string(keys)+`.map(k => all[k]).filter(e => e?.isConnected);
		return those.length === 0 ? "" : axe.run(those.includes(document) ? document : those, {resultTypes: ["violations"], runOnly: `+rules+`, rules: `+but+`}).then(r =>
			r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(" | ")).join("\n"));
	})(`+all+`)`)
	if found != "" {
		b.Errorf("axe at %s (%s):\n%s", b.where(), eval[string](b, "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"), found)
	}
}
