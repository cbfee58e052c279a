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
	Warnings []string `json:"warnings" readOnly:"true" doc:"Inbound endpoints that act as this user and refuse all calls, because the user is disabled or holds no right"`
}

// showUser tells of a user, and which inbound endpoints refuse because of how he stands; endpoints are those that act as him.
func showUser(u model.User, endpoints []model.InboundEndpoint) user {
	out := user{newMeta(u.ID, u.CreatedAt, u.UpdatedAt, u.Version), u.Email, u.Name, full(u.Roles), u.Disabled, u.SecondFactor, []string{}}
	why := "is disabled"
	if !u.Disabled {
		why = "holds no right"
	}
	for _, e := range endpoints {
		if e.Enabled && u.Powerless() {
			out.Warnings = append(out.Warnings, "The inbound endpoint “"+e.Name+"” answers every call 401: the user that it acts as "+why+".")
		}
	}
	return out
}

// oneUser answers with a user as he stands now.
func (a *API) oneUser(c call, id model.UserID) (*body[user], error) {
	u, err := a.store.User(c, id)
	if err != nil {
		return nil, err
	}
	endpoints, err := a.store.InboundOfUser(c, id)
	return single(showUser(u, endpoints), err)
}

type userInput struct {
	Versioned
	Email    string   `json:"email" needed:"true"`
	Name     string   `json:"name" needed:"true"`
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
	if weak := web.Weak(in.Password, in.Email, in.Name); weak != nil {
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
	acts := map[model.UserID][]model.InboundEndpoint{}
	for _, u := range items {
		if err == nil && u.Powerless() {
			acts[u.ID], err = a.store.InboundOfUser(c, u.ID)
		}
	}
	return listed(items, next, err, func(u model.User) user { return showUser(u, acts[u.ID]) })
}

func (a *API) createUser(c call, in *struct{ Body userInput }) (*made[user], error) {
	n := in.Body.user()
	hash, err := a.hash(c, in.Body)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateUser(&n, hash) })
	}
	return created(showUser(n, nil), "/users/"+string(n.ID), err)
}

func (a *API) showUser(c call, in *ByID) (*body[user], error) {
	return a.oneUser(c, model.UserID(in.ID))
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
	if err != nil {
		return nil, err
	}
	return a.oneUser(c, n.ID)
}

func (a *API) deleteUser(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteUser(model.UserID(in.ID)) })
}
