package sftp_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage/sftp"
)

func TestLocationsAreTakenApart(t *testing.T) {
	for location, want := range map[string]settings.Values{
		"user@host:/dir/subdir":                {"user": "user", "host": "host", "path": "/dir/subdir"},
		"host:dir":                             {"host": "host", "path": "dir"},
		"host:":                                {"host": "host", "path": "."},
		"user@domain@host:/dir":                {"user": "user@domain", "host": "host", "path": "/dir"},
		"host:../dir/subdir":                   {"host": "host", "path": "../dir/subdir"},
		"user@host:dir/subdir:suffix":          {"user": "user", "host": "host", "path": "dir/subdir:suffix"},
		"user@host:dir/subdir/../other///x/":   {"user": "user", "host": "host", "path": "dir/other/x"},
		"user@[::1]:/dir":                      {"user": "user", "host": "::1", "path": "/dir"},
		"[::1]:dir":                            {"host": "::1", "path": "dir"},
		"host:/a b/[x]:y":                      {"host": "host", "path": "/a b/[x]:y"},
		"//user@host/dir/subdir":               {"user": "user", "host": "host", "path": "dir/subdir"},
		"//host/dir/subdir":                    {"host": "host", "path": "dir/subdir"},
		"//host//dir/subdir":                   {"host": "host", "path": "/dir/subdir"},
		"//host/":                              {"host": "host", "path": "."},
		"//user@host:10022//dir/subdir":        {"user": "user", "host": "host", "port": "10022", "path": "/dir/subdir"},
		"//user@host/dir/subdir/../other///x/": {"user": "user", "host": "host", "path": "dir/other/x"},
		"//user@[::1]/dir":                     {"user": "user", "host": "::1", "path": "dir"},
		"//user@[::1]:22/dir":                  {"user": "user", "host": "::1", "port": "22", "path": "dir"},
		"//u%40d:p%3Aw@host//dir%20x":          {"user": "u@d", "password": "p:w", "host": "host", "path": "/dir x"},
	} {
		got, err := sftp.Provider.Parse(location)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("Parse(%q) = %v, %v, want %v", location, map[string]string(got), err, map[string]string(want))
		}
	}
}

func TestLocationsThatCannotBeRightAreRefusedAndNotShown(t *testing.T) {
	for _, location := range []string{
		"", "host", "/dir", ":dir", "user@:dir", "//", "//host", "//host:dir", "//host:port/dir", "//user:secret@/dir", "///dir", "//u:secret@host:x/d",
		"-oProxyCommand=secret:dir", "user@-oProxyCommand=secret:dir", "//-oProxyCommand=secret/dir", "host:~/dir", "//host/~user", "//u:secret@host/d?x", "a b:dir",
	} {
		v, err := sftp.Provider.Parse(location)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Parse(%q) = %v, %v, want an error that shows nothing", location, map[string]string(v), err)
		}
	}
	v := settings.Values{"host": "-oProxyCommand=secret", "path": "x", "args": "-v"}
	if _, err := sftp.Provider.Open(v, env()); err == nil {
		t.Error("Open with a host that is an option = nil error")
	}
}

func TestWhatIsMissingIsToldBeforeAnybodyIsAsked(t *testing.T) {
	whole := settings.Values{"host": "h", "user": "u", "path": "p", "known-hosts": "h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLzUmqbgtzzOiMJRnVMSCcR7kG8F8pZJz9YCdvFHgDT"}
	if _, err := opened(whole); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]settings.Values{
		`"user"`:             {"user": ""},
		`"known-hosts"`:      {"known-hosts": ""},
		"known hosts":        {"known-hosts": "this is none"},
		"/none":              {"known-hosts-file": "/none"},
		`"private-key"`:      {"private-key": "this is hidden"},
		`"private-key-file"`: {"private-key-file": "/none"},
		`"command"`:          {"command": `ssh "hidden`},
		`"args"`:             {"args": `ssh "hidden`},
		"both":               {"args": "-v", "command": "ssh"},
		`"port"`:             {"port": "hidden"},
	} {
		v := maps.Clone(whole)
		maps.Copy(v, change)
		if _, err := opened(v); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("Open with %q = %v, want an error that says %s", map[string]string(change), err, says)
		}
	}
}
