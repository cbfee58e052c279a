package href

// Settings of the instance. Settings itself is in href.go.

func StorageSettings() string { return "/settings/storage" }

// FeatureSettings are the parts that can be switched off.
func FeatureSettings() string { return "/settings/features" }

// ReceiverPage shows what the built-in receiver can do.
func ReceiverPage() string { return "/settings/receiver" }
