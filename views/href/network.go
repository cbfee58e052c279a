package href

// Network is what may be called, and how requests leave.
func Network() string { return "/settings/network" }

// TryNetwork shows what becomes of a URL; whose is the id of a connection or destination, "" = for all. from is the page to
// go back to, "" = none.
func TryNetwork(url, whose, from string) string {
	return With(Network(), "url", url, "for", whose, "from", from)
}

func Proxy() string                            { return "/settings/network/proxy" }
func NetworkRules() string                     { return "/settings/network/rules" }
func NewNetworkRule() string                   { return "/settings/network/rules/new" }
func NetworkRule[T ~string](id T) string       { return "/settings/network/rules/" + string(id) }
func DeleteNetworkRule[T ~string](id T) string { return NetworkRule(id) + "/delete" }
