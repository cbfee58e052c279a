package handlers

import (
	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs/connector"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

// showGuide documents a type of connection.
func (h *Handlers) showGuide(c echo.Context) error {
	t, ok := connector.ByType(model.ConnectionType(c.Param("type")))
	if !ok {
		return fault.Absent("type of connection")
	}
	p := views.GuideProps{Kind: connectionKind(t), Samples: samplesOf(t), MayMake: h.may(c, model.Connections.Manage())}
	for _, s := range t.Guide {
		p.Guide = append(p.Guide, views.GuideSection(s))
	}
	bits := web.Bits{Title: t.Title, Section: "docs", Crumbs: []ui.Crumb{crumb("API reference", href.Docs()), {Label: t.Title}}}
	return h.Page(c, bits, views.Guide(p))
}

func samplesOf(t connector.Type) []views.Sample {
	var out []views.Sample
	for _, s := range t.Samples {
		out = append(out, views.Sample{Title: s.Title, Template: s.Template})
	}
	return out
}
