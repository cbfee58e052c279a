package ui

import (
	"html"
	"regexp"
	"strings"
	"testing"
)

func TestCurlMarkup(t *testing.T) {
	const text = "curl -X PUT 'http://x/?a=1&b=<2>' \\\n  -H \"Authorization: Bearer $KEY\" \\\n  -d '{\n    \"name\": \"O'\\''Hara <b>\", \"n\": 1\n  }'"
	got := curlMarkup(text)
	for _, want := range []string{`<span class="t-start">curl</span>`, `<span class="t-word"> -X</span>`, `<span class="t-key">`, `&lt;2&gt;`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if plain := html.UnescapeString(regexp.MustCompile(`</?span[^>]*>`).ReplaceAllString(got, "")); plain != text {
		t.Errorf("the colours change the text:\n%s\nwant\n%s", plain, text)
	}
}
