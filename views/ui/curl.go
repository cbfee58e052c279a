package ui

import (
	"html"
	"regexp"
	"strings"
)

// curlWord finds what is coloured in a curl command: quoted words and options.
var curlWord = regexp.MustCompile(`(?s)'[^']*'|"[^"]*"|(?:^|\s)-{1,2}[A-Za-z][\w-]*|\bcurl\b`)

// curlMarkup colours a curl command, and JSON in its quotes as JSON.
func curlMarkup(s string) string {
	var b strings.Builder
	end := 0
	for _, at := range curlWord.FindAllStringIndex(s, -1) {
		b.WriteString(html.EscapeString(s[end:at[0]]))
		word := s[at[0]:at[1]]
		inner := strings.Trim(word, "'")
		switch {
		case strings.HasPrefix(word, "'{"):
			b.WriteString("&#39;" + jsonMarkup(inner) + "&#39;")
		case word[0] == '\'' || word[0] == '"':
			b.WriteString(colour("str", word))
		case word == "curl":
			b.WriteString(colour("start", word))
		default:
			b.WriteString(colour("word", word))
		}
		end = at[1]
	}
	b.WriteString(html.EscapeString(s[end:]))
	return b.String()
}
