package webdav_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage/webdav"
)

func TestALocationIsTakenApart(t *testing.T) {
	for _, tt := range []struct {
		rest string
		want settings.Values // nil: refused
	}{
		{"https://host/dav/repo", settings.Values{"url": "https://host/dav/repo"}},
		{"https://host", settings.Values{"url": "https://host"}},
		{"http://[::1]:8080/a%20b/", settings.Values{"url": "http://[::1]:8080/a%20b/"}},
		{"https://me%40home:pa%2Fss@host/x", settings.Values{"url": "https://host/x", "user": "me@home", "password": "pa/ss"}},
		{"https://me@host/x", settings.Values{"url": "https://host/x", "user": "me", "password": ""}},
		{"https://host/x%23y%3Fz", settings.Values{"url": "https://host/x%23y%3Fz"}},
		{"", nil},
		{"host/dav", nil},
		{"ftp://secret@host/", nil},
		{"https:///dav", nil},
		{"https://me:secret@host/dav?x=1", nil},
		{"https://me:secret@host:port%zz/dav", nil},
	} {
		got, err := webdav.Provider.Parse(tt.rest)
		if (err == nil) != (tt.want != nil) || err == nil && !maps.Equal(got, tt.want) {
			t.Errorf("Parse(%q) = %v, %v, want %v", tt.rest, map[string]string(got), err, map[string]string(tt.want))
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Parse(%q) = %v, which shows the password", tt.rest, err)
		}
	}
}

func TestSettingsThatCanNotBeRightAreRefusedAtOnce(t *testing.T) {
	for _, tt := range []struct {
		v    settings.Values
		says string
	}{
		{settings.Values{"url": "host/x"}, "want webdav:https://HOST/PATH"},
		{settings.Values{"url": "https://me:secret@host/x"}, "settings of their own"},
		{settings.Values{"url": "https://host", "user": "me", "bearer-token": "secret"}, "one or the other"},
		{settings.Values{"url": "https://host", "ca-certificate": "secret"}, "no certificate in it"},
	} {
		if _, err := tryOpen(tt.v, env()); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open = %v, want an error that says %q and shows no secret", err, tt.says)
		}
	}
}
