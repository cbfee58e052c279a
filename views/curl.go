package views

import (
	"strings"
	"unicode/utf8"

	"waybill/db/model"
)

// curlBody is how large a body may be to stand in a command line, in bytes.
const curlBody = 64 << 10

// curl is the request of an attempt as a command for a POSIX shell. Secrets, which are not stored, are shell variables named
// after their header ($AUTHORIZATION), in the URL $SECRET.
func curl(a model.Attempt) string {
	parts := []string{"curl -X " + a.Method + " " + quoted(a.URL, "SECRET")}
	for _, h := range a.Request.Headers {
		if strings.EqualFold(h.Name, "Content-Length") { // curl works it out
			continue
		}
		parts = append(parts, "-H "+quoted(h.Name+": "+h.Value, variable(h.Name)))
	}
	switch body := a.Request.Body; {
	case len(body) == 0 && a.Request.Size == 0:
	case len(body) == 0 || len(body) > curlBody || a.Request.Truncated || !utf8.Valid(body):
		parts = append(parts, "--data-binary @body")
	default:
		parts = append(parts, "--data-binary "+quoted(string(body), "SECRET"))
	}
	return strings.Join(parts, " \\\n  ")
}

// quoted is text as one word of a shell. Only where something is masked are variables read.
func quoted(text, name string) string {
	if !strings.Contains(text, model.Mask) {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	text = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(text)
	return `"` + strings.ReplaceAll(text, model.Mask, "${"+name+"}") + `"`
}

// variable is a header's name as that of a shell variable.
func variable(header string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, header)
}
