// Package kindstest says how each kind of storage and channel is pointed to an address, for tests of what may be reached. A kind that it
// doesn't know fails them.
package kindstest

import (
	"net"
	"strings"

	"github.com/backstay/backstay/settings"
)

// Own are the kinds of storage that are the machine itself, and may not be used by who only reaches it over the network.
var Own = []string{"local", "rclone"}

// Fixed are the kinds whose addresses nobody gives: those of the service are in the program.
var Fixed = []string{"b2", "drive", "dropbox", "onedrive"}

// Storage returns a location of a kind at an address, with its settings; false if nobody says the address of that kind, or it is unknown.
func Storage(kind, host, port string) (location string, v settings.Values, ok bool) {
	at := address(host, port)
	switch kind {
	case "s3":
		return "s3:http://" + at + "/bucket/x", settings.Values{"access-key-id": "a", "secret-access-key": "b", "region": "r"}, true
	case "rest":
		return "rest:http://" + at + "/", nil, true
	case "webdav":
		return "webdav:http://" + at + "/x", nil, true
	case "smb":
		return "smb://user@" + at + "/share/x", settings.Values{"password": "x"}, true
	case "sftp":
		return "sftp://user@" + at + "//x", settings.Values{"password": "x", "known-hosts": "host ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhqb3Q4cG9ydGFibGVrZXlmb3J0ZXN0aW5nMTIzNDU2"}, true
	case "azure":
		return "azure:container:/x", settings.Values{"account": "a", "account-key": "Zm9v", "endpoint": "http://" + at + "/a"}, true
	case "gs":
		return "gs:bucket:/x", settings.Values{"access-token": "x", "endpoint": "http://" + at + "/storage/v1/"}, true
	}
	return "", nil, false
}

// Channel returns the settings of a channel of a kind to an address.
func Channel(kind, host, port string) (v settings.Values, ok bool) {
	at := address(host, port)
	switch kind {
	case "email":
		return settings.Values{"host": strings.Trim(host, "[]"), "port": port, "from": "a@example.com", "to": "b@example.com"}, true
	case "sms-twilio":
		return settings.Values{"account": "AC0123456789abcdef0123456789abcdef", "token": "t", "from": "+15551234567", "to": "+15557654321", "url": "https://" + at}, true
	case "sms-form":
		return settings.Values{"url": "http://" + at + "/", "to": "1", "form": "text={text}"}, true
	case "webhook":
		return settings.Values{"url": "http://" + at + "/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, true
	case "chat":
		return settings.Values{"url": "generic://" + at + "/?disabletls=yes"}, true
	}
	return nil, false
}

func address(host, port string) string {
	if strings.HasPrefix(host, "[") {
		return host + ":" + port
	}
	return net.JoinHostPort(host, port)
}
