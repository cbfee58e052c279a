package href

import (
	"net/url"
	"strconv"
)

// Credentials. New and edit are forms; the plain paths take the POST.

func Credentials() string                       { return "/credentials" }
func NewCredential() string                     { return "/credentials/new" }
func NewCredentialOf[K ~string](kind K) string  { return path("credentials", "new", string(kind)) }
func Credential[ID ~string](id ID) string       { return path("credentials", string(id)) }
func EditCredential[ID ~string](id ID) string   { return path("credentials", string(id), "edit") }
func DeleteCredential[ID ~string](id ID) string { return path("credentials", string(id), "delete") }
func TestCredential[ID ~string](id ID) string   { return path("credentials", string(id), "test") }

// CredentialSample takes what is typed of a credential and shows what goes on the wire. Prefix stands before the names
// of its inputs; id names the credential whose stored secrets count as typed, "" = none.
func CredentialSample(kind, prefix, id string) string {
	return With("/credentials/sample", "kind", kind, "prefix", prefix, "id", id)
}

// RotateCredential is the form of a new secret, and takes it; RotationStep is what is done with it: try, apply,
// rollback or drop.
func RotateCredential[ID ~string](id ID) string { return path("credentials", string(id), "rotation") }
func RotationStep[ID ~string](id ID, step string) string {
	return path("credentials", string(id), "rotation", step)
}

// Connections. NewConnection shows the type cards.

func Connections() string   { return "/connections" }
func NewConnection() string { return "/connections/new" }

// FirstEvent makes what an event needs on its way, and sends one.
func FirstEvent() string { return "/start" }

// TryConnection is a new connection that is filled in for the built-in receiver.
func TryConnection() string                     { return With(NewConnectionOf("webhook"), "try", "receiver") }
func NewConnectionOf[K ~string](kind K) string  { return path("connections", "new", string(kind)) }
func Connection[ID ~string](id ID) string       { return path("connections", string(id)) }
func EditConnection[ID ~string](id ID) string   { return path("connections", string(id), "edit") }
func DeleteConnection[ID ~string](id ID) string { return path("connections", string(id), "delete") }
func ToggleConnection[ID ~string](id ID) string { return path("connections", string(id), "enabled") }

// ConnectionGuide documents a type of connection.
func ConnectionGuide(kind string) string { return path("docs", "connections", kind) }

// TestConnection makes the requests that show whether a connection works.
func TestConnection[ID ~string](id ID) string { return path("connections", string(id), "test") }

// Destinations live under a connection when listed and made, and alone after.
// Destination is the template editor.

func Destinations[ID ~string](connection ID) string {
	return path("connections", string(connection), "destinations")
}
func NewDestination[ID ~string](connection ID) string {
	return path("connections", string(connection), "destinations", "new")
}
func Destination[ID ~string](id ID) string        { return path("destinations", string(id)) }
func DeleteDestination[ID ~string](id ID) string  { return path("destinations", string(id), "delete") }
func ToggleDestination[ID ~string](id ID) string  { return path("destinations", string(id), "enabled") }
func PreviewDestination[ID ~string](id ID) string { return path("destinations", string(id), "preview") }
func TestDestination[ID ~string](id ID) string    { return path("destinations", string(id), "test") }
func TryDestination[ID ~string](id ID) string     { return path("destinations", string(id), "try") }
func RotateSecret[ID ~string](id ID) string {
	return path("destinations", string(id), "secret", "rotate")
}
func EndSecrets[ID ~string](id ID) string        { return path("destinations", string(id), "secret", "end") }
func DestinationSecret[ID ~string](id ID) string { return path("destinations", string(id), "secret") }

// PreviewNewDestination previews what is not saved yet, under its connection.
func PreviewNewDestination[ID ~string](connection ID) string {
	return path("connections", string(connection), "destinations", "preview")
}

// What one does with the template of a destination.
func CompareDestination[ID ~string](id ID) string { return path("destinations", string(id), "compare") }
func FormatDestination[ID ~string](id ID) string  { return path("destinations", string(id), "format") }
func FormatNewDestination[ID ~string](connection ID) string {
	return path("connections", string(connection), "destinations", "format")
}
func TemplateVersions[ID ~string](id ID) string { return path("destinations", string(id), "versions") }
func TemplateVersion[ID ~string](id ID, version int64) string {
	return With(TemplateVersions(id), "version", strconv.FormatInt(version, 10))
}

// RestoreTemplate is the editor with the template of a version in it.
func RestoreTemplate[ID ~string](id ID, version int64) string {
	return With(Destination(id), "template", strconv.FormatInt(version, 10))
}

// Actions.

func Actions() string   { return "/actions" }
func NewAction() string { return "/actions/new" }
func NewActionTo[ID ~string](destination ID) string {
	return With(NewAction(), "destination_id", string(destination))
}
func Action[ID ~string](id ID) string       { return path("actions", string(id)) }
func EditAction[ID ~string](id ID) string   { return path("actions", string(id), "edit") }
func DeleteAction[ID ~string](id ID) string { return path("actions", string(id), "delete") }
func ToggleAction[ID ~string](id ID) string { return path("actions", string(id), "enabled") }

// TryFilter works out a filter that is being written; TryFilterOf that of a stored action.
func TryFilter() string                    { return "/actions/try" }
func TryFilterOf[ID ~string](id ID) string { return path("actions", string(id), "try") }

// Events. NewEvent publishes one by hand.

func Events() string                 { return "/events" }
func NewEvent() string               { return "/events/new" }
func Event[ID ~string](id ID) string { return path("events", string(id)) }

// Deliveries. The filter of DeliveriesWith uses the names of the REST list:
// event_id, destination_id, run_id, status, lane, from, to, cursor.

func Deliveries() string                      { return "/deliveries" }
func DeliveriesWith(q url.Values) string      { return WithValues(Deliveries(), q) }
func LiveDeliveries() string                  { return "/live/deliveries" }
func DeliveriesIn(status string) string       { return With(Deliveries(), "status", status) }
func Delivery[ID ~string](id ID) string       { return path("deliveries", string(id)) }
func RetryDelivery[ID ~string](id ID) string  { return path("deliveries", string(id), "retry") }
func CancelDelivery[ID ~string](id ID) string { return path("deliveries", string(id), "cancel") }

// NewReplay takes the filter of DeliveriesWith, event (a name) and id, any number of times.

func NewReplay() string                     { return "/deliveries/replay" }
func Replays() string                       { return "/replays" }
func Replay[ID ~string](id ID) string       { return path("replays", string(id)) }
func CancelReplay[ID ~string](id ID) string { return path("replays", string(id), "cancel") }

// SavedFilters keeps a filter of the list under a name; DropFilter forgets one.
func SavedFilters() string                { return "/deliveries/filters" }
func DropFilter[ID ~string](id ID) string { return path("deliveries", "filters", string(id), "delete") }

// DeliveriesOfEvent and DeliveriesOfDestination are the list, filtered.
func DeliveriesOfEvent[ID ~string](id ID) string {
	return With(Deliveries(), "event_id", string(id))
}
func DeliveriesOfDestination[ID ~string](id ID) string {
	return With(Deliveries(), "destination_id", string(id))
}
func DropHeld[ID ~string](id ID) string { return path("destinations", string(id), "held") }

// DeliveriesInterrupted are those that a server had in hand when it died.
func DeliveriesInterrupted() string { return With(Deliveries(), "interrupted", "true") }

func DeliveriesOfRun[ID ~string](id ID) string { return With(Deliveries(), "run_id", string(id)) }

// People and keys.

func Users() string                        { return "/users" }
func NewUser() string                      { return "/users/new" }
func User[ID ~string](id ID) string        { return path("users", string(id)) }
func DisableUser[ID ~string](id ID) string { return path("users", string(id), "disable") }
func EnableUser[ID ~string](id ID) string  { return path("users", string(id), "enable") }
func ResetUser[ID ~string](id ID) string   { return path("users", string(id), "password") }
func Invite() string                       { return "/users/invite" }
func RenewInvitation[ID ~string](id ID) string {
	return path("users", "invitations", string(id), "renew")
}
func RevokeInvitation[ID ~string](id ID) string {
	return path("users", "invitations", string(id), "revoke")
}
func Invitation() string                    { return "/invitation" }
func InvitationLink(token string) string    { return With(Invitation(), "token", token) }
func Roles() string                         { return "/roles" }
func NewRole() string                       { return "/roles/new" }
func NewRoleLike[ID ~string](id ID) string  { return With(NewRole(), "like", string(id)) }
func Role[ID ~string](id ID) string         { return path("roles", string(id)) }
func DeleteRole[ID ~string](id ID) string   { return path("roles", string(id), "delete") }
func APIKeys() string                       { return "/api-keys" }
func NewAPIKey() string                     { return "/api-keys/new" }
func APIKey[ID ~string](id ID) string       { return path("api-keys", string(id)) }
func RotateAPIKey[ID ~string](id ID) string { return path("api-keys", string(id), "rotate") }
func RevokeAPIKey[ID ~string](id ID) string { return path("api-keys", string(id), "revoke") }

// Inbound endpoints, and the URLs that third parties call.

func Inbound() string                          { return "/inbound" }
func NewInbound() string                       { return "/inbound/new" }
func NewInboundOf[P ~string](preset P) string  { return path("inbound", "new", string(preset)) }
func InboundEndpoint[ID ~string](id ID) string { return path("inbound", string(id)) }
func EditInbound[ID ~string](id ID) string     { return path("inbound", string(id), "edit") }
func DeleteInbound[ID ~string](id ID) string   { return path("inbound", string(id), "delete") }
func ToggleInbound[ID ~string](id ID) string   { return path("inbound", string(id), "enabled") }
func RotateInbound[ID ~string](id ID) string   { return path("inbound", string(id), "rotate") }
func RevokeInbound[ID ~string](id ID) string   { return path("inbound", string(id), "revoke") }
func SampleInbound[ID ~string](id ID) string   { return path("inbound", string(id), "sample") }
func MapInbound[ID ~string](id ID) string      { return path("inbound", string(id), "mapping") }
func PreviewInbound[ID ~string](id ID) string  { return path("inbound", string(id), "preview") }
func CheckInbound[ID ~string](id ID) string    { return path("inbound", string(id), "check") }
func LiveInbound() string                      { return "/live/inbound" }
func Partner[ID ~string](id ID) string         { return path("partner", string(id)) }
func PartnerCheck[ID ~string](id ID) string    { return path("partner", string(id), "check") }
func PartnerRotate[ID ~string](id ID) string   { return path("partner", string(id), "rotate") }
func PartnerLeave[ID ~string](id ID) string    { return path("partner", string(id), "leave") }
func PartnerOpenAPI[ID ~string](id ID) string  { return path("partner", string(id), "openapi.json") }
func InboundCalls[ID ~string](id ID) string    { return path("inbound", string(id), "calls") }
func ReplayInboundCall[ID, R ~string](id ID, receipt R) string {
	return path("inbound", string(id), "calls", string(receipt), "replay")
}
func InboundCallPage[ID, R ~string](id ID, receipt R) string {
	return path("inbound", string(id), "calls", string(receipt))
}

// InboundCall is what third parties call: by key, or by the id of the endpoint.
func InboundCall(key string) string { return path("in", key) }
func InboundReceipt(key, receipt string) string {
	return path("in", key, "receipts", receipt)
}
