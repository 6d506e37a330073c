package smb_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage/smb"
)

func TestALocationIsTakenApart(t *testing.T) {
	for _, tt := range []struct {
		rest string
		want settings.Values // nil: refused
	}{
		{"me@host/share/a/b", settings.Values{"host": "host", "share": "share", "path": "a/b", "user": "me", "password": ""}},
		{"//me@host/share", settings.Values{"host": "host", "share": "share", "path": "", "user": "me", "password": ""}},
		{"//me:pa%40ss@host:1445/share/a/", settings.Values{"host": "host", "port": "1445", "share": "share", "path": "a", "user": "me", "password": "pa@ss"}},
		{"OFFICE;me@host/share", settings.Values{"host": "host", "share": "share", "path": "", "user": "me", "password": "", "domain": "OFFICE"}},
		{"[::1]:445/share/x", settings.Values{"host": "::1", "port": "445", "share": "share", "path": "x"}},
		{"me@host", settings.Values{"host": "host", "share": "", "path": "", "user": "me", "password": ""}},
		{"", nil},
		{"me:secret@/share", nil},
		{"me:secret@host:x/share", nil},
	} {
		got, err := smb.Provider.Parse(tt.rest)
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
		{settings.Values{"host": "h", "share": "a/b", "user": "me"}, "setting share"},
		{settings.Values{"host": "h", "user": "me"}, `"share"`},
		{settings.Values{"host": "h", "share": "s", "user": "me", "path": `a\b`}, "setting path"},
	} {
		if _, err := tryOpen(tt.v, env()); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Open = %v, want an error that says %q", err, tt.says)
		}
	}
}
