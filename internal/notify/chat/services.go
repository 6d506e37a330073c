package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/googlechat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/teams"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/zulip"

	"github.com/backstay/backstay/internal/notify"
)

// services are those that are known, with the limits that their documentation tells. It is a function, since the help of a setting lists them.
func services() []service {
	return append([]service{
		{"discord", "discord://TOKEN@WEBHOOK", 1900, readDiscord, nil},
		{"googlechat", "googlechat://chat.googleapis.com/v1/spaces/SPACE/messages?key=KEY&token=TOKEN", 4000, readGoogleChat, nil},
		{"matrix", "matrix://:ACCESSTOKEN@HOST/?rooms=!ROOM:HOST", 16000, readMatrix, nil},
		{"mattermost", "mattermost://HOST/TOKEN/CHANNEL", 16000, readMattermost, nil},
		{"rocketchat", "rocketchat://HOST/TOKEN/TOKEN/CHANNEL", 5000, readRocketChat, nil},
		{"slack", "slack://hook:A-B-C@webhook or slack://xoxb:A-B-C@CHANNEL", 4000, readSlack, checkSlack},
		{"teams", "teams://GROUP@TENANT/ALTID/OWNER/EXTRAID?host=ORGANISATION.webhook.office.com", 20000, readTeams, nil},
		{"telegram", "telegram://TOKEN@telegram?chats=CHAT", 4000, readTelegram, nil},
		{"zulip", "zulip://MAIL:KEY@HOST/?stream=STREAM&topic=TOPIC", 9000, readZulip, nil},
	}, pushServices()...)
}

func readDiscord(u *url.URL) (compose, error) {
	var c discord.Config
	if c.SetURL(u) != nil || c.JSON {
		return nil, errUnread
	}
	to := discord.CreateAPIURLFromConfig(&c)
	return func(_ notify.Message, text string) (request, error) {
		payload := map[string]any{"content": text, "allowed_mentions": map[string][]string{"parse": {}}}
		if c.Username != "" {
			payload["username"] = c.Username
		}
		if c.Avatar != "" {
			payload["avatar_url"] = c.Avatar
		}
		return postJSON(to, nil, payload)
	}, nil
}

func readGoogleChat(u *url.URL) (compose, error) {
	var c googlechat.Config
	if c.SetURL(u) != nil || c.Host != "chat.googleapis.com" || c.Key == "" || c.Token == "" {
		return nil, errUnread
	}
	to := &url.URL{Scheme: "https", Host: c.Host, Path: c.Path, RawQuery: url.Values{"key": {c.Key}, "token": {c.Token}}.Encode()}
	return func(_ notify.Message, text string) (request, error) {
		return postJSON(to.String(), nil, map[string]string{"text": strings.ReplaceAll(text, "<", "<\u200b")}) // <users/all> rings
	}, nil
}

// readMatrix wants a token and the id of a room: to sign in with a password, or to join a room, would take more than one request.
func readMatrix(u *url.URL) (compose, error) {
	var c matrix.Config
	if c.SetURL(u) != nil || c.User != "" || c.Password == "" || len(c.Rooms) != 1 || !strings.HasPrefix(c.Rooms[0], "!") {
		return nil, errUnread
	}
	room := fmt.Sprintf("%s://%s/_matrix/client/v3/rooms/%s/send/m.room.message/", scheme(c.DisableTLS), c.Host, url.PathEscape(c.Rooms[0]))
	return func(m notify.Message, text string) (request, error) {
		// The last part of the path makes the server take a message once, however often it is sent.
		r, err := postJSON(room+url.PathEscape("backstay-"+m.Ref()+"-"+m.ID), bearer("Bearer", c.Password), map[string]any{"msgtype": "m.text", "body": text,
			"m.mentions": map[string]any{}})
		r.method = http.MethodPut
		return r, err
	}, nil
}

func readMattermost(u *url.URL) (compose, error) {
	var c mattermost.Config
	if c.SetURL(u) != nil || c.Host == "" {
		return nil, errUnread
	}
	to := &url.URL{Scheme: scheme(c.DisableTLS), Host: c.Host, Path: "/hooks/" + c.Token}
	return func(_ notify.Message, text string) (request, error) {
		payload := mattermost.JSON{Text: calm(text), UserName: c.UserName, Channel: c.Channel}
		payload.SetIcon(c.Icon)
		return postJSON(to.String(), nil, payload)
	}, nil
}

func readRocketChat(u *url.URL) (compose, error) {
	var c rocketchat.Config
	if c.SetURL(u) != nil || c.Host == "" {
		return nil, errUnread
	}
	to := &url.URL{Scheme: "https", Host: u.Host, Path: "/hooks/" + c.TokenA + "/" + c.TokenB}
	return func(_ notify.Message, text string) (request, error) {
		return postJSON(to.String(), nil, rocketchat.JSON{Text: calm(text), UserName: c.UserName, Channel: c.Channel})
	}, nil
}

func readSlack(u *url.URL) (compose, error) {
	var c slack.Config
	if c.SetURL(u) != nil {
		return nil, errUnread
	}
	to, header := c.Token.WebhookURL(), http.Header(nil)
	if c.Token.IsAPIToken() {
		to, header = "https://slack.com/api/chat.postMessage", http.Header{"Authorization": {c.Token.Authorization()}}
	}
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;") // <!channel> rings
	return func(_ notify.Message, text string) (request, error) {
		payload := slack.MessagePayload{Text: escape.Replace(text), BotName: c.BotName, ThreadTS: c.ThreadTS}
		payload.SetIcon(c.Icon)
		if c.Channel != "webhook" {
			payload.Channel = c.Channel
		}
		return postJSON(to, header, payload)
	}, nil
}

// checkSlack looks into an answer: the API's says by its status only that there is one. That of a webhook is "ok".
func checkSlack(answer []byte) error {
	if string(answer) == "ok" {
		return nil
	}
	var said slack.APIResponse
	if err := json.Unmarshal(answer, &said); err != nil {
		return errors.New(string(answer))
	}
	if !said.Ok {
		return fmt.Errorf("error %q", said.Error)
	}
	return nil
}

func readTeams(u *url.URL) (compose, error) {
	var c teams.Config
	if c.SetURL(u) != nil {
		return nil, errUnread
	}
	to := teams.BuildWebhookURL(c.Host, c.Group, c.Tenant, c.AltID, c.GroupOwner, c.ExtraID)
	if teams.ValidateWebhookURL(to) != nil {
		return nil, errUnread
	}
	return func(m notify.Message, text string) (request, error) {
		return postJSON(to, nil, map[string]any{"@type": "MessageCard", "@context": "https://schema.org/extensions", "summary": m.Subject,
			"themeColor": level(m, "00629b", "8a5300", "b00020", "b00020"),
			"sections":   []map[string]any{{"text": calm(text), "markdown": false}}})
	}, nil
}

func readTelegram(u *url.URL) (compose, error) {
	var c telegram.Config
	c.Notification, c.Preview = true, true
	if c.SetURL(u) != nil || len(c.Chats) != 1 {
		return nil, errUnread
	}
	to := "https://api.telegram.org/bot" + c.Token + "/sendMessage"
	return func(_ notify.Message, text string) (request, error) {
		payload := map[string]any{"chat_id": c.Chats[0], "text": text, "disable_notification": !c.Notification, "disable_web_page_preview": !c.Preview}
		if chat, topic, found := strings.Cut(c.Chats[0], ":"); found {
			payload["chat_id"], payload["message_thread_id"] = chat, topic
		}
		return postJSON(to, nil, payload)
	}, nil
}

func readZulip(u *url.URL) (compose, error) {
	var c zulip.Config
	if c.SetURL(u) != nil {
		return nil, errUnread
	}
	to := &url.URL{Scheme: "https", Host: u.Host, Path: "/api/v1/messages"}
	return func(_ notify.Message, text string) (request, error) {
		return postForm(to.String(), basic(c.BotMail, c.BotKey), zulip.CreatePayload(&c, calm(text))), nil
	}, nil
}
