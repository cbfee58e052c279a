package handlers

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/views"
	"waybill/views/href"
)

// The public form: no sign-in, so it is guarded otherwise. A field that people do not see catches what fills in
// everything; a form that comes back sooner than somebody could have read it, or has no time, is refused; an address
// may send so many in a while; and the sizes are bounded.

const (
	quickest    = 2 * time.Second // from the page to what is sent
	slowest     = 24 * time.Hour
	formsEvery  = time.Minute
	formsMost   = 10 // of one address in that time
	formsKnown  = 10_000
	mostVisitor = 26 << 20
	mostKept    = 64 << 10 // of a form that came too often: so large, and what was typed is kept
)

func (h *Handlers) publicFormRoutes() []web.Route {
	return []web.Route{
		web.Get(web.Public, href.PublicForm(":token"), h.showPublicForm),
		web.Post(web.Public, href.PublicForm(":token"), h.sendPublicForm).Up(mostVisitor).LateForm(),
		web.Get(web.Public, href.FormSent(":token"), h.publicFormSent),
	}
}

// formThrottle counts what addresses send.
type formThrottle struct {
	mu   sync.Mutex
	sent map[string][]time.Time
}

// allow reports whether an address may send another form now, and counts it.
func (t *formThrottle) allow(address string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == nil || len(t.sent) >= formsKnown {
		t.sent = map[string][]time.Time{}
	}
	var recent []time.Time
	for _, at := range t.sent[address] {
		if now.Sub(at) < formsEvery {
			recent = append(recent, at)
		}
	}
	if len(recent) >= formsMost {
		t.sent[address] = recent
		return false
	}
	t.sent[address] = append(recent, now)
	return true
}

// openForm is the workflow with this token and its published trigger; one that takes nothing is NotFound.
func (h *Handlers) openForm(c echo.Context) (model.Workflow, model.Trigger, error) {
	closed := fault.Absent("form")
	token := c.Param("token")
	if token == "" {
		return model.Workflow{}, model.Trigger{}, closed
	}
	ctx := c.Request().Context()
	w, err := h.Store.WorkflowByForm(ctx, token)
	if err != nil {
		return w, model.Trigger{}, err
	}
	if w.Published == 0 || !w.Enabled {
		return w, model.Trigger{}, closed
	}
	v, err := h.Store.WorkflowVersion(ctx, w.ID, w.Published)
	if err != nil {
		return w, model.Trigger{}, err
	}
	w.Name = v.Name
	if v.Definition.Trigger.Kind != model.TriggerPublicForm {
		return w, model.Trigger{}, closed
	}
	return w, v.Definition.Trigger, nil
}

func (h *Handlers) publicPage(c echo.Context, status int, p views.PublicFormProps) error {
	if p.Token = c.Param("token"); p.Clock == "" {
		p.Clock = h.Seal("form", strconv.FormatInt(h.Now().UnixMilli(), 10))
	}
	return h.PageOutside(c, web.Bits{Status: status, Title: p.Name}, views.PublicForm(p))
}

// closedForm says that there is no form here, without saying whether there was one.
func (h *Handlers) closedForm(c echo.Context, err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return h.PageOutside(c, web.Bits{Status: http.StatusNotFound, Title: "Form"}, views.FormClosed())
}

func (h *Handlers) showPublicForm(c echo.Context) error {
	w, t, err := h.openForm(c)
	if err != nil {
		return h.closedForm(c, err)
	}
	return h.publicPage(c, http.StatusOK, views.PublicFormProps{Name: w.Name, Trigger: t})
}

func (h *Handlers) sendPublicForm(c echo.Context) error {
	w, t, err := h.openForm(c)
	if err != nil {
		return h.closedForm(c, err)
	}
	p := views.PublicFormProps{Name: w.Name, Trigger: t}
	if !h.forms.allow(web.Place(c), h.Now()) {
		return h.tooOften(c, p)
	}
	if p.Fill, err = h.read(c, t.Fields); err != nil {
		return h.tooMuch(c, p, err)
	}
	if typed(c, views.Trap) != "" { // a machine is told what a person would be
		return web.Redirect(c, href.FormSent(c.Param("token")))
	}
	anybody := model.System("public form") // also who is signed in: nobody is asked who they are
	// Before any file is stored. A form that is shown again goes on counting, but one that was open for too long.
	if p.Clock, err = h.inTime(c); err == nil {
		p.Fill, err = h.filled(c, anybody, t.Fields)
	}
	if err == nil {
		_, err = h.o.Jobs.StartForm(c.Request().Context(), anybody, w.ID, "", p.Fill.JSON(t.Fields))
	}
	if problems, status, ok := h.wrong(c, err, ""); ok {
		p.Problems = problems
		if problems.Of("") != "" {
			p.Problems.Fields[""] = h.filesAgain(c, t.Fields, problems.Of(""))
		}
		return h.publicPage(c, status, p)
	}
	if err != nil {
		return err
	}
	return web.Redirect(c, href.FormSent(c.Param("token")))
}

// read reads what was sent, without storing its files.
func (h *Handlers) read(c echo.Context, form []model.FormField) (views.Fill, error) {
	if err := h.ReadForm(c); err != nil {
		return views.Fill{}, err
	}
	return written(c, form)
}

// tooMuch shows the form anew to whoever sent more than is read.
func (h *Handlers) tooMuch(c echo.Context, p views.PublicFormProps, err error) error {
	f := h.Said(c, err)
	if f == nil || f.Kind != fault.TooLarge {
		return err
	}
	if f.Code != web.LongTexts {
		f.Message = h.T(c, "Nothing was sent: the files and texts together are larger than {most} MiB. Choose smaller files.", "most", strconv.Itoa(mostVisitor>>20))
	}
	p.Problems.Fields = map[string]string{"": f.Message}
	return h.publicPage(c, http.StatusRequestEntityTooLarge, p)
}

// tooOften keeps what was typed, unless it is much; files are not taken from somebody who sends too much.
func (h *Handlers) tooOften(c echo.Context, p views.PublicFormProps) error {
	if n := c.Request().ContentLength; n >= 0 && n <= mostKept {
		var err error
		if p.Fill, err = h.read(c, p.Trigger.Fields); err != nil {
			return err
		}
		p.Clock = typed(c, "clock")
	}
	c.Response().Header().Set("Retry-After", strconv.Itoa(int(formsEvery/time.Second)))
	words := h.T(c, "Nothing was sent: too many forms came from your address. Wait a minute and send it again.")
	p.Problems.Fields = map[string]string{"": h.filesAgain(c, p.Trigger.Fields, words)}
	return h.publicPage(c, http.StatusTooManyRequests, p)
}

// filesAgain adds to words what browsers do not keep of a form that has files.
func (h *Handlers) filesAgain(c echo.Context, form []model.FormField, words string) string {
	if !slices.ContainsFunc(form, func(f model.FormField) bool { return f.Type == model.TypeFile }) {
		return words
	}
	return words + " " + h.T(c, "Files have to be chosen again.")
}

// inTime refuses what came sooner than a person could have typed it, or with a page that is too old or none of ours. clock is
// what the page goes on with when it is shown again, "" = a new one.
func (h *Handlers) inTime(c echo.Context) (clock string, err error) {
	var bad fault.Check
	clock = typed(c, "clock")
	text, ok := h.Unseal("form", clock)
	shown, err := strconv.ParseInt(text, 10, 64)
	since := h.Now().Sub(time.UnixMilli(shown))
	switch {
	case !ok || err != nil || since > slowest:
		clock = ""
		bad.Add("", "This page was open for too long. Nothing was sent; look it over and send it again.")
	case since < quickest:
		bad.Add("", "That was very quick. Nothing was sent; look it over and send it again.")
	}
	return clock, bad.Err()
}

func (h *Handlers) publicFormSent(c echo.Context) error {
	w, t, err := h.openForm(c)
	if err != nil {
		return h.closedForm(c, err)
	}
	return h.PageOutside(c, web.Bits{Title: w.Name}, views.FormSent(w.Name, t.Thanks))
}
