package views

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"waybill/db/model"
)

// curlBody is how large a body may be to stand in a command line, in bytes.
const curlBody = 64 << 10

// curl is the request of an attempt as a command for a POSIX shell, which sends what was sent, header by header. Secrets, which
// are not stored, are shell variables named after their place ($WAYBILL_TOKEN); the shell complains about one that is not set.
func curl(a model.Attempt) string {
	parts := []string{"curl -X " + a.Method}
	if strings.HasPrefix(a.URL, "https:") {
		parts[0] += " --http1.1"
	}
	if strings.ContainsAny(a.URL, "[]{}") {
		parts[0] += " --globoff"
	}
	if strings.Contains(a.URL, "/.") {
		parts[0] += " --path-as-is"
	}
	parts[0] += " " + quoted(a.URL, urlVariable)
	if a.Timings.Certificate {
		parts = append(parts, `--cert "${WAYBILL_CLIENT_CERTIFICATE:?}" --key "${WAYBILL_CLIENT_KEY:?}"`)
	}
	if a.Timings.Authority {
		parts = append(parts, `--cacert "${WAYBILL_CA:?}"`)
	}
	parts = append(parts, curlHeaders(a)...)
	switch body := a.Request.Body; {
	case len(body) == 0 && a.Request.Size == 0:
		if slices.Contains([]string{"POST", "PUT", "PATCH"}, a.Method) {
			parts = append(parts, "--data-raw ''") // for Content-Length: 0
		}
	case len(body) == 0 || len(body) > curlBody || a.Request.Truncated || !utf8.Valid(body) || slices.Contains(body, 0):
		parts = append(parts, "--data-binary @body")
	default:
		parts = append(parts, "--data-raw "+quoted(string(body), bodyVariable))
	}
	return strings.Join(parts, " \\\n  ")
}

// curlHeaders are the headers that were sent, and none that curl would add by itself.
func curlHeaders(a model.Attempt) (out []string) {
	has := func(name string) bool {
		return slices.ContainsFunc(a.Request.Headers, func(h model.Header) bool { return strings.EqualFold(h.Name, name) })
	}
	for _, h := range a.Request.Headers {
		switch {
		case strings.EqualFold(h.Name, "Content-Length"), strings.EqualFold(h.Name, "Host"): // curl works them out
		case h.Name == "Authorization" && h.Value == "Basic "+model.Mask:
			out = append(out, `-u "${WAYBILL_USER?}:${WAYBILL_PASSWORD?}"`)
		case h.Value == "":
			out = append(out, "-H "+quoted(h.Name+";", nil))
		default:
			out = append(out, "-H "+quoted(h.Name+": "+h.Value, func(string) string { return headerVariable(h) }))
		}
	}
	for _, name := range []string{"Accept", "Content-Type"} {
		if !has(name) && (name == "Accept" || a.Method != "GET" || a.Request.Size > 0) {
			out = append(out, "-H '"+name+":'")
		}
	}
	if a.Request.Size > 1000 {
		out = append(out, "-H 'Expect:'")
	}
	return out
}

// quoted is text as one word of a shell. What is masked becomes variables, each named by what stands before it; only then does
// the shell look into the word.
func quoted(text string, name func(before string) string) string {
	pieces := strings.Split(text, model.Mask)
	if len(pieces) == 1 {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")
	var b strings.Builder
	for i, p := range pieces {
		if i > 0 {
			b.WriteString("${" + name(pieces[i-1]) + ":?}")
		}
		b.WriteString(escape.Replace(p))
	}
	return `"` + b.String() + `"`
}

func headerVariable(h model.Header) string {
	if h.Name != "Authorization" {
		return variable(h.Name)
	}
	switch scheme, _, _ := strings.Cut(h.Value, " "); scheme {
	case "Bearer":
		return "WAYBILL_TOKEN"
	case "AWS4-HMAC-SHA256":
		return "WAYBILL_AWS_SIGNATURE"
	}
	return "WAYBILL_AUTHORIZATION"
}

var (
	beforeParameter = regexp.MustCompile(`[?&#]([^?&#=]+)=[^?&#=]*$`)
	beforeMember    = regexp.MustCompile(`["&?]?([A-Za-z_][A-Za-z0-9_-]*)(?:"\s*:\s*"|=)$`)
)

func urlVariable(before string) string {
	if m := beforeParameter.FindStringSubmatch(before); m != nil {
		return variable(m[1])
	}
	return "WAYBILL_SECRET"
}

func bodyVariable(before string) string {
	if m := beforeMember.FindStringSubmatch(before); m != nil {
		return variable(m[1])
	}
	return "WAYBILL_SECRET"
}

// variable is the name of a header or parameter as that of a shell variable.
func variable(name string) string {
	return "WAYBILL_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}
