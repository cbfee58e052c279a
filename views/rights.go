package views

import (
	"context"

	"waybill/db/model"
)

// RightName is a right in the reader's language.
func RightName(ctx context.Context, r model.Right) string {
	switch r {
	case model.RunWorkflows:
		return say(ctx, "Run Workflows")
	case model.ViewAuditLog:
		return say(ctx, "View Audit Log")
	}
	for _, a := range model.Areas() {
		switch r {
		case a.View():
			return say(ctx, "View {area}", "area", areaName(ctx, a))
		case a.Manage():
			return say(ctx, "Manage {area}", "area", areaName(ctx, a))
		}
	}
	return string(r)
}

func areaName(ctx context.Context, a model.Area) string {
	if a == model.APIKeys {
		return say(ctx, "API Keys")
	}
	return say(ctx, string(a)) // the others are names of pages
}
