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
func StartAudience[ID ~string](id ID) string { return path("audiences", string(id), "start") }
func StopAudienceRun[ID ~string](id ID) string {
	return path("audience-runs", string(id), "stop")
}

// Integrations.

func Integrations() string                        { return "/integrations" }
func NewIntegration() string                      { return "/integrations/new" }
func Integration[ID ~string](id ID) string        { return path("integrations", string(id)) }
func PublishIntegration[ID ~string](id ID) string { return path("integrations", string(id), "publish") }
func TestIntegration[ID ~string](id ID) string    { return path("integrations", string(id), "test") }
func DeleteIntegration[ID ~string](id ID) string  { return path("integrations", string(id), "delete") }

// Workflows. A step of a draft is reached by its key; TriggerOf is its trigger.

func Workflows() string                         { return "/workflows" }
func NewWorkflow() string                       { return "/workflows/new" }
func Workflow[ID ~string](id ID) string         { return path("workflows", string(id)) }
func EditWorkflow[ID ~string](id ID) string     { return path("workflows", string(id), "edit") }
func DeleteWorkflow[ID ~string](id ID) string   { return path("workflows", string(id), "delete") }
func ToggleWorkflow[ID ~string](id ID) string   { return path("workflows", string(id), "enabled") }
func PublishWorkflow[ID ~string](id ID) string  { return path("workflows", string(id), "publish") }
func WorkflowVersions[ID ~string](id ID) string { return path("workflows", string(id), "versions") }
func WorkflowVersion[ID ~string](id ID, number string) string {
	return path("workflows", string(id), "versions", number)
}
func RestoreVersion[ID ~string](id ID, number string) string {
	return path("workflows", string(id), "versions", number, "restore")
}
func TryWorkflow[ID ~string](id ID) string   { return path("workflows", string(id), "try") }
func StartWorkflow[ID ~string](id ID) string { return path("workflows", string(id), "start") }

// Beside is what stands beside the drawing of a workflow, as the end of an address.
const Beside = "#beside"

func TriggerOf[ID ~string](id ID) string     { return path("workflows", string(id), "trigger") }
func NewStep[ID ~string](id ID) string       { return path("workflows", string(id), "steps", "new") }
func WorkflowSteps[ID ~string](id ID) string { return path("workflows", string(id), "steps") }
func WorkflowStep[ID ~string](id ID, key string) string {
	return path("workflows", string(id), "steps", key)
}
func TestStep[ID ~string](id ID, key string) string {
	return path("workflows", string(id), "steps", key, "test")
}
func DeleteStep[ID ~string](id ID, key string) string {
	return path("workflows", string(id), "steps", key, "delete")
}
func CopyStep[ID ~string](id ID, key string) string {
	return path("workflows", string(id), "steps", key, "copy")
}
func MoveStep[ID ~string](id ID, key string) string {
	return path("workflows", string(id), "steps", key, "move")
}
func NewWebhook[ID ~string](id ID, key string) string {
	return path("workflows", string(id), "steps", key, "webhooks", "new")
}
func StepWebhook[ID, W ~string](id ID, key string, hook W) string {
	return path("workflows", string(id), "steps", key, "webhooks", string(hook))
}
func DeleteWebhook[ID, W ~string](id ID, key string, hook W) string {
	return path("workflows", string(id), "steps", key, "webhooks", string(hook), "delete")
}
func EnableTarget[ID ~string](id ID, target string) string {
	return path("workflows", string(id), "targets", target, "enable")
}

// Runs. Forms that signed-in people begin a run with are under StartWorkflow.

func Runs() string                      { return "/runs" }
func RunsOf[ID ~string](id ID) string   { return With(Runs(), "workflow_id", string(id)) }
func Run[ID ~string](id ID) string      { return path("runs", string(id)) }
func PauseRun[ID ~string](id ID) string { return path("runs", string(id), "pause") }
func ResumeRun[ID ~string](id ID) string {
	return path("runs", string(id), "resume")
}
func CancelRun[ID ~string](id ID) string { return path("runs", string(id), "cancel") }
func LiveRuns() string                   { return "/live/runs" }
func File[ID ~string](id ID) string      { return path("files", string(id)) }

// Tasks.

func Tasks() string                         { return "/tasks" }
func Task[ID ~string](id ID) string         { return path("tasks", string(id)) }
func CompleteTask[ID ~string](id ID) string { return path("tasks", string(id), "complete") }
func ApproveTask[ID ~string](id ID) string  { return path("tasks", string(id), "approve") }
func RejectTask[ID ~string](id ID) string   { return path("tasks", string(id), "reject") }

// The public form.

func PublicForm(token string) string { return path("f", token) }
func FormSent(token string) string   { return path("f", token, "sent") }
