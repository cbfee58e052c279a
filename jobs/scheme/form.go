package scheme

import (
	"slices"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
)

// typed is a credential as a person or a program hands it in; stored names the secrets that are already there, and
// secrets holds those that are to replace them.
type typed struct {
	config  model.Config
	secrets model.Secrets
	stored  []string
}

// has reports whether the secret is typed or stored.
func (in typed) has(name string) bool {
	return in.secrets[name] != "" || slices.Contains(in.stored, name)
}

// Split parts the config{} of a request into settings and secrets. Empty secrets and nulls are left out: they mean
// "as stored". Names of complaints are field names.
func (k Kind) Split(in map[string]any) (model.Config, model.Secrets, []fault.Field) {
	config, secrets := model.Config{}, model.Secrets{}
	var bad fault.Check
	for name, v := range in {
		f := k.field(name)
		switch {
		case v == nil:
		case f == nil || f.Kind != model.FieldSecret:
			config[name] = v
		default:
			text, ok := v.(string)
			if !ok {
				bad.Add(name, "This must be text.")
			} else if text != "" {
				secrets[name] = model.Secret(text)
			}
		}
	}
	return config, secrets, bad.Fields()
}

func (k Kind) field(name string) *model.Field { return model.FieldOf(k.Fields, name) }

// Clean puts the settings of a credential of type t into their stored form.
func Clean(t model.CredentialType, config model.Config) model.Config {
	k, ok := ByType(t)
	if !ok {
		return config
	}
	return config.Clean(k.Fields)
}

// Check lists what is wrong with a credential of type t; stored names the secrets that are already there. Complaints
// are named by field ("username"), or "type".
func Check(t model.CredentialType, config model.Config, secrets model.Secrets, stored []string) []fault.Field {
	var bad fault.Check
	k, ok := ByType(t)
	if !ok {
		bad.Add("type", "There is no such credential type; choose one of %s.", names())
		return bad.Fields()
	}
	for name := range config {
		if f := k.field(name); f == nil || f.Kind == model.FieldSecret {
			bad.Add(name, "A credential of type %s has no setting of this name.", t)
		}
	}
	for name := range secrets {
		if f := k.field(name); f == nil || f.Kind != model.FieldSecret {
			bad.Add(name, "A credential of type %s has no secret of this name.", t)
		}
	}
	in := typed{config, secrets, stored}
	for _, f := range k.Fields {
		in.checkField(&bad, f)
	}
	if len(bad.Fields()) == 0 && k.check != nil {
		k.check(in, &bad)
	}
	return bad.Fields()
}

func (in typed) checkField(bad *fault.Check, f model.Field) {
	there := false
	if f.Kind == model.FieldSecret {
		f.CheckText(bad, in.secrets[f.Name].Reveal())
	} else {
		there = f.Check(bad, in.config)
	}
	if f.Required && !there && !in.has(f.Name) {
		bad.Add(f.Name, "%s is needed.", fault.Noun(f.Label))
	}
}

func names() string {
	var out []string
	for _, k := range Kinds() {
		out = append(out, string(k.Type))
	}
	return strings.Join(out, ", ")
}
