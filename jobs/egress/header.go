package egress

import (
	"fmt"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const (
	maxHeaderName  = 200
	maxHeaderValue = 16 << 10
)

// CheckHeader says what is wrong with a request header, or "". Headers that frame the message or steer the connection
// are Waybill's own; a value stays on its line. Names are compared without case.
func CheckHeader(name, value string) string {
	switch {
	case name == "":
		return "A header needs a name."
	case strings.HasPrefix(name, ":"):
		return "Names that begin with a colon belong to HTTP/2 itself."
	case !httpguts.ValidHeaderFieldName(name):
		return "A header name holds letters, digits and hyphens, no spaces or colons."
	case len(name) > maxHeaderName:
		return fmt.Sprintf("A header name has at most %d characters.", maxHeaderName)
	case reserved(textproto.CanonicalMIMEHeaderKey(name)):
		return "Waybill sets this header itself, since it frames the message or steers the connection."
	case len(value) > maxHeaderValue:
		return fmt.Sprintf("A header value has at most %d bytes; this one has %d.", maxHeaderValue, len(value))
	case !httpguts.ValidHeaderFieldValue(value):
		return "The value holds a line break or another control character."
	}
	return ""
}

func reserved(canonical string) bool {
	switch canonical {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer", "Keep-Alive", "Expect", "Http2-Settings":
		return true
	}
	return strings.HasPrefix(canonical, "Proxy-")
}
