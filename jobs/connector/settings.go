package connector

import (
	"cmp"
	"slices"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
)

// Check cleans the settings of a connection and lists what is wrong with it as one of its type; credential is the kind
// that its requests carry, "" = none. Complaints are named as in REST ("settings.region", "credential_id").
func Check(c *model.Connection, credential model.CredentialType) []fault.Field {
	t, ok := ByType(c.Type)
	if !ok {
		return nil
	}
	var bad fault.Check
	c.Settings = c.Settings.Clean(t.Fields)
	bad.Join("settings.", c.Settings.Check(t.Fields, fault.Say("A connection of type %s", c.Type)))
	allowed := t.Kinds(c.Settings)
	switch {
	case credential == "" && t.NeedsCredential && c.CredentialID == "":
		bad.Add("credential_id", "%s needs a credential (%s).", t.Title, kindNames(allowed))
	case credential != "" && allowed != nil && !slices.Contains(allowed, credential):
		bad.Add("credential_id", "%s takes a credential of type %s; this one is of type %s.", t.Title, kindNames(allowed), credential)
	}
	if t.checkConnection != nil {
		t.checkConnection(*c, &bad)
	}
	return bad.Fields()
}

func kindNames(list []model.CredentialType) string {
	if len(list) == 0 {
		return "any"
	}
	out := make([]string, len(list))
	for i, k := range list {
		out[i] = string(k)
	}
	return strings.Join(out, " or ")
}

// CheckDestination cleans the settings of a destination of c and lists what is wrong with it as one of c's type.
func CheckDestination(c model.Connection, d *model.Destination) []fault.Field {
	t, ok := ByType(c.Type)
	if !ok {
		return nil
	}
	var bad fault.Check
	if t.NoDestinations != "" {
		bad.Add("connection_id", "%s", t.NoDestinations)
		return bad.Fields()
	}
	fields := t.DestinationFields(c)
	d.Settings = d.Settings.Clean(fields)
	bad.Join("settings.", d.Settings.Check(fields, fault.Say("A destination of type %s", c.Type)))
	if t.check != nil && len(bad.Fields()) == 0 {
		t.check(c, *d, &bad)
	}
	return bad.Fields()
}

// Start gives a destination that is to be made what its type begins with, where d says nothing itself. It comes before
// Clean.
func Start(c model.Connection, d *model.Destination) {
	t, _ := ByType(c.Type)
	if t.defaults == nil {
		return
	}
	from := t.defaults(c, d.Settings.Clean(t.DestinationFields(c)))
	d.Method, d.Path, d.ContentType = cmp.Or(d.Method, from.Method), cmp.Or(d.Path, from.Path), cmp.Or(d.ContentType, from.ContentType)
	d.Template = cmp.Or(d.Template, from.Template)
	d.MaxInFlight, d.Rate = cmp.Or(d.MaxInFlight, from.MaxInFlight), cmp.Or(d.Rate, from.Rate)
	d.BatchSize, d.BatchWaitMS = cmp.Or(d.BatchSize, from.BatchSize), cmp.Or(d.BatchWaitMS, from.BatchWaitMS)
	d.RetryOn = cmp.Or(d.RetryOn, from.RetryOn)
	if d.Headers == nil {
		d.Headers = from.Headers
	}
	if len(d.Settings) == 0 {
		d.Settings = from.Settings
	}
}

// Template is what makes the messages of a destination: its own text, else what its type makes of its settings; "" = the
// event's data is sent.
func Template(c model.Connection, d model.Destination) string {
	if d.Template != "" {
		return d.Template
	}
	if t, _ := ByType(c.Type); t.template != nil {
		return t.template(c, d)
	}
	return ""
}

// Look draws what people will see of a message of c, nil when there is nothing to draw.
func Look(c model.Connection, body []byte) []model.LookBlock {
	if t, _ := ByType(c.Type); t.look != nil {
		return t.look(body)
	}
	return nil
}
