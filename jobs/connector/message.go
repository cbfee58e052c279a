package connector

import (
	"encoding/json"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/script"
)

// A message form is the settings of a destination that people write a chat message in. Its texts hold tags; messageCode
// makes expressions of them, which the template of the type puts into the shape that the other side wants.

// messageFields are the inputs of a message; texts names the marks that the other side understands.
func messageFields(texts string, more ...model.Field) []model.Field {
	return append([]model.Field{
		{Name: "title", Label: "Title", Kind: model.FieldText, Tags: true, Max: 500, Placeholder: "Order {{ it.data[0].id }}", Help: "One line above the text; left empty, there is none."},
		{Name: "text", Label: "Text", Kind: model.FieldArea, Lines: true, Tags: true, Max: 6000, Placeholder: "{{ it.data[0].customer.name }} ordered for *{{ it.data[0].total }}*", Help: texts},
		{Name: "fields", Label: "Facts", Kind: model.FieldArea, Lines: true, Tags: true, Max: 3000, Placeholder: "Total: {{ it.data[0].total }} {{ it.data[0].currency }}\nCustomer: {{ it.data[0].customer.email }}", Help: "One “Name: value” on each line, up to ten. A fact whose value is empty is left out."},
		{Name: "button", Label: "Button", Kind: model.FieldText, Tags: true, Max: 200, Placeholder: "Open the order", Help: "What stands on it."},
		{Name: "button_url", Label: "Button leads to", Kind: model.FieldText, Tags: true, Max: 2000, Placeholder: "https://shop.example.com/orders/{{ it.data[0].id }}", Help: "Without an address there is no button."},
	}, more...)
}

// checkMessage lists what a form of a message cannot hold.
func checkMessage(d model.Destination, bad *fault.Check) {
	if d.Template != "" {
		return
	}
	for _, name := range []string{"title", "text", "fields", "button", "button_url", "footer", "channel"} {
		pieces, err := script.Split(d.Settings.Text(name))
		if err != nil {
			continue // jobs.Check says where
		}
		for _, p := range pieces {
			if p.Kind == script.PieceOther {
				bad.Add("settings."+name, "Here only {{ expr }} and {{= expr }} can stand. To choose or repeat, write a template of your own.")
				break
			}
		}
	}
	lines := strings.Count(strings.TrimSpace(d.Settings.Text("fields")), "\n") + 1
	if lines > 10 {
		bad.Add("settings.fields", "At most ten facts; these are %d.", lines)
	}
	if d.Settings.Text("button") != "" && d.Settings.Text("button_url") == "" {
		bad.Add("settings.button_url", "Say where the button leads.")
	}
}

// code makes a JavaScript expression of a text with tags: its pieces, joined. What a plain tag gives goes through
// escape; what {{= gives does not.
func code(text, escape string) string {
	pieces, err := script.Split(text)
	if err != nil {
		return quoteJS(text)
	}
	out := []string{}
	for _, p := range pieces {
		switch p.Kind {
		case script.PieceText:
			out = append(out, quoteJS(p.Text))
		case script.PieceExpr:
			out = append(out, escape+"("+p.Text+"\n)")
		case script.PieceRaw:
			out = append(out, "plain("+p.Text+"\n)")
		}
	}
	if len(out) == 0 {
		return `""`
	}
	return strings.Join(out, " + ")
}

func quoteJS(s string) string {
	b, _ := json.Marshal(s) // text always encodes; JSON strings are JavaScript's
	return string(b)
}

// factsCode is a list of [name, value] expressions, one of each line of “Name: value”.
func factsCode(text, escape string) string {
	var out []string
	for line := range strings.Lines(text) {
		name, value, ok := cutFact(strings.TrimSpace(line))
		if name != "" && ok {
			out = append(out, "["+code(name, escape)+", "+code(value, escape)+"]")
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// cutFact cuts at the first colon that stands in no tag.
func cutFact(line string) (name, value string, ok bool) {
	for at, depth := 0, 0; at < len(line); at++ {
		switch {
		case strings.HasPrefix(line[at:], "{{"):
			depth++
		case strings.HasPrefix(line[at:], "}}"):
			depth--
		case line[at] == ':' && depth <= 0:
			return strings.TrimSpace(line[:at]), strings.TrimSpace(line[at+1:]), true
		}
	}
	return line, "", false
}

// helpersCode are the functions that a message's template uses.
const helpersCode = `const plain = (v) => v == null ? "" : typeof v === "object" ? JSON.stringify(v) : String(v);
const cut = (s, n) => s.length > n ? s.slice(0, n - 1) + "…" : s;
`

// defaultMessage is what a destination says whose form is empty.
func defaultMessage() model.Config {
	return model.Config{"title": "{{ it.events[0].name }}", "text": "{{ it.events[0].subject }}"}
}

// filled is the form of a message, or the default one when nothing of it is.
func filled(c model.Config) model.Config {
	for _, name := range []string{"title", "text", "fields"} {
		if strings.TrimSpace(c.Text(name)) != "" {
			return c
		}
	}
	out := defaultMessage()
	for name, v := range c {
		out[name] = v
	}
	return out
}
