package db

import (
	"context"

	"waybill/db/model"
)

const templateVersions = `
SELECT version, template, made_by, made_at FROM destination_templates WHERE destination_id = $1 ORDER BY version DESC`

// TemplateVersions lists the templates that a destination has had, the present one first; at most model.MaxTemplateVersions.
func (s *Store) TemplateVersions(ctx context.Context, id model.DestID) ([]model.TemplateVersion, error) {
	return all(s.reader(ctx), func(r row) (model.TemplateVersion, error) {
		var v model.TemplateVersion
		err := r.Scan(&v.Version, &v.Template, &v.By, at{&v.At})
		return v, err
	}, templateVersions, id)
}

const (
	insertTemplate = `
INSERT INTO destination_templates (destination_id, version, template, made_by, made_at) VALUES ($1, $2, $3, $4, $5)`
	dropTemplates = `
DELETE FROM destination_templates WHERE destination_id = $1 AND version <= (
  SELECT version FROM destination_templates WHERE destination_id = $1 ORDER BY version DESC LIMIT 1 OFFSET $2)`
)

// keepTemplate remembers the template that d has from now on, and forgets the oldest ones.
func (tx *Tx) keepTemplate(d model.Destination) error {
	if err := tx.exec(insertTemplate, d.ID, d.Version, d.Template, tx.actor.Name, ms(tx.now)); err != nil {
		return err
	}
	return tx.exec(dropTemplates, d.ID, model.MaxTemplateVersions)
}
