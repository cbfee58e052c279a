package jobs

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"waybill/db/fault"
	"waybill/db/model"
	"waybill/jobs/script"
)

// inputs is what an integration is given: for every field of its form what a step fills in, else the field's default. Text
// without tags becomes what the field's type has (a number, true or false, a list); text with tags is rendered when it is
// sent. Complaints name fields as input.KEY.
func inputs(form []model.FormField, given map[string]any) (map[string]any, []fault.Field) {
	out := map[string]any{}
	for key, v := range given {
		out[key] = v
	}
	var bad fault.Check
	for _, f := range form {
		if f.Type == model.TypeInstruction {
			continue
		}
		v := out[f.Key]
		if text, is := v.(string); v == nil || is && strings.TrimSpace(text) == "" {
			if v = f.Default; v == nil && f.Required {
				bad.Add("input."+f.Key, "%s is needed.", f.Name)
			}
		}
		if text, is := v.(string); is && script.Plain(text) {
			var words *fault.Words
			if v, words = inputOf(f, text); words != nil {
				bad.Add("input."+f.Key, "%s", words)
			}
		}
		if out[f.Key] = v; v == nil {
			delete(out, f.Key)
		}
	}
	return out, bad.Fields()
}

// inputOf is a plain text as the type of a field has it, and what is wrong with it.
func inputOf(f model.FormField, text string) (any, *fault.Words) {
	switch f.Type {
	case model.TypeNumber, model.TypeCurrency:
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return text, fault.Say("Give a number, or a tag such as {{ it.data[0].count }}.")
		}
		return n, nil
	case model.TypeCheckbox:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true", "yes":
			return true, nil
		case "false", "no":
			return false, nil
		}
		return text, fault.Say("Give true or false, or a tag.")
	case model.TypeMultiSelect:
		list := []any{}
		for part := range strings.SplitSeq(text, ",") {
			part = strings.TrimSpace(part)
			if !offered(f, part) {
				return text, fault.Say("“%s” is none of the options.", part)
			}
			list = append(list, part)
		}
		return list, nil
	case model.TypeSelect, model.TypeRadio:
		if !offered(f, text) {
			return text, fault.Say("“%s” is none of the options.", text)
		}
	}
	return text, nil
}

func offered(f model.FormField, value string) bool {
	return slices.ContainsFunc(f.Options, func(o model.Choice) bool { return o.Value == value })
}

// checkInputs lists what a step leaves out of the form of its integration as it is published now. That there is no such
// integration is said elsewhere.
func (s *Service) checkInputs(st model.Step) []fault.Field {
	if st.IntegrationID == "" {
		return nil
	}
	n, err := s.o.Store.Integration(context.Background(), st.IntegrationID)
	if err != nil || n.Live == nil {
		return nil
	}
	_, bad := inputs(n.Live.Fields, st.Input)
	return bad
}
