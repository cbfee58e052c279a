package handlers

import "waybill/handlers/web"

func (h *Handlers) docsRoutes() []web.Route { return nil }
