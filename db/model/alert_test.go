package model

import "testing"

func TestWhoHearsOfAnAlert(t *testing.T) {
	const chat = DestID("dst_chat")
	for _, c := range []struct {
		about  string
		emails []string
		to     DestID
		want   bool
	}{
		{"destination:dst_shop", nil, chat, true},
		{AboutDestination(chat), nil, chat, false},
		{AboutDestination(chat), []string{"ada@example.com"}, chat, true},
		{AboutMail, []string{"ada@example.com"}, "", false},
		{AboutMail, []string{"ada@example.com"}, chat, true},
		{"disk", nil, "", false},
	} {
		if got := (AlertRule{Emails: c.emails, DestinationID: c.to}).Tells(Alert{About: c.about}); got != c.want {
			t.Errorf("%s to %v and %q: %v", c.about, c.emails, c.to, got)
		}
	}
}
