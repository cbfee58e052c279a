package api

import (
	"maps"
	"net/http"

	"waybill/db"
	"waybill/db/model"
)

// networkRule is a network rule as it is answered.
type networkRule struct {
	Meta
	Effect        string `json:"effect" enum:"allow,deny"`
	Pattern       string `json:"pattern"`
	ConnectionID  string `json:"connection_id" doc:"Empty, and destination_id too = for all of this Waybill"`
	DestinationID string `json:"destination_id"`
	Note          string `json:"note"`
}

func showNetworkRule(x model.NetworkRule) networkRule {
	return networkRule{newMeta(x.ID, x.CreatedAt, x.UpdatedAt, x.Version), string(x.Effect), x.Pattern, string(x.ConnectionID), string(x.DestinationID), x.Note}
}

type networkRuleInput struct {
	Versioned
	Effect        string `json:"effect" doc:"allow (default) or deny; what is denied is denied whatever else allows it"`
	Pattern       string `json:"pattern" needed:"true" doc:"A host (*.example.com for all names below it), host:port, address, or network such as 10.0.0.0/8"`
	ConnectionID  string `json:"connection_id" doc:"Holds for all destinations of this connection alone"`
	DestinationID string `json:"destination_id" doc:"Holds for this destination alone"`
	Note          string `json:"note" doc:"Why, for people"`
}

func (in networkRuleInput) rule() model.NetworkRule {
	return model.NetworkRule{Effect: model.NetworkEffect(in.Effect), Pattern: in.Pattern, ConnectionID: model.ConnectionID(in.ConnectionID),
		DestinationID: model.DestID(in.DestinationID), Note: in.Note, Version: in.Version}
}

// networkSettings say how requests leave.
type networkSettings struct {
	ProxyURL    string   `json:"proxy_url" doc:"Such as http://proxy.example.com:3128; empty = none. It is asked to CONNECT to the address that was resolved and judged here, also for plain HTTP"`
	ProxyUser   string   `json:"proxy_user"`
	ProxyBypass []string `json:"proxy_bypass" doc:"Patterns, as of rules, that are called without the proxy; this machine itself always is"`
	Version     int64    `json:"version"`
	UpdatedAt   *string  `json:"updated_at" format:"date-time"`
	Secrets     []string `json:"secrets" doc:"What is stored and never answered: proxy_password"`
	Fixed       bool     `json:"fixed" doc:"The environment of the server sets the proxy; it cannot be changed here"`
	AllowHosts  []string `json:"allow_hosts" doc:"What WAYBILL_ALLOW_HOSTS allows, for all"`
}

type networkInput struct {
	Versioned
	ProxyURL      string   `json:"proxy_url"`
	ProxyUser     string   `json:"proxy_user"`
	ProxyPassword string   `json:"proxy_password,omitempty" doc:"Absent keeps the one that is stored; another proxy or user needs it again"`
	ProxyBypass   []string `json:"proxy_bypass"`
}

// simulated is what the rules say of a URL now.
type simulated struct {
	URL       string             `json:"url" doc:"As it would be called; empty when it cannot be read"`
	Host      string             `json:"host"`
	Port      int                `json:"port"`
	Allowed   bool               `json:"allowed" doc:"A request would leave"`
	Rule      string             `json:"rule" doc:"That refuses it whatever its addresses; empty = none"`
	Reason    string             `json:"reason" doc:"In words; empty = nothing stands against it"`
	Redirects string             `json:"redirects" doc:"What becomes of them, in words"`
	Addresses []simulatedAddress `json:"addresses"`
}

type simulatedAddress struct {
	Address string         `json:"address"`
	Allowed bool           `json:"allowed"`
	Rule    string         `json:"rule" doc:"That refuses it; empty = none"`
	Reason  string         `json:"reason" doc:"What decided, in words"`
	By      *simulatedRule `json:"by" doc:"The rule of people that decided; null = none did"`
	Via     string         `json:"via" doc:"The proxy that would be asked; empty = none"`
}

type simulatedRule struct {
	ID      string `json:"id" doc:"Empty = it stands in WAYBILL_ALLOW_HOSTS"`
	Pattern string `json:"pattern"`
	Effect  string `json:"effect" enum:"allow,deny"`
	From    string `json:"from" enum:"environment,instance,connection,destination"`
}

func (a *API) network() {
	view, manage := model.Settings.View(), model.Settings.Manage()
	const path, tag = "/network-rules", "Network rules"
	add(a, route{http.MethodGet, path, "list-network-rules", "List network rules", tag, "What the environment allows is in the network settings.", view, 0}, a.listNetworkRules)
	add(a, route{http.MethodPost, path, "create-network-rule", "Create a network rule", tag, "", manage, 0}, a.createNetworkRule)
	add(a, route{http.MethodPost, path + "/simulate", "simulate-network", "Try a URL against the network rules", tag, "Asks the name server, and calls nothing. What is sent is resolved and judged anew.", view, http.StatusOK}, a.simulateNetwork)
	maps.Copy(a.huma.OpenAPI().Paths[path+"/simulate"].Post.Responses, a.problemResponses(http.StatusNotFound)) // of what the body names
	add(a, route{http.MethodGet, path + "/{id}", "show-network-rule", "Show a network rule", tag, "", view, 0}, a.showNetworkRule)
	add(a, route{http.MethodPut, path + "/{id}", "update-network-rule", "Replace a network rule", tag, "", manage, 0}, a.updateNetworkRule)
	add(a, route{http.MethodDelete, path + "/{id}", "delete-network-rule", "Delete a network rule", tag, "", manage, 0}, a.deleteNetworkRule)
	add(a, route{http.MethodGet, "/settings/network", "show-network", "Show how requests leave", "Settings", "", view, 0}, func(c call, _ *none) (*body[networkSettings], error) { return a.showNetwork(c) })
	add(a, route{http.MethodPut, "/settings/network", "update-network", "Change how requests leave", "Settings", "", manage, 0}, a.updateNetwork)
}

func (a *API) listNetworkRules(c call, in *struct {
	Paging
	ConnectionID  string `query:"connection_id"`
	DestinationID string `query:"destination_id"`
	Effect        string `query:"effect"`
}) (*body[list[networkRule]], error) {
	f := db.NetworkRuleFilter{ConnectionID: model.ConnectionID(in.ConnectionID), DestinationID: model.DestID(in.DestinationID), Effect: model.NetworkEffect(in.Effect)}
	items, next, err := a.store.NetworkRules(c, f, in.page())
	return listed(items, next, err, showNetworkRule)
}

func (a *API) createNetworkRule(c call, in *struct{ Body networkRuleInput }) (*made[networkRule], error) {
	n := in.Body.rule()
	err := a.jobs.CheckNetworkRule(&n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.CreateNetworkRule(&n) })
	}
	return created(showNetworkRule(n), "/network-rules/"+string(n.ID), err)
}

func (a *API) showNetworkRule(c call, in *ByID) (*body[networkRule], error) {
	n, err := a.store.NetworkRule(c, model.NetworkRuleID(in.ID))
	return single(showNetworkRule(n), err)
}

func (a *API) updateNetworkRule(c call, in *struct {
	ByID
	Body networkRuleInput
}) (*body[networkRule], error) {
	n := in.Body.rule()
	n.ID = model.NetworkRuleID(in.ID)
	if _, err := a.store.NetworkRule(c, n.ID); err != nil {
		return nil, err
	}
	err := a.jobs.CheckNetworkRule(&n)
	if err == nil {
		err = a.write(c, func(tx *db.Tx) error { return tx.UpdateNetworkRule(&n) })
	}
	return single(showNetworkRule(n), err)
}

func (a *API) deleteNetworkRule(c call, in *Removal) (*none, error) {
	return nil, a.write(c, func(tx *db.Tx) error { return tx.DeleteNetworkRule(model.NetworkRuleID(in.ID)) })
}

func (a *API) simulateNetwork(c call, in *struct {
	Body struct {
		URL           string `json:"url"`
		ConnectionID  string `json:"connection_id" doc:"With the rules of this connection"`
		DestinationID string `json:"destination_id" doc:"With the rules of this destination and its connection"`
	}
}) (*body[simulated], error) {
	x, err := a.jobs.Simulate(c, in.Body.URL, model.ConnectionID(in.Body.ConnectionID), model.DestID(in.Body.DestinationID))
	out := simulated{URL: x.URL, Host: x.Host, Port: x.Port, Allowed: x.May, Rule: x.Rule, Reason: x.Why.String(), Redirects: x.Redirects, Addresses: []simulatedAddress{}}
	for _, y := range x.Addresses {
		z := simulatedAddress{Address: y.Address, Allowed: y.May, Rule: y.Rule, Reason: y.Why.String(), Via: y.Via}
		if y.By != nil {
			z.By = &simulatedRule{string(y.By.ID), y.By.Pattern, string(y.By.Effect()), y.By.From}
		}
		out.Addresses = append(out.Addresses, z)
	}
	return single(out, err)
}

func (a *API) showNetwork(c call) (*body[networkSettings], error) {
	n, fixed, err := a.jobs.Network(c)
	out := networkSettings{ProxyURL: n.ProxyURL, ProxyUser: n.ProxyUser, ProxyBypass: full(n.ProxyBypass), Version: n.Version, UpdatedAt: stamp(n.Changed), Secrets: []string{},
		Fixed: fixed, AllowHosts: a.jobs.FixedRules()}
	if n.HasPassword {
		out.Secrets = append(out.Secrets, "proxy_password")
	}
	return single(out, err)
}

func (a *API) updateNetwork(c call, in *struct{ Body networkInput }) (*body[networkSettings], error) {
	n := model.Network{ProxyURL: in.Body.ProxyURL, ProxyUser: in.Body.ProxyUser, ProxyBypass: in.Body.ProxyBypass, Version: in.Body.Version}
	if err := a.jobs.UpdateNetwork(c, c.actor, n, model.Secret(in.Body.ProxyPassword)); err != nil {
		return nil, err
	}
	return a.showNetwork(c)
}
