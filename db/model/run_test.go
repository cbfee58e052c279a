package model_test

import (
	"encoding/json"
	"testing"

	"waybill/db/model"
)

// What was typed as a number is stored, read and passed on digit by digit.
func TestFieldValueKeepsNumbers(t *testing.T) {
	const text = `[{"key":"order","name":"Order","type":"number","value":12345678901234567890},{"key":"share","name":"Share","type":"number","value":0.10},{"key":"tags","name":"Tags","type":"multi_select","value":["a","b"]},{"key":"note","name":"Note","type":"text","value":null}]`
	var list []model.FieldValue
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(list); err != nil || string(got) != text {
		t.Errorf("%v\n got %s\nwant %s", err, got, text)
	}
}
