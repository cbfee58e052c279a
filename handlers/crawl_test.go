package handlers_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"waybill/db/model"
	"waybill/handlers/web"
)

// TestNobodySeesWhatHeMayNotUse follows every link of every page as each built-in role and as a role of one's own. No link
// may be refused, and no form may lead to a route whose right is missing. Forms are compared with the route table and not
// sent: sending them would change what is crawled.
func TestNobodySeesWhatHeMayNotUse(t *testing.T) {
	s := newSite(t)
	s.stock("http://receiver.waybill.internal")
	root := s.user("root@example.com", model.Administrator)
	admin := s.as(root)
	admin.post("/events", "name", "order.created", "data", "{}")
	admin.post("/users/invite", "email", "new@example.com", "roles", model.Viewer)
	admin.post("/roles", "name", "People desk", "area-users", "Manage Users", "others", "View Audit Log")
	table := routesOf(s.h.Routes())
	for _, role := range []string{model.Administrator, model.Integrator, model.Operator, model.Viewer, "People desk", ""} {
		name := role
		if name == "" {
			name = "nobody in particular"
		}
		t.Run(name, func(t *testing.T) {
			var roles []string
			if role != "" {
				roles = []string{role}
			}
			u := s.user(strings.ReplaceAll(strings.ToLower(name), " ", "-")+"@example.com", roles...)
			s.key(u)
			c := crawl{T: t, b: s.as(u), rights: u.Rights(), table: table, seen: map[string]bool{}, todo: []string{"/"}}
			c.b.client.CheckRedirect = nil
			c.run()
			if least := map[string]int{model.Administrator: 25, "": 4}[role]; len(c.seen) < max(least, 4) {
				t.Errorf("only %d pages were found: %v", len(c.seen), c.seen)
			}
			if role == model.Administrator && c.regions < 20 {
				t.Errorf("only %d live parts were found", c.regions)
			}
		})
	}
}

// pattern is one route of the pages.
type pattern struct {
	method string
	path   *regexp.Regexp
	right  model.Right
	fixed  int // parts that are not parameters: more of them win
}

func routesOf(table []web.Route) []pattern {
	var out []pattern
	for _, r := range table {
		if r.Face != web.Page {
			continue
		}
		parts, fixed := strings.Split(r.Path, "/"), 0
		for i, p := range parts {
			if strings.HasPrefix(p, ":") || p == "*" {
				parts[i] = "[^/]+"
				continue
			}
			parts[i] = regexp.QuoteMeta(p)
			fixed++
		}
		out = append(out, pattern{r.Method, regexp.MustCompile("^" + strings.Join(parts, "/") + "$"), r.Right, fixed})
	}
	return out
}

type crawl struct {
	*testing.T
	b      *browser
	rights model.Rights
	table  []pattern
	seen   map[string]bool // paths with ids left out
	todo   []string

	regions int // live parts that were asked for
}

var anyID = regexp.MustCompile(`[a-z]{3}_[0-9a-z]{26}|[0-9]{4}-[0-9][^&]*`)

// right is what a request needs, "" when no route takes it.
func (c *crawl) right(method, path string) model.Right {
	best, right := -1, model.Right("")
	for _, p := range c.table {
		if p.method == method && p.fixed > best && p.path.MatchString(path) {
			best, right = p.fixed, p.right
		}
	}
	return right
}

func (c *crawl) run() {
	for len(c.todo) > 0 && len(c.seen) < 250 {
		at := c.todo[0]
		c.todo = c.todo[1:]
		kind := anyID.ReplaceAllString(at, "ID")
		if i := strings.IndexByte(kind, '?'); i >= 0 {
			kind = kind[:i] + regexp.MustCompile(`=[^&]*`).ReplaceAllString(kind[i:], "=")
		}
		if c.seen[kind] {
			continue
		}
		c.seen[kind] = true
		page := c.b.get(at)
		if page.StatusCode == http.StatusForbidden || page.StatusCode >= 500 {
			c.Errorf("a link leads to %s, which answers %d", at, page.StatusCode)
			continue
		}
		page.doc.Find("a[href], [hx-get]").Each(func(_ int, a *goquery.Selection) {
			to, ok := a.Attr("href")
			if !ok {
				to, _ = a.Attr("hx-get")
			}
			c.follow(at, to)
		})
		page.doc.Find("form").Each(func(_ int, f *goquery.Selection) { c.form(at, f) })
		page.doc.Find(".region").Each(func(_ int, r *goquery.Selection) { c.region(at, r) })
	}
}

// region asks for a live part as htmx does. What comes takes its place, so it has to be the part, still able to ask, and nothing else.
func (c *crawl) region(at string, r *goquery.Selection) {
	id, ask := r.AttrOr("id", ""), r.AttrOr("hx-get", "")
	c.b.header.Set("HX-Request", "true")
	c.b.header.Set("HX-Target", "div#"+id)
	defer func() { c.b.header.Del("HX-Request"); c.b.header.Del("HX-Target") }()
	parts := c.b.get(ask).doc.Find("body").Children()
	if parts.Length() != 1 || !parts.Is("div.region[hx-get]") || parts.AttrOr("id", "") != id {
		html, _ := parts.Html()
		c.Errorf("the live part %s of %s is replaced by something else: %d elements, %.200s", id, at, parts.Length(), html)
	}
	c.regions++
}

func (c *crawl) follow(from, to string) {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "/static/") || strings.HasPrefix(u.Path, "/api/") || strings.HasPrefix(u.Path, "/live/") {
		return
	}
	if right := c.right(http.MethodGet, u.Path); right != "" && right != web.Public && !c.rights.Has(right) {
		c.Errorf("%s links to %s, which needs %s", from, to, right)
		return
	}
	u.Fragment = ""
	c.todo = append(c.todo, u.String())
}

func (c *crawl) form(at string, f *goquery.Selection) {
	method := strings.ToUpper(f.AttrOr("method", "get"))
	if _, led := f.Attr("action"); method == http.MethodPost && !led && f.Find("button, input[type=submit]").Length() == 0 {
		return // scripts lend it the action of a command that was listed
	}
	check := func(action string) {
		u, err := url.Parse(action)
		if err != nil {
			c.Errorf("%s has a form to %q", at, action)
			return
		}
		path := u.Path
		if path == "" {
			here, _ := url.Parse(at)
			path = here.Path
		}
		if right := c.right(method, path); right == "" {
			c.Errorf("%s has a form of %s %s, which nothing takes", at, method, path)
		} else if right != web.Public && !c.rights.Has(right) {
			c.Errorf("%s has a form of %s %s, which needs %s", at, method, path, right)
		}
	}
	check(f.AttrOr("action", ""))
	f.Find("[formaction]").Each(func(_ int, b *goquery.Selection) { check(b.AttrOr("formaction", "")) })
}
