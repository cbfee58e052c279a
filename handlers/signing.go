package handlers

import (
	"time"

	"github.com/labstack/echo/v4"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/handlers/web"
	"waybill/jobs"
	"waybill/views"
	"waybill/views/href"
	"waybill/views/ui"
)

func signingProps(d model.Destination, x jobs.Signing, now time.Time) views.SigningSecretProps {
	p := views.SigningSecretProps{Destination: d, Public: x.Public, Now: now}
	if x.Public == "" {
		p.Secret = x.Secret.Reveal()
	}
	for _, o := range x.Older {
		p.Older = append(p.Older, o.Until)
	}
	return p
}

// rotateSecret replaces the signing secret; the one before goes on signing for a while.
func (h *Handlers) rotateSecret(c echo.Context) error {
	id := web.ID[model.DestID](c)
	var bad fault.Check
	hours := number(&bad, "overlap_hours", typed(c, "overlap_hours"))
	err := bad.Err()
	if err == nil {
		err = h.o.Jobs.RotateSigning(c.Request().Context(), h.Actor(c), id, typed(c, "algorithm") == "ed25519", time.Duration(hours)*time.Hour)
	}
	if p, _, ok := h.wrong(c, err, ""); ok {
		h.Flash(c, ui.Bad, h.T(c, "Overlap: {problem}", "problem", p.Of("overlap_hours")))
		return web.Redirect(c, href.DestinationSecret(id))
	}
	if err != nil {
		return err
	}
	return h.Done(c, href.DestinationSecret(id), "Messages are signed with the new one from now on.")
}

func (h *Handlers) endSecrets(c echo.Context) error {
	id := web.ID[model.DestID](c)
	if err := h.o.Jobs.EndSigning(c.Request().Context(), h.Actor(c), id); err != nil {
		return err
	}
	return h.Done(c, href.DestinationSecret(id), "Only the present one signs now.")
}
