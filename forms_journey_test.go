package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/chromedp/chromedp"
)

const everyField = `{"name":"Report a problem","trigger":{"kind":"public_form","intro":"Tell us what is broken. It takes a minute.","thanks":"We will be in touch within a day.","fields":[
 {"key":"about","name":"","type":"instruction","help":"Fields without “optional” are needed."},
 {"key":"title","name":"What is broken","type":"text","required":true,"min":3,"max":80,"help":"In a few words."},
 {"key":"story","name":"What happened","type":"textarea"},
 {"key":"room","name":"Room","type":"select","required":true,"options":[{"value":"k","label":"Kitchen"},{"value":"l","label":"Lab"}]},
 {"key":"urgency","name":"How urgent is it","type":"radio","default":"soon","options":[{"value":"now","label":"Now"},{"value":"soon","label":"This week"}]},
 {"key":"seen","name":"What did you see","type":"multi_select","options":[{"value":"smoke","label":"Smoke"},{"value":"noise","label":"Noise"},{"value":"water","label":"Water"}]},
 {"key":"email","name":"Your email","type":"email","required":true},
 {"key":"day","name":"Since which day","type":"date","required":true},
 {"key":"visit","name":"When may we come","type":"datetime"},
 {"key":"people","name":"People affected","type":"number","min":1,"max":500},
 {"key":"cost","name":"Estimated cost","type":"currency"},
 {"key":"photo","name":"Photo","type":"file","required":true,"max":1000000},
 {"key":"agree","name":"You may call me","type":"checkbox","required":true}]},
 "steps":[{"key":"look","name":"Look at it","kind":"task","assignees":["role:Viewer"],"fields":[{"key":"bill","name":"Bill","type":"file"}]}]}`

// TestFormsJourney fills in a public form with every kind of field, with scripts and without, as a stranger and signed in; the
// wrong is told beside its field and what was right is kept. Then two persons approve side by side and one after the other;
// what was switched off is switched on; a run is paused, resumed and cancelled.
func TestFormsJourney(t *testing.T) {
	t.Parallel()
	f := newFlowing(t)
	f.say = func(path string, n int) (int, string) {
		if path == "/gone" {
			return 410, ``
		}
		return 200, `{"ok":true}`
	}
	id := f.publishes(everyField)
	form := f.must(200, "GET", "workflows/"+id, nil).str("form_url")
	form = form[strings.Index(form, "/f/"):]
	f.command(password+"\n", "user", "create", "--email", "grace@example.com", "--name", "Grace", "--role", "Operator", "--password-stdin")
	photo := filepath.Join(t.TempDir(), "Küche 1.png")
	if err := os.WriteFile(photo, []byte("\x89PNG not really"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("without scripts", func(t *testing.T) {
		f := f.of(t)
		b := newBrowser(t, f.url(""), false)
		b.report(form, photo, "Tap drips")
		f.reported(b, id, "Tap drips", 1)
	})
	t.Run("with scripts", func(t *testing.T) {
		f := f.of(t)
		b := newBrowser(t, f.url(""), true)
		b.thorough = true
		b.signIn("ada@example.com", password)
		b.report(form, photo, "Oven is cold") // nobody is asked who they are, also when they are signed in
		f.reported(b, id, "Oven is cold", 2)
		b.trapped(form)
		f.guarded(form)
		f.twoPersons(b)
		f.handled(b)
	})
}

// of is f for a part of the test.
func (f *flowing) of(t *testing.T) *flowing {
	p := *f.program
	p.t = t
	return &flowing{&p, f.listener, t}
}

// set gives a field a value that is not typed key by key.
func (b *browser) set(name, value string) {
	b.Helper()
	eval[bool](b, fmt.Sprintf("document.querySelector('[name=\"%s\"]').value = %q, true", name, value))
}

// ticked ticks the box or radio button with that value.
func (b *browser) ticked(name, value string) {
	b.Helper()
	eval[bool](b, fmt.Sprintf("document.querySelector('[name=\"%s\"][value=\"%s\"]').checked = true", name, value))
}

// report fills in everyField, wrong at first.
func (b *browser) report(form, photo, title string) {
	b.Helper()
	b.open(form)
	opened := time.Now()
	b.sees("It takes a minute.")
	b.inspect()
	eval[bool](b, "document.querySelector('form').noValidate = true") // the server checks too
	b.fill("field_title", title)
	b.fill("field_email", "mia@example.com")
	time.Sleep(2100*time.Millisecond - time.Since(opened)) // what a person needs at least
	b.fill("field_story", "It began\nyesterday.")
	b.fill("field_people", "0")
	b.ticked("field_seen", "smoke")
	b.ticked("field_seen", "water")
	b.do("choose a file", chromedp.SetUploadFiles(chromedp.CSS("[name=field_photo]"), []string{photo}))
	b.press("Send")
	b.sees("Küche 1.png is uploaded.")
	b.sees("At least 1.")
	b.sees("Room: This is needed.") // what is wrong is told by the names of the fields, in their order
	b.inspect()
	if got := eval[string](b, "document.querySelector('[name=field_story]').value"); got != "It began\nyesterday." {
		b.Errorf("what was typed is lost: %q", got)
	}
	b.choose("field_room", "Lab")
	b.set("field_day", "2026-11-20")
	b.set("field_visit", "2026-11-23T09:30")
	b.fill("field_people", "12")
	b.fill("field_cost", "99.50")
	b.ticked("field_agree", "true")
	b.press("Send")
	b.sees("We will be in touch within a day.")
	b.inspect()
}

// trapped sends what a machine would: the field that nobody sees is filled in. It is told what a person would be.
func (b *browser) trapped(form string) {
	b.Helper()
	b.open(form)
	eval[bool](b, "document.querySelector('form').noValidate = true") // the server checks too
	b.set("website", "https://spam.example.com")
	b.press("Send")
	b.sees("We will be in touch within a day.")
}

// guarded sends what is refused, too soon, too large, too old and too often, and reads what people are told; none of it starts a
// run, and what was typed is kept.
func (f *flowing) guarded(form string) {
	f.t.Helper()
	runs := len(f.must(200, "GET", "runs?limit=200", nil).items())
	asked, err := http.Get(f.url(form))
	if err != nil {
		f.t.Fatal(err)
	}
	defer asked.Body.Close()
	page, err := goquery.NewDocumentFromReader(asked.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	clock, _ := page.Find("[name=clock]").Attr("value")
	shown := time.Now()
	send := func(clock, photo string) (int, string, http.Header) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		_ = w.WriteField("clock", clock)
		_ = w.WriteField("field_title", "Lamp flickers")
		part, _ := w.CreateFormFile("field_photo", "lamp.png")
		_, _ = io.WriteString(part, photo)
		_ = w.Close()
		resp, err := http.Post(f.url(form), w.FormDataContentType(), &body)
		if err != nil {
			f.t.Fatal(err)
		}
		defer resp.Body.Close()
		doc, err := goquery.NewDocumentFromReader(resp.Body)
		if err != nil {
			f.t.Fatal(err)
		}
		title, _ := doc.Find("[name=field_title]").Attr("value")
		return resp.StatusCode, doc.Find("main").Text() + " typed: " + title, resp.Header
	}
	says := func(want int, words string, clock, photo string) http.Header {
		f.t.Helper()
		status, text, header := send(clock, photo)
		if status != want || !strings.Contains(text, words) {
			f.t.Errorf("want %d %q, got %d %s", want, words, status, text)
		}
		if status != http.StatusRequestEntityTooLarge && !strings.Contains(text, "typed: Lamp flickers") {
			f.t.Errorf("%d: what was typed is lost", status)
		}
		return header
	}
	says(422, "That was very quick. Nothing was sent; look it over and send it again. Files have to be chosen again.", clock, "x")
	says(422, "This page was open for too long.", "made up", "x")
	says(413, "larger than 26 MiB", clock, strings.Repeat("x", 27<<20))
	time.Sleep(time.Until(shown.Add(3 * time.Second))) // a form is not taken within two seconds
	photo := strings.Repeat("x", 1_200_000)
	says(422, "The file is too large", clock, photo)
	says(422, "This must be ticked.", clock, photo)
	if often := func() http.Header {
		for range 8 {
			_, _, _ = send(clock, "x")
		}
		return says(429, "too many forms came from your address", clock, "x")
	}(); often.Get("Retry-After") != "60" {
		f.t.Errorf("Retry-After: %q", often.Get("Retry-After"))
	}
	if n := len(f.must(200, "GET", "runs?limit=200", nil).items()); n != runs {
		f.t.Errorf("%d runs were started by what was refused", n-runs)
	}
}

// reported checks what came of a form: one run, with everything that was given, and its file on the page of the run.
func (f *flowing) reported(b *browser, id, title string, runs int) {
	f.t.Helper()
	list := f.must(200, "GET", "runs?workflow_id="+id, nil).items()
	if len(list) != runs {
		f.t.Fatalf("%d runs, want %d", len(list), runs)
	}
	for path, want := range map[string]string{"data.title": title, "data.story": "It began\nyesterday.", "data.room": "l", "data.urgency": "soon", "data.seen": "[smoke water]", "data.email": "mia@example.com",
		"data.day": "2026-11-20", "data.visit": "2026-11-23T09:30:00Z", "data.people": "12", "data.cost": "99.5", "data.photo.name": "Küche 1.png", "data.agree": "true", "initiator": "", "trigger": "public_form"} {
		if got := dig(list[0], path); got != want {
			f.t.Errorf("%s: want %q, got %q", path, want, got)
		}
	}
	file := f.must(200, "GET", "files/"+dig(list[0], "data.photo.id"), nil)
	if file.text != "\x89PNG not really" || !strings.Contains(file.header.Get("Content-Disposition"), "attachment") {
		f.t.Errorf("%q %v", file.text, file.header)
	}
}

// twoPersons approve: both at once, then one after the other; one rejects, and it comes back.
func (f *flowing) twoPersons(b *browser) {
	f.t.Helper()
	id := f.publishes(`{"name":"Budget","trigger":{"kind":"manual"},"steps":[
	 {"key":"ask","name":"Ask","kind":"task","assignees":["initiator"],"fields":[{"key":"sum","name":"Sum","type":"currency","required":true}],"next":[{"to":"board"}]},
	 {"key":"board","name":"Board","kind":"parallel_approval","assignees":["ada@example.com","grace@example.com"],"on_reject":{"to":"ask"},"next":[{"to":"chiefs"}]},
	 {"key":"chiefs","name":"Chiefs","kind":"sequential_approval","assignees":["grace@example.com","ada@example.com"],"on_reject":{"to":"ask"},"next":[{"to":"end"}]},
	 {"key":"end","name":"Granted","kind":"end"}]}`)
	run := f.begins(id, `{"subject":"Lab 2027"}`)
	resubmits := func(sum string) {
		b.open("/tasks")
		b.press("Ask")
		b.fill("field_sum", sum)
		b.press("Complete")
	}
	decides := func(step, button, comment string) {
		b.open("/tasks")
		b.press(step)
		if comment != "" {
			b.fill("comment", comment)
		}
		b.press(button)
	}
	resubmits("90000")
	decides("Board", "Approve", "")
	b.signOut()
	b.signIn("grace@example.com", password)
	decides("Board", "Reject", "Half of it, please")
	b.open("/tasks")
	b.sees("No task waits for you.")
	b.signOut()
	b.signIn("ada@example.com", password)
	resubmits("45000")
	decides("Board", "Approve", "")
	b.open("/tasks")
	b.sees("No task waits for you.") // Grace is first among the chiefs, and the board wants her too
	b.signOut()
	b.signIn("grace@example.com", password)
	decides("Board", "Approve", "Better")
	decides("Chiefs", "Approve", "")
	b.signOut()
	b.signIn("ada@example.com", password)
	decides("Chiefs", "Approve", "Go")
	b.open("/runs/" + run)
	b.sees("Half of it, please")
	b.sees("Granted")
	b.inspect()
	state := f.becomes(run, "completed")
	for path, want := range map[string]string{"steps.1.status": "rejected", "steps.1.decisions.0.actor": "ada@example.com", "steps.1.decisions.1.comment": "Half of it, please",
		"steps.3.decisions.1.comment": "Better", "steps.4.decisions.0.actor": "grace@example.com", "steps.4.decisions.1.comment": "Go"} {
		if got := dig(state, path); got != want {
			f.t.Errorf("%s: want %q, got %q", path, want, got)
		}
	}
}

// dropped switches a receiver off once more, and drops what is held for it.
func (f *flowing) dropped(b *browser, id string) {
	f.t.Helper()
	f.listener.mu.Lock()
	f.listener.say = func(path string, n int) (int, string) {
		if path == "/gone" {
			return 410, ``
		}
		return 200, `{"ok":true}`
	}
	f.listener.mu.Unlock()
	off := f.begins(id, `{"subject":"H-3"}`)
	hook := func(run string) string {
		return dig(f.must(200, "GET", "runs/"+run, nil).json, "steps.0.webhooks.0.status")
	}
	f.eventually("the receiver is off again", func() bool { return hook(off) == "failed" })
	held := f.begins(id, `{"subject":"H-4"}`)
	f.eventually("the next message is held again", func() bool { return hook(held) == "held" })
	b.open("/workflows/" + id)
	b.click("Switch on and drop it")
	b.press("Drop and switch on")
	b.sees("One delivery is dropped. It is on again.")
	b.misses("was switched off")
	if got := hook(held); got != "cancelled" {
		f.t.Errorf("what was dropped is %s", got)
	}
	f.listener.mu.Lock()
	f.listener.say = nil
	f.listener.mu.Unlock()
}

// handled goes through what is done with runs by hand: paused, resumed, sent again, cancelled; a workflow is tried, a step's
// request tested, and a receiver that was switched off is switched on.
func (f *flowing) handled(b *browser) {
	f.t.Helper()
	id := f.publishes(`{"name":"Handled","trigger":{"kind":"manual"},"steps":[
	 {"key":"tell","name":"Tell","kind":"outgoing","request":{"name":"Shop","url":"RX/tell"},"next":[{"to":"wait"}],"webhooks":[{"name":"Old system","url":"RX/gone"},{"name":"New system","url":"RX/new"}]},
	 {"key":"wait","name":"Wait","kind":"task","assignees":["initiator"]}]}`)
	run := f.begins(id, `{"subject":"H-1","data":{"n":1}}`)
	f.eventually("the old system is switched off", func() bool {
		return len(f.must(200, "GET", "workflows/"+id+"/targets", nil).items()) == 1
	})
	f.hears("/new", 1)
	f.eventually("what is kept of a request without a template is what was sent", func() bool {
		told := dig(f.must(200, "GET", "runs/"+run, nil).json, "steps.0.delivery_id")
		return strings.HasPrefix(told, "dlv_") && dig(f.must(200, "GET", "deliveries/"+told+"/attempts", nil).json, "items.0.request.body") == `{"n":1}`
	})
	b.open("/deliveries?run_id=" + run)
	b.sees("Handled #1")
	b.open("/runs/" + run)
	b.sees("Failed")
	if height := eval[float64](b, `new Promise(done => {
			const again = setInterval(() => htmx.trigger(document.querySelector("[data-region]"), "refresh"), 300) // one beside another request is dropped
			document.addEventListener("htmx:after:swap", () => { clearInterval(again); setTimeout(done, 100) }, {once: true})
		})
		.then(() => document.querySelector(".flow-svg").getBoundingClientRect().height)`); height < 100 {
		b.Errorf("the drawn path is %v px high once it is redrawn", height)
	}
	b.inspect()
	b.pressLabelled("Send again: New system")
	f.hears("/new", 2)
	b.open("/runs/" + run)
	b.click("Pause")
	b.press("Pause run")
	b.sees("This run is paused.")
	b.press("Resume")
	b.sees("Now at: Wait")
	second := f.begins(id, `{"subject":"H-2"}`)
	f.eventually("the next message is held", func() bool {
		return dig(f.must(200, "GET", "runs/"+second, nil).json, "steps.0.webhooks.0.status") == "held"
	})
	b.open("/workflows/" + id)
	b.sees("“Old system” of “Tell” was switched off")
	b.sees("1 delivery is held.")
	b.inspect()
	f.listener.mu.Lock()
	f.listener.say = nil
	f.listener.mu.Unlock()
	b.press("Switch on and send it")
	b.sees("goes out now")
	b.misses("was switched off")
	f.hears("/gone", 2)
	f.dropped(b, id)
	b.open("/runs/" + run)
	b.click("Cancel run")
	b.press("Yes, cancel it")
	f.becomes(run, "cancelled")
	b.open("/workflows/" + id)
	b.press("Try it")
	b.inspect()
	before := len(f.at("/tell"))
	b.press("Try")
	b.sees("Wait")
	b.inspect()
	if n := len(f.at("/tell")); n != before {
		f.t.Errorf("a trial sent %d messages", n-before)
	}
	b.open("/workflows/" + id + "/steps/tell")
	b.press("Send test")
	b.sees("200")
	f.hears("/tell", before+1)
	b.inspect()
}
