package views

import (
	"context"

	"github.com/a-h/templ"

	"waybill/views/href"
	"waybill/views/ui"
)

// facts are who made a change, to what, when and from where.
func (p AuditEntryProps) facts(ctx context.Context) []ui.Fact {
	e := p.Entry
	out := []ui.Fact{{Label: say(ctx, "Who"), Body: maybeLink(p.ActorURL != "", e.ActorName, p.ActorURL)}}
	if how := actorKind(e.Audit); how != "" && e.Via == "" {
		out = append(out, ui.Fact{Label: say(ctx, "How"), Text: say(ctx, how)})
	}
	if e.Via != "" {
		out = append(out, ui.Fact{Label: say(ctx, "By API key"), Body: maybeLink(true, e.Via, href.APIKey(e.Via))})
	}
	var object templ.Component
	if e.Object != "" {
		object = maybeLink(p.ObjectURL != "", e.Object, p.ObjectURL)
	}
	out = append(out,
		ui.Fact{Label: say(ctx, "What"), Text: e.Action, Mono: true},
		ui.Fact{Label: thing(ctx, e.Kind), Body: object},
		ui.Fact{Label: say(ctx, "When"), Body: ui.Moments(e.At, p.Now)},
		ui.Fact{Label: say(ctx, "From"), Text: e.Address, Mono: true},
		ui.Fact{Label: say(ctx, "Request"), Text: e.RequestID, Mono: true})
	if e.ObjectID != "" {
		out = append(out, ui.Fact{Label: say(ctx, "Id"), Body: idFact(e.ObjectID)})
	}
	if p.Entry.Gone {
		out = append(out, ui.Fact{Label: say(ctx, "Since then"), Text: say(ctx, "Deleted")})
	}
	return out
}
