package handlers

import (
	"cmp"

	"waybill/db/model"
	"waybill/views"
)

// example is what a new workflow can begin with.
type example struct {
	views.Template
	draft func(who model.Actor, email string) model.Definition
}

func examples() []example {
	return []example{
		{views.Template{Key: "empty", Title: "Nothing", Text: "No steps; you add them.", Icon: "plus"}, func(model.Actor, string) model.Definition { return model.Definition{} }},
		{views.Template{Key: "message", Title: "Message on event", Text: "An event arrives, a message goes to a chat channel, the run ends.", Icon: "send"}, messageExample},
		{views.Template{Key: "purchase", Title: "Purchase approval", Text: "Somebody asks for a purchase; the team approves side by side, finance approves large sums, a rejection goes back.", Icon: "check"}, purchaseExample},
	}
}

func messageExample(model.Actor, string) model.Definition {
	return model.Definition{
		Trigger: model.Trigger{Kind: model.TriggerEvent, Event: "form.submit"},
		Steps: []model.Step{
			{Key: "message", Name: "Send the message", Kind: model.StepOutgoing, Next: []model.Transition{{To: "end"}},
				Request: &model.Request{Name: "chat-message", Method: "POST", ContentType: model.DefaultContentType, Body: `{"text": "New form from {{ it.data[0].email }}: {{ it.data[0].message }}"}`}},
			{Key: "end", Name: "Done", Kind: model.StepEnd},
		},
	}
}

func purchaseExample(_ model.Actor, email string) model.Definition {
	one, me := 1.0, cmp.Or(email, "initiator")
	form := []model.FormField{
		{Key: "item", Name: "What is needed", Type: model.TypeText, Required: true},
		{Key: "total", Name: "Total", Type: model.TypeCurrency, Required: true, Min: &one},
		{Key: "reason", Name: "Why", Type: model.TypeTextArea, Required: true, Help: "Who needs it, and for what."},
		{Key: "supplier", Name: "Supplier", Type: model.TypeText},
	}
	return model.Definition{
		Trigger: model.Trigger{Kind: model.TriggerForm, Fields: form, Intro: "Ask for a purchase. Your team decides, and finance where it is more than 1,000."},
		Steps: []model.Step{
			{Key: "team", Name: "Team approves", Kind: model.StepParallel, Assignees: []string{me}, DueSeconds: 3 * 86400, RemindSeconds: 86400,
				Next:     []model.Transition{{To: "finance", When: "run.data.total > 1000"}, {To: "order", When: "run.data.total <= 1000"}},
				OnReject: &model.OnReject{To: "revise"}},
			{Key: "finance", Name: "Finance approves", Kind: model.StepSequential, Assignees: []string{me}, DueSeconds: 5 * 86400,
				Next: []model.Transition{{To: "order"}}, OnReject: &model.OnReject{To: "revise"}},
			{Key: "order", Name: "Place the order", Kind: model.StepTask, Assignees: []string{me}, Next: []model.Transition{{To: "end"}},
				Fields: []model.FormField{{Key: "order_number", Name: "Order number", Type: model.TypeText, Required: true}, {Key: "expected", Name: "Expected on", Type: model.TypeDate}}},
			{Key: "revise", Name: "Revise the request", Kind: model.StepTask, Assignees: []string{"initiator"}, Next: []model.Transition{{To: "team"}},
				Fields: []model.FormField{{Key: "note", Name: "What did you change?", Type: model.TypeTextArea, Required: true}}},
			{Key: "end", Name: "Done", Kind: model.StepEnd},
		},
	}
}
