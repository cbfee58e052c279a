package jobs

import (
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/connector"
	"waybill/jobs/deliver"
)

// CheckIntegration cleans and checks an integration; whole: also whether it can be published.
func (s *Service) CheckIntegration(n *model.Integration, whole bool) error {
	n.Clean()
	var bad fault.Check
	bad.Join("", n.Check())
	if whole {
		bad.Join("", n.CheckWhole())
	}
	bad.Join("request.", s.CheckRequest(n.Draft.Request))
	return bad.Err()
}

// CheckRequest lists what is wrong with the templates, the path and the headers of a step's own request, or an integration's.
func (s *Service) CheckRequest(r model.Request) []fault.Field {
	var bad fault.Check
	_, path := model.SplitURL(r.URL)
	if w := connector.CheckPath(path); w != "" && r.URL != "" {
		bad.Add("url", "%s", w)
	}
	checkHeaders(&bad, r.Headers)
	if len(r.Body) > model.MaxTemplate {
		return bad.Fields() // said already
	}
	for _, p := range s.checkParts(deliver.Parts(model.Destination{Path: path, ContentType: r.ContentType, Headers: r.Headers, Template: r.Body})) {
		bad.Add(strings.NewReplacer("template", "body", "path", "url").Replace(p.Part), "%s", placed(p))
	}
	return bad.Fields()
}
