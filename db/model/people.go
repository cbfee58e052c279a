package model

import (
	"net/mail"
	"slices"
	"strings"

	"waybill/db/fault"
)

// Clean puts what was typed into its stored form.
func (u *User) Clean() {
	u.Name, u.Email = clean(u.Name), strings.ToLower(strings.TrimSpace(u.Email))
	slices.Sort(u.Roles)
	u.Roles = slices.Compact(u.Roles)
}

// Check lists what is wrong with the user by itself.
func (u User) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, u.Name)
	if a, err := mail.ParseAddress(u.Email); err != nil || a.Address != u.Email || a.Name != "" || len(u.Email) > 254 {
		bad.Add("email", "An email address, such as ada@example.com.")
	}
	for _, name := range u.Roles {
		if !slices.ContainsFunc(BuiltinRoles(), func(r Role) bool { return r.Name == name }) {
			bad.Add("roles", "There is no role “%s”.", name)
		}
	}
	return bad.Fields()
}

// Clean puts what was typed into its stored form.
func (k *APIKey) Clean() { k.Name = clean(k.Name) }

// Check lists what is wrong with the key by itself.
func (k APIKey) Check() []fault.Field {
	var bad fault.Check
	checkName(&bad, k.Name)
	return bad.Fields()
}
