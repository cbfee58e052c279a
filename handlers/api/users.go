package api

import (
	"net/http"

	"waybill/db"
	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
)

// user is a user as it is answered.
type user struct {
	Meta
	Email    string   `json:"email"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles" doc:"Names of roles"`
	Disabled bool     `json:"disabled"`
	Factor   bool     `json:"second_factor" readOnly:"true" doc:"Signing in asks for a code as well"`
}

func showUser(u model.User) user {
	return user{newMeta(u.ID, u.CreatedAt, u.UpdatedAt, u.Version), u.Email, u.Name, full(u.Roles), u.Disabled, u.SecondFactor}
}

type userInput struct {
	Versioned
	Email    string   `json:"email"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles" doc:"Names of roles; nobody hands out a right that he does not hold"`
	Disabled bool     `json:"disabled" doc:"Ends the sessions, and the API keys open nothing"`
	Password string   `json:"password" writeOnly:"true" doc:"At least 15 characters. Without one the user cannot sign in by password; absent on PUT keeps it"`
}

func (in userInput) user() model.User {
	return model.User{Email: in.Email, Name: in.Name, Roles: in.Roles, Disabled: in.Disabled, Version: in.Version}
}

// hash is that of the password that was sent, "" for none.
func (a *API) hash(c call, in userInput) (string, error) {
	if in.Password == "" {
		return "", nil
	}
	if weak := web.Weak(in.Password, in.Email, in.Name); weak != "" {
		var bad fault.Check
		bad.Add("password", "%s", weak)
		return "", bad.Err()
	}
	return a.web.Passwords.Hash(c, in.Password)
}

func (a *API) users() {
	view, manage := model.Users.View(), model.Users.Manage()
	add(a, route{http.MethodGet, "/users", "list-users", "List users", "Users", "", view, 0}, a.listUsers)
	add(a, route{http.MethodPost, "/users", "create-user", "Create a user", "Users", "", manage, 0}, a.createUser)
	add(a, route{http.MethodGet, "/users/{id}", "show-user", "Show a user", "Users", "", view, 0}, a.showUser)
	add(a, route{http.MethodPut, "/users/{id}", "update-user", "Replace a user", "Users", "", manage, 0}, a.updateUser)
	add(a, route{http.MethodDelete, "/users/{id}", "delete-user", "Delete a user without API keys", "Users", "", manage, 0}, a.deleteUser)
}

func (a *API) listUsers(c call, in *struct {
	Paging
	Q string `query:"q" doc:"A part of name or email"`
}) (*body[list[user]], error) {
	items, next, err := a.store.Users(c, in.Q, in.page())
	return listed(items, next, err, showUser)
}

func (a *API) createUser(c call, in *struct{ Body userInput }) (*made[user], error) {
	n := in.Body.user()
	hash, err := a.hash(c, in.Body)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateUser(&n, hash) })
	}
	return created(showUser(n), "/users/"+string(n.ID), err)
}

func (a *API) showUser(c call, in *ByID) (*body[user], error) {
	n, err := a.store.User(c, model.UserID(in.ID))
	return single(showUser(n), err)
}

func (a *API) updateUser(c call, in *struct {
	ByID
	Body userInput
}) (*body[user], error) {
	n := in.Body.user()
	n.ID = model.UserID(in.ID)
	if _, err := a.store.User(c, n.ID); err != nil {
		return nil, err
	}
	hash, err := a.hash(c, in.Body)
	if err != nil {
		return nil, err
	}
	err = a.write(c, func(tx *db.Tx) error {
		if err := tx.UpdateUser(&n); err != nil || hash == "" {
			return err
		}
		return tx.SetPassword(n.ID, hash, "")
	})
	if err == nil {
		n, err = a.store.User(c, n.ID)
	}
	return single(showUser(n), err)
}

func (a *API) deleteUser(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteUser(model.UserID(in.ID)) })
}
