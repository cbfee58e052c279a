package href

// Event definitions stand under events.

func EventDefinitions() string   { return "/events/definitions" }
func NewEventDefinition() string { return "/events/definitions/new" }
func NewEventDefinitionOf(name string) string {
	return With(NewEventDefinition(), "name", name)
}
func EventDefinition[ID ~string](id ID) string {
	return path("events", "definitions", string(id))
}
func EditEventDefinition[ID ~string](id ID) string {
	return path("events", "definitions", string(id), "edit")
}
func DeleteEventDefinition[ID ~string](id ID) string {
	return path("events", "definitions", string(id), "delete")
}

// Audiences, and starting a workflow over one.

func Audiences() string                       { return "/audiences" }
func NewAudience() string                     { return "/audiences/new" }
func Audience[ID ~string](id ID) string       { return path("audiences", string(id)) }
func EditAudience[ID ~string](id ID) string   { return path("audiences", string(id), "edit") }
func DeleteAudience[ID ~string](id ID) string { return path("audiences", string(id), "delete") }
func AudienceRecords[ID ~string](id ID) string {
	return path("audiences", string(id), "records")
}
