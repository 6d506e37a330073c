package kinds

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

func TestALocationIsASchemeOrAPath(t *testing.T) {
	for location, want := range map[string][2]string{
		"/srv/backup":          {"local", "/srv/backup"},
		"backup":               {"local", "backup"},
		"./a:b":                {"local", "./a:b"},
		"/srv/a:b":             {"local", "/srv/a:b"},
		"../x":                 {"local", "../x"},
		`C:\backup`:            {"local", `C:\backup`},
		"local:/srv/backup":    {"local", "/srv/backup"},
		"local:backup":         {"local", "backup"},
		"s3:https://host/name": {"s3", "https://host/name"},
		":x":                   {"local", ":x"},
	} {
		if scheme, rest := split(location); scheme != want[0] || rest != want[1] {
			t.Errorf("split(%q) = %q, %q, want %q, %q", location, scheme, rest, want[0], want[1])
		}
	}
}

func TestAnUnknownKindIsNamedAndTheKnownOnesAreListed(t *testing.T) {
	_, err := Open("cloud:user:secret@host/dir", Options{})
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), `"cloud"`) || !strings.Contains(err.Error(), "local:") {
		t.Errorf("Open = %v, want ErrUnknown that names cloud and lists local:", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("Open = %v, which gives the password away", err)
	}
}

func TestAPasswordInALocationIsNotShown(t *testing.T) {
	for location, want := range map[string]string{
		"/srv/a:b@c":                                "/srv/a:b@c",
		"rest:http://host:8000/repo":                "rest:http://host:8000/repo",
		"rest:https://user:secret@host:8000/repo/":  "rest:https://user:***@host:8000/repo/",
		"rest:https://user:sec:ret@host/":           "rest:https://user:***@host/",
		"rest:https://user:sec@ret@host/":           "rest:https://user:***@host/",
		"rest:https://user:sec/ret@host/a":          "rest:https://user:***@host/a",
		"rest:https://user@host/a":                  "rest:https://user@host/a",
		"sftp:user@host:/path":                      "sftp:user@host:/path",
		"sftp://user:secret@host:22//path":          "sftp://user:***@host:22//path",
		"s3:https://minio:9000/bucket/a@b":          "s3:https://minio:9000/bucket/a@b",
		"smb:DOMAIN;user@host/share":                "smb:DOMAIN;user@host/share",
		"rest:http+unix://user:secret@/path.sock:/": "rest:http+unix://user:***@/path.sock:/",
	} {
		if got := Shown(location); got != want {
			t.Errorf("Shown(%q) = %q, want %q", location, got, want)
		}
	}
}

func TestASnapshotOfARemoteFolderIsNamedAfterItsPlace(t *testing.T) {
	for location, want := range map[string]string{
		"s3:https://minio:9000/bucket/data/":   "/s3/minio:9000/bucket/data",
		"s3:s3.amazonaws.com/bucket":           "/s3/s3.amazonaws.com/bucket",
		"sftp:user@host:/srv/data":             "/sftp/user@host:/srv/data",
		"sftp://user:secret@host:22//srv/data": "/sftp/user@host:22/srv/data",
		"webdav:https://u:secret@host/../x":    "/webdav/x",
	} {
		if got := SnapshotPath(location); got != want {
			t.Errorf("SnapshotPath(%q) = %q, want %q", location, got, want)
		}
	}
}

func TestSettingsComeFromBesideTheLocationAndFromTheEnvironment(t *testing.T) {
	fields := []settings.Field{{Name: "host"}, {Name: "user", Env: []string{"OUR_USER", "THEIR_USER"}}, {Name: "port", Env: []string{"PORT"}}}
	p := storage.Provider{Kind: "x", Fields: fields}
	env := map[string]string{"THEIR_USER": "theirs", "PORT": "2222"}
	opt := Options{Settings: settings.Values{"x.port": "22", "y.port": "23"}, Getenv: func(name string) string { return env[name] }}
	got, err := complete(p, settings.Values{"host": "h"}, opt)
	maps.DeleteFunc(got, func(_, value string) bool { return value == "" })
	want := map[string]string{"host": "h", "user": "theirs", "port": "22"}
	if !maps.Equal(got, want) || err != nil {
		t.Errorf("complete = %v, %v, want %v", map[string]string(got), err, want)
	}
	for _, twice := range []settings.Values{{"host": "other"}, {"x.host": "other"}, {"x.port": "1", "port": "2"}} {
		if _, err := complete(p, settings.Values{"host": "h"}, Options{Settings: twice}); err == nil {
			t.Errorf("complete with %v beside a host = nil error", map[string]string(twice))
		}
	}
}

func TestASettingMayBeAFileInTheHome(t *testing.T) {
	home := t.TempDir()
	p := storage.Provider{Kind: "x", Fields: []settings.Field{{Name: "hosts", Home: []string{".x/none", ".x/hosts"}, Local: true}}}
	if got, err := complete(p, nil, Options{Home: home}); err != nil || got["hosts"] != "" {
		t.Errorf("complete without the file = %q, %v", got["hosts"], err)
	}
	file := filepath.Join(home, ".x", "hosts")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got, err := complete(p, nil, Options{Home: home}); err != nil || got["hosts"] != file {
		t.Errorf("complete = %q, %v, want %q", got["hosts"], err, file)
	}
	if got, err := complete(p, settings.Values{"hosts": "other"}, Options{Home: home}); err != nil || got["hosts"] != "other" {
		t.Errorf("complete with another one = %q, %v", got["hosts"], err)
	}
}

func TestAGuardedLocationUsesNothingOfThisMachine(t *testing.T) {
	for _, p := range Storages() {
		for _, f := range p.Fields {
			if f.Local {
				_, err := complete(p, settings.Values{f.Name: "/etc/passwd"}, Options{Guard: &guard.Guard{}})
				if wrong := (*settings.Error)(nil); !errors.As(err, &wrong) {
					t.Errorf("%s: setting %q of a guarded location = %v", p.Kind, f.Name, err)
				}
			} else if strings.HasSuffix(f.Name, "-file") || strings.Contains(f.Name, "command") || strings.Contains(f.Name, "program") {
				t.Errorf("%s: setting %q isn't said to be of this machine", p.Kind, f.Name)
			}
		}
	}
}

func TestASettingThatTheKindHasNotIsRefused(t *testing.T) {
	if _, err := Open(t.TempDir(), Options{Settings: settings.Values{"region": "x"}}); err == nil || !strings.Contains(err.Error(), `"region"`) {
		t.Errorf("Open = %v, want an error about the region", err)
	}
}

func TestAnEmptyPathIsRefused(t *testing.T) {
	for _, location := range []string{"", "local:"} {
		if _, err := Open(location, Options{}); err == nil {
			t.Errorf("Open(%q) = nil error", location)
		}
	}
}

func TestCallsAreCounted(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("12345"))); err != nil {
		t.Fatal(err)
	}
	if got := b.Snapshot().Save; got.Calls != 1 || got.Bytes != 5 {
		t.Errorf("Snapshot().Save = %+v, want 1 call of 5 bytes", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "config")); err != nil {
		t.Errorf("the file is not in the folder: %v", err)
	}
}

func TestSweepTakesOldTemporaryFilesOnly(t *testing.T) {
	dir := t.TempDir()
	files := map[string]time.Duration{".backstay-tmp-old": 48 * time.Hour, ".backstay-tmp-young": time.Hour, "config": 48 * time.Hour}
	for name, age := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o400), os.Chtimes(path, time.Time{}, time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		_, err := os.Stat(filepath.Join(dir, name))
		if gone := errors.Is(err, fs.ErrNotExist); gone != (name == ".backstay-tmp-old") {
			t.Errorf("after Sweep %q is gone: %t, %v", name, gone, err)
		}
	}
}
