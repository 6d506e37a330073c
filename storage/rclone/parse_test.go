package rclone_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
)

func TestALocationIsTakenApart(t *testing.T) {
	for _, tt := range []struct {
		p    storage.Provider
		rest string
		want settings.Values // nil: refused
	}{
		{rclone.Azure, "box:/", settings.Values{"container": "box"}},
		{rclone.Azure, "box:/a/b", settings.Values{"container": "box", "prefix": "a/b"}},
		{rclone.Azure, "box:a/b/", settings.Values{"container": "box", "prefix": "a/b"}},
		{rclone.Azure, "box", settings.Values{"container": "box"}},
		{rclone.Azure, "box:/../x", settings.Values{"container": "box", "prefix": "x"}},
		{rclone.Azure, ":/x", nil},
		{rclone.Azure, "box/x", nil},
		{rclone.GS, "box:/", settings.Values{"bucket": "box"}},
		{rclone.GS, "box:/a:b", settings.Values{"bucket": "box", "prefix": "a:b"}},
		{rclone.GS, "", nil},
	} {
		got, err := tt.p.Parse(tt.rest)
		if (err == nil) != (tt.want != nil) || err == nil && !maps.Equal(got, tt.want) {
			t.Errorf("%s: Parse(%q) = %v, %v, want %v", tt.p.Kind, tt.rest, map[string]string(got), err, map[string]string(tt.want))
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: Parse(%q) = %v, which shows the password", tt.p.Kind, tt.rest, err)
		}
	}
}

func TestSettingsThatCanNotBeRightAreRefusedAtOnce(t *testing.T) {
	for _, tt := range []struct {
		p    storage.Provider
		v    settings.Values
		says string
	}{
		{rclone.Azure, settings.Values{"container": "a/b", "account": "x"}, "setting container"},
		{rclone.Azure, settings.Values{"container": "c", "account": "x", "account-key": "no secret!"}, "setting account-key"},
		{rclone.Azure, settings.Values{"container": "c", "account": "x", "sas": "secret"}, "setting sas"},
		{rclone.Azure, settings.Values{"container": "c", "account": "x", "account-key": "c2VjcmV0", "sas": "sig=secret"}, "one or the other"},
		{rclone.Azure, settings.Values{"container": "c", "account": "x", "endpoint": "https://me:secret@host"}, "setting endpoint"},
		{rclone.GS, settings.Values{"bucket": "b"}, "access token"},
		{rclone.GS, settings.Values{"bucket": "b", "credentials": `{"type": "secret"}`}, "setting credentials"},
		{rclone.GS, settings.Values{"bucket": "b", "credentials": "/no/secret"}, "setting credentials"},
	} {
		if err := settingsError(tt.p, tt.v); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: Open = %v, want an error that says %q and shows no secret", tt.p.Kind, err, tt.says)
		}
	}
}
