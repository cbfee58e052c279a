package egress

import (
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"

	"waybill/db/fault"
)

const (
	maxHeaderName  = 200
	maxHeaderValue = 16 << 10
)

// CheckHeader says what is wrong with a request header, or nil. Headers that frame the message or steer the connection
// are Waybill's own; a value stays on its line. Names are compared without case.
func CheckHeader(name, value string) *fault.Words {
	switch {
	case name == "":
		return fault.Say("A header needs a name.")
	case strings.HasPrefix(name, ":"):
		return fault.Say("Names that begin with a colon belong to HTTP/2 itself.")
	case !httpguts.ValidHeaderFieldName(name):
		return fault.Say("A header name holds letters, digits and hyphens, no spaces or colons.")
	case len(name) > maxHeaderName:
		return fault.Say("A header name has at most %d characters.", maxHeaderName)
	case reserved(textproto.CanonicalMIMEHeaderKey(name)):
		return fault.Say("Waybill sets this header itself, since it frames the message or steers the connection.")
	case len(value) > maxHeaderValue:
		return fault.Say("A header value has at most %d bytes; this one has %d.", maxHeaderValue, len(value))
	case !httpguts.ValidHeaderFieldValue(value):
		return fault.Say("The value holds a line break or another control character.")
	}
	return nil
}

func reserved(canonical string) bool {
	switch canonical {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer", "Keep-Alive", "Expect", "Http2-Settings":
		return true
	}
	return strings.HasPrefix(canonical, "Proxy-")
}
