package href

// What goes on, over time.

func DestinationActivity[ID ~string](id ID) string {
	return path("destinations", string(id), "activity")
}
func ConnectionActivity[ID ~string](id ID) string { return path("connections", string(id), "activity") }
