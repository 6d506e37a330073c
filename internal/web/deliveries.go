package web

import "github.com/backstay/backstay"

const deliveriesPath = "/settings/deliveries"

// registerDeliveries registers the pages of messages and what became of them.
func (s *Site) registerDeliveries() {
	registerNoun(s, nounPages[backstay.Delivery, *backstay.Delivery]{
		noun: s.App.Deliveries, path: deliveriesPath, icon: "bell", one: "message", many: "messages", first: "About",
		lead:    "What people were told of in the last 90 days, and whether it reached them.",
		filters: []string{"state", "channel", "event", "severity"},
		columns: []string{"State", "By", "How much it matters", "When"},
		row: func(v *visit, d *backstay.Delivery) row {
			state, severity := deliveryPill(d.State), severityPill(d.Severity)
			severity.Plain = true
			return row{Name: d.Subject, Sub: d.Event, Cells: []cell{{Pill: &state, Sub: d.Error}, {Text: v.names().channel(d.Channel)}, {Pill: &severity}, {Text: v.ago(d.CreatedAt)}}}
		},
		pick: func(v *visit) ([]*field, error) {
			return []*field{{Name: "state", Title: "State", Kind: selectField, Value: v.query("state"), Choices: []choice{{Title: "Any"}, {Value: "pending", Title: "Waiting"}, {Value: "sent", Title: "Sent"}, {Value: "failed", Title: "Given up"}}}}, nil
		},
		facts: deliveryFacts,
	})
}

func deliveryPill(s backstay.DeliveryState) pill {
	switch s {
	case backstay.DeliverySent:
		return pill{"ok", "ok", "Sent", true}
	case backstay.DeliveryFailed:
		return pill{"fail", "fail", "Given up", true}
	}
	return pill{"idle", "pending", "Waiting", true}
}

func deliveryFacts(v *visit, d *backstay.Delivery) ([]fact, error) {
	state, severity := deliveryPill(d.State), severityPill(d.Severity)
	facts := []fact{{Name: "State", Pill: &state}, {Name: "By", Text: v.names().channel(d.Channel)}, {Name: "How much it matters", Pill: &severity}, {Name: "Event", Text: d.Event}, {Name: "Since", Text: v.whenExact(d.CreatedAt)},
		{Name: "Attempts", Text: countText(d.Attempts)}}
	if d.To != "" {
		facts = append(facts, fact{Name: "To", Text: d.To})
	}
	if d.Error != "" {
		facts = append(facts, fact{Name: "Why it failed", Text: d.Error})
	}
	last := "Last attempt"
	if d.State == backstay.DeliveryPending {
		last = "Next attempt"
	}
	facts = append(facts, fact{Name: last, Text: v.whenExact(d.Next)})
	if d.Held {
		facts = append(facts, fact{Name: "Held", Text: "The channel had taken as many messages as it may"})
	}
	return facts, nil
}
