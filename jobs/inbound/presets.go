package inbound

import "waybill/db/model"

// Kind describes a preset for people: its card and its form.
type Kind struct {
	Preset  model.Preset
	Title   string
	Summary string
	Icon    string
	Docs    string        // what to do at the vendor's
	Fields  []model.Field // named as in JSON
}

func secretField(label, help string) model.Field {
	return model.Field{Name: model.InboundSecretName, Label: label, Help: help, Kind: model.FieldSecret, Required: true}
}

func toleranceField() model.Field {
	return model.Field{Name: "tolerance_seconds", Label: "Tolerance", Help: "How far the time of a signature may be from now; 300 when empty. Older calls are taken for replays.", Kind: model.FieldNumber, Placeholder: "300", Unit: "seconds"}
}

// Kinds lists the presets in the order of model.Presets.
func Kinds() []Kind {
	return []Kind{
		{model.PresetNone, "No signature", "The key in the URL is all that a call needs.", "link", "Give the whole URL to those who may call, and to nobody else.", nil},
		{model.PresetHMAC, "HMAC signature", "Any sender that signs bodies with a shared secret.", "shield", "Enter the secret at the sender, and describe here how it signs.", []model.Field{
			secretField("Secret", "Calls are signed with it."),
			{Name: "header", Label: "Header of the signature", Placeholder: "X-Signature"},
			{Name: "algorithm", Label: "Algorithm", Kind: model.FieldSelect, Options: options("sha256", "sha512", "sha384", "sha1")},
			{Name: "encoding", Label: "Encoding", Kind: model.FieldSelect, Options: options("hex", "base64", "base64url")},
			{Name: "prefix", Label: "Prefix", Placeholder: "sha256=", Help: "What stands before the signature, if anything."},
			{Name: "timestamp_header", Label: "Header of the time", Placeholder: "X-Timestamp", Help: "When the sender signs a time too: calls with an old one are refused."},
			{Name: "signed", Label: "What is signed", Placeholder: "{body}", Help: "Of {timestamp}, {method} and {body}; {timestamp}.{body} when there is a header of the time."},
			toleranceField()}},
		{model.PresetGitHub, "GitHub", "Webhooks of repositories and organisations.", "code", "In GitHub, in the repository or organisation: Settings → Webhooks → Add webhook. Paste the URL, choose application/json, and enter the same secret.", []model.Field{
			secretField("Secret", "As it is entered at GitHub.")}},
		{model.PresetStripe, "Stripe", "Events of payments, invoices, subscriptions.", "pulse", "Developers → Webhooks → Add destination: paste the URL, then copy the signing secret from there.", []model.Field{
			secretField("Signing secret", "Begins with whsec_."), toleranceField()}},
		{model.PresetSlack, "Slack", "Events of a Slack app. Its question for the URL is answered.", "slack", "Basic information → Signing secret first, save this, then paste the URL under Event subscriptions.", []model.Field{
			secretField("Signing secret", "From Basic information of the app."), toleranceField()}},
		{model.PresetShopify, "Shopify", "Webhooks of a shop.", "inbox", "Settings → Notifications → Webhooks: create one with the URL in JSON; the secret is shown below the list.", []model.Field{
			secretField("Secret", "Shown below the list of webhooks.")}},
		{model.PresetStandard, "Standard Webhooks", "Senders of webhook-signature headers: Svix, Waybill and others.", "webhook", "Enter the URL at the sender and copy the secret from there.", []model.Field{
			secretField("Secret", "whsec_…, or whpk_… for a public key."), toleranceField()}},
		{model.PresetMeta, "Meta", "Facebook, Instagram, WhatsApp. Their question for the URL is answered.", "custom_http", "Webhooks → Edit subscription: paste the URL and the verify token below.", []model.Field{
			secretField("App secret", "From Settings → Basic of the app."),
			{Name: model.VerifyTokenName, Label: "Verify token", Help: "Any text; enter the same at Meta.", Kind: model.FieldSecret}}},
		{model.PresetJWT, "JSON Web Token", "Calls that carry a signed token.", "key", "The sender puts a token into the Authorization header; it must expire.", []model.Field{
			{Name: "algorithm", Label: "Algorithm", Kind: model.FieldSelect, Options: options("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA")},
			{Name: model.InboundSecretName, Label: "Shared secret", Help: "For HS algorithms.", Kind: model.FieldSecret},
			{Name: "public_key", Label: "Public key", Help: "PEM, for RS, ES and EdDSA.", Kind: model.FieldArea, Lines: true},
			{Name: "issuer", Label: "Issuer", Help: "What iss must be; anything when empty."},
			{Name: "audience", Label: "Audience", Help: "What aud must hold; anything when empty."},
			{Name: "header", Label: "Header", Placeholder: "Authorization"}}},
		{model.PresetBasic, "User name and password", "Senders that know nothing but Basic authentication.", "lock", "The weaker choice: nothing protects the body against changes.", []model.Field{
			{Name: "username", Label: "User name"}, secretField("Password", "")}},
		{model.PresetIPList, "List of addresses", "Only these addresses may call.", "filter", "Ask the sender for the addresses that its calls come from.", nil},
	}
}

// KindOf is the description of a preset.
func KindOf(p model.Preset) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Preset == p {
			return k, true
		}
	}
	return Kind{}, false
}

func options(values ...string) []model.Option {
	var out []model.Option
	for _, v := range values {
		out = append(out, model.Option{Value: v, Label: v})
	}
	return out
}
