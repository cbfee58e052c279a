package href

// Settings of the instance. Settings itself is in href.go.

func StorageSettings() string { return "/settings/storage" }

// ReceiverPage shows what the built-in receiver can do.
func ReceiverPage() string { return "/settings/receiver" }
