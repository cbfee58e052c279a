package href

// What goes on, over time.

func DestinationActivity[ID ~string](id ID) string {
	return path("destinations", string(id), "activity")
}
func ConnectionActivity[ID ~string](id ID) string { return path("connections", string(id), "activity") }

// Alerts and mail.

func Alerts() string                       { return "/settings/alerts" }
func NewAlert() string                     { return "/settings/alerts/new" }
func NewAlertOf[K ~string](kind K) string  { return With(NewAlert(), "kind", string(kind)) }
func AlertRule[ID ~string](id ID) string   { return path("settings", "alerts", string(id)) }
func TestAlert[ID ~string](id ID) string   { return path("settings", "alerts", string(id), "test") }
func SnoozeAlert[ID ~string](id ID) string { return path("settings", "alerts", string(id), "snooze") }
func ToggleAlert[ID ~string](id ID) string { return path("settings", "alerts", string(id), "enabled") }
func DeleteAlert[ID ~string](id ID) string { return path("settings", "alerts", string(id), "delete") }
func AlertHistory() string                 { return "/settings/alerts/history" }
func MailSettings() string                 { return "/settings/mail" }
func TestMail() string                     { return "/settings/mail/test" }
