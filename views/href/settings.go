package href

// Settings of the instance. Settings itself is in href.go.

func StorageSettings() string { return "/settings/storage" }
