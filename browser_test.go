package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser drives one tab of a real Chromium. Any console error, uncaught exception or CSP violation fails its test.
type browser struct {
	*testing.T
	ctx     context.Context
	base    string
	scripts bool // the pages' own scripts run

	thorough bool // pages are checked by axe, once for each thing that they are made of

	mu       sync.Mutex
	troubles []string
	expected *regexp.Regexp // what the browser may log because the test provokes it
}

// chromium is the browser to drive, "" when there is none.
func chromium() string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

func newBrowser(t *testing.T, base string, scripts bool) *browser {
	t.Helper()
	path := chromium()
	if path == "" {
		if os.Getenv("E2E") == "require" {
			t.Fatal("there is no Chromium on PATH; apt-get install chromium, or name one by CHROMIUM")
		}
		t.Skip("there is no Chromium on PATH; CI installs one")
	}
	opts := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 860), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true)}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &browser{T: t, ctx: ctx, base: base, scripts: scripts}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	if !scripts {
		call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	b.size(1280, 860)
	b.scheme("light")
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, x := range b.troubles {
			t.Errorf("the browser complains: %s", x)
		}
	})
	return b
}

func (b *browser) listen(ev any) {
	text := ""
	switch e := ev.(type) {
	case *page.EventJavascriptDialogOpening:
		text = "a dialog opens: " + string(e.Type) + " " + e.Message
	case *runtime.EventExceptionThrown:
		text = "exception: " + e.ExceptionDetails.Text + " at " + e.ExceptionDetails.URL
		if x := e.ExceptionDetails.Exception; x != nil {
			text += ": " + x.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" {
			text = e.Entry.Text + " (" + e.Entry.URL + ")"
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" {
			text = "console:"
			for _, arg := range e.Args {
				text += " " + string(arg.Value) + arg.Description
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// That a form came back with 422 is what the test provokes; the browser notes every such answer. A page that is left
	// while it fetches says "Failed to fetch"; when the server is the cause, the browser's own log has an entry with net::ERR_.
	if text != "" && !strings.Contains(text, "status of 422") && !strings.Contains(text, "Failed to fetch") && (b.expected == nil || !b.expected.MatchString(text)) {
		b.troubles = append(b.troubles, text)
	}
}

// call sends one protocol command.
func call[P, R any](b *browser, cmd cdp.Command[P, R], params P) R {
	b.Helper()
	r, err := chromedp.Call(b.ctx, cmd, params)
	if err != nil {
		b.Fatalf("%s: %v", cmd.Method, err)
	}
	return r
}

// within bounds one step, so that a missing element fails with its name and not with the suite's time.
const within = 45 * time.Second

func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, within)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.failed()
		b.Fatalf("%s: %v at %s\n%s", what, err, b.where(), tail(b.text(), 2000))
	}
}

// eval runs JavaScript from outside the page's policy.
func eval[T any](b *browser, js string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, within)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("evaluate %.80s: %v", js, err)
	}
	return v
}

// where and text are "" when the page does not answer, behind a dialog for instance.
func (b *browser) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, within)
	defer cancel()
	v, _ := chromedp.Run(ctx, chromedp.Location())
	return strings.TrimPrefix(v, b.base)
}

func (b *browser) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, within)
	defer cancel()
	v, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return v
}

func (b *browser) open(path string) {
	b.Helper()
	b.do("open "+path, chromedp.Navigate(b.base+path))
}

func (b *browser) size(width, height int64) {
	b.do("resize", chromedp.EmulateViewport(width, height))
}

// scheme is light or dark; nothing moves, so that a look at the page is no look at a transition.
func (b *browser) scheme(name string) {
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// fill puts text into the field of that name as a paste does, in place of what stands there.
func (b *browser) fill(name, value string) {
	b.Helper()
	b.until("a field is called "+name, fmt.Sprintf(`(() => {
		const e = document.querySelector('[name="%s"]');
		if (!e?.checkVisibility()) return false;
		e.focus();
		e.value = "";
		return document.activeElement === e;
	})()`, name))
	if value != "" {
		call(b, input.InsertText, input.InsertTextParams{Text: value})
	}
}

// until waits for a condition on the page; what fails, between two pages for instance, does not hold yet.
func (b *browser) until(what, js string) {
	b.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, within)
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		cancel()
		if err == nil && holds {
			return
		}
		if time.Now().After(end) {
			b.failed()
			b.Fatalf("never: %s at %s (%v)\n%s", what, b.where(), err, tail(b.text(), 2000))
		}
	}
}

// named is the name of the field with that label.
func (b *browser) named(label string) string {
	b.Helper()
	name := eval[string](b, fmt.Sprintf("[...document.querySelectorAll('main label')].find(l => l.innerText.trim() === %q && l.checkVisibility())?.control?.name ?? ''", label))
	if name == "" {
		b.Fatalf("no field is labelled %q at %s\n%s", label, b.where(), b.text())
	}
	return name
}

// choose picks from a select by the text of the option.
func (b *browser) choose(name, text string) {
	b.Helper()
	value := eval[string](b, fmt.Sprintf("[...document.querySelector('select[name=%s]').options].find(o => o.text.includes(%q))?.value ?? ''", name, text))
	if value == "" {
		b.Fatalf("the select %s has no option %q: %s", name, text, eval[string](b, fmt.Sprintf("document.querySelector('select[name=%s]').innerText", name)))
	}
	b.do("choose "+text, chromedp.SetValue(chromedp.CSS("select[name="+name+"]"), value))
}

// press clicks the first visible button or link of main (or of the page) with that text and waits for the next page.
func (b *browser) press(text string) {
	b.Helper()
	b.follow(text, b.pressed(text))
}

// pressed clicks what has that text.
func (b *browser) pressed(text string) chromedp.Action[chromedp.Void] {
	return b.hit(text, fmt.Sprintf(`(() => {
		const all = [...document.querySelectorAll("main a, main button, main summary, main label, a, button, summary")];
		const name = e => (e.innerText || e.getAttribute("aria-label") || "").replace(/\s+/g, " ").trim();
		return all.find(e => name(e) === %[1]q && e.checkVisibility()) || all.find(e => name(e).startsWith(%[1]q) && e.checkVisibility());
	})()`, text))
}

// pressLabelled is press for one of several buttons with the same text, which its label tells apart.
func (b *browser) pressLabelled(label string) {
	b.Helper()
	b.follow(label, b.hit(label, fmt.Sprintf("document.querySelector('[aria-label=%q]')", label)))
}

// hit clicks an element in one go, so that no live part is redrawn between looking and clicking. A pointer must be able to hit it.
func (b *browser) hit(what, element string) chromedp.Action[chromedp.Void] {
	js := fmt.Sprintf(`(() => {
		const e = %s;
		if (!e) return "there is no button or link " + %q;
		e.scrollIntoView({ block: "center", behavior: "instant" });
		const r = e.getClientRects()[0], at = r && document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
		if (!at || !e.contains(at) && !at.contains(e)) return %q + " is covered by " + (at ? at.outerHTML.slice(0, 100) : "nothing");
		e.focus();
		e.click();
		return "";
	})()`, element, what, what)
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for {
			missed, err := chromedp.Evaluate[string](js, func(p *runtime.EvaluateParams) { p.UserGesture = new(true) })(ctx, t)
			if err != nil || missed == "" {
				return err
			}
			select {
			case <-ctx.Done():
				return errors.New(missed)
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

// follow waits for what a click leads to: another document, or another place on this one. (What a page does to its own history
// in the meantime is no arrival.)
func (b *browser) follow(what string, click chromedp.Action[chromedp.Void]) {
	b.Helper()
	from := eval[string](b, "window.left = location.href")
	b.do("press "+what, click)
	b.until("there is a page after "+what, fmt.Sprintf("(!window.left || location.href !== %q) && document.readyState === 'complete'", from))
}

// click is press without waiting for a page.
func (b *browser) click(text string) {
	b.Helper()
	b.do("click "+text, b.pressed(text))
}

// sees waits until the page says text.
func (b *browser) sees(text string) {
	b.Helper()
	for end := time.Now().Add(within); !strings.Contains(b.text(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("the page never says %q at %s\n%s", text, b.where(), tail(b.text(), 3000))
		}
	}
}

// misses waits until the page no longer says text.
func (b *browser) misses(text string) {
	b.Helper()
	for end := time.Now().Add(within); strings.Contains(b.text(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("the page goes on saying %q at %s", text, b.where())
		}
	}
}

// still waits until nothing moves and the page is laid out as it now is. Messages that would go by themselves go now.
func (b *browser) still() {
	b.Helper()
	if !b.scripts { // nothing of the page's time can be waited for; nothing moves either
		return
	}
	eval[bool](b, `document.getAnimations().forEach(a => a.animationName === "leave" && a.finish()),
		Promise.all(document.getAnimations().filter(a => a.effect?.getComputedTiming().endTime !== Infinity).map(a => a.finished.catch(() => {}))).then(() =>
		new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`)
}

// failed keeps a picture of a page at which a step failed.
func (b *browser) failed() {
	ctx, cancel := context.WithTimeout(b.ctx, within)
	defer cancel()
	if png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil && os.Getenv("WAYBILL_SHOTS") != "" {
		_ = os.WriteFile(filepath.Join(os.Getenv("WAYBILL_SHOTS"), "failed.png"), png, 0o644)
	}
}

// shoot keeps screenshots in the folder that WAYBILL_SHOTS names.
func (b *browser) shoot() {
	dir := os.Getenv("WAYBILL_SHOTS")
	if dir == "" {
		return
	}
	b.Helper()
	name := regexp.MustCompile(`[a-z]{3}_[0-9a-z]{26}`).ReplaceAllString(b.where(), "id")
	name, _, _ = strings.Cut(name, "token=")
	name = strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(name, "-"), "-")
	for _, s := range []struct {
		kind, scheme string
		width        int64
	}{{"desktop", "light", 1280}, {"desktop", "dark", 1280}, {"phone", "light", 390}, {"phone", "dark", 390}} {
		b.size(s.width, 860)
		b.scheme(s.scheme)
		b.still()
		png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%s.png", name, s.kind, s.scheme)), png, 0o644)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.size(1280, 860)
	b.scheme("light")
}

// picture keeps the page as it stands on a desktop's screen, in the folder that WAYBILL_PICTURES names.
func (b *browser) picture(name, scheme string) {
	dir := os.Getenv("WAYBILL_PICTURES")
	if dir == "" {
		return
	}
	b.Helper()
	b.scheme(scheme)
	b.still()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.scheme("light")
}
