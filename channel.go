package backstay

import (
	"encoding/json"
	"time"
)

// Channel is a way by which people and programs are told of what happens: addresses of mail, a phone, a chat, a program. One that belongs to
// no project is the server's own.
type Channel struct {
	Record
	Placed
	Name        string            `json:"name" maxLength:"100"`
	Kind        string            `json:"kind" doc:"Such as email; GET /api/v1/channel-kinds lists them with their settings"`
	Settings    map[string]string `json:"settings" doc:"By the names of the kind's fields. Secrets are taken and never shown: leave one out to keep it"`
	Secrets     []string          `json:"secrets" readOnly:"true" bun:"-" doc:"The names of the secret settings that are set"`
	HourlyLimit int               `json:"hourly_limit" minimum:"0" maximum:"1000" doc:"How many messages it takes in an hour; 0: any number. What exceeds them comes together, as one message, as soon as there is room. Critical messages don't wait"`
	Local       bool              `json:"local" readOnly:"true" doc:"An administrator of the server made it: it may reach the server's own machine"`
	Sealed      string            `json:"-"`
}

// Check says what is wrong with a channel. Its settings are checked by its kind.
func (c Channel) Check() error {
	if c.HourlyLimit < 0 || c.HourlyLimit > 1000 {
		return Errorf(Invalid, "%d messages an hour: want 0, for any number, to 1000", c.HourlyLimit).OnField("hourly_limit")
	}
	return checkName("channel", c.Name)
}

// DeliveryState is how far a message has come.
type DeliveryState string

// The states of deliveries. Only one that is pending changes.
const (
	DeliveryPending DeliveryState = "pending"
	DeliverySent    DeliveryState = "sent"
	DeliveryFailed  DeliveryState = "failed" // given up
)

// Delivery is a message on its way by a channel. It lies in its channel.
type Delivery struct {
	Record
	Placed
	Channel    string          `json:"channel" doc:"The id of the channel"`
	Rule       string          `json:"rule,omitempty" doc:"The id of the rule that asked for it"`
	Event      string          `json:"event" doc:"Such as run.failed"`
	EventID    string          `json:"event_id" doc:"The same in all deliveries of one event"`
	Severity   Severity        `json:"severity" enum:"info,warning,error,critical"`
	Subject    string          `json:"subject"`
	Alert      string          `json:"alert,omitempty" doc:"The id of the alert that it tells of"`
	Digest     bool            `json:"digest" doc:"It goes together with others, as one message"`
	Held       bool            `json:"held" doc:"The channel had taken as many messages as it may: it goes together with others"`
	State      DeliveryState   `json:"state" enum:"pending,sent,failed"`
	Due        time.Time       `json:"due" doc:"When it was to be sent first"`
	Next       time.Time       `json:"next" doc:"When it is tried next; of one that isn't pending: when it was tried last"`
	Attempts   int             `json:"attempts"`
	Error      string          `json:"error,omitempty" doc:"Why the last attempt failed"`
	Message    json.RawMessage `json:"-"` // as internal/notify has it
	LeaseUntil *time.Time      `json:"-"` // until then a process is at it
}
