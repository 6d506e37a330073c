package servers

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/webdav"
)

// WebDAV is a running WebDAV server.
type WebDAV struct {
	URL            string // of its root, without user and password
	User, Password string
	Dir            string        // the folder that it serves
	Requests       *atomic.Int64 // so far; nil for Apache
}

// StartWebDAV runs the WebDAV server of golang.org/x/net until the test ends. A nil config means plain HTTP.
func StartWebDAV(t testing.TB, config *tls.Config) *WebDAV {
	t.Helper()
	s := &WebDAV{User: "backstay", Password: "web dav/pässword", Dir: t.TempDir(), Requests: new(atomic.Int64)}
	dav := &webdav.Handler{FileSystem: webdav.Dir(s.Dir), LockSystem: webdav.NewMemLS()}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Requests.Add(1)
		if user, password, _ := r.BasicAuth(); user != s.User || password != s.Password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		dav.ServeHTTP(w, r)
	}))
	if config == nil {
		server.Start()
	} else {
		server.TLS = config
		server.StartTLS()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.URL = server.URL
	return s
}

// StartApache runs Apache with its module for WebDAV until the test ends.
func StartApache(t testing.TB) *WebDAV {
	t.Helper()
	apache := program(t, "apache2", "apache2")
	s := &WebDAV{User: "backstay", Password: "web dav/pässword", Dir: t.TempDir()}
	home, address := t.TempDir(), free(t)
	s.URL = "http://" + address
	for _, dir := range []string{home, s.Dir} { // its workers run as another user where the tests run as root
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	openUp(t, home)
	users := filepath.Join(home, "users")
	if out, err := exec.Command(program(t, "htpasswd", "apache2-utils"), "-cbB", users, s.User, s.Password).CombinedOutput(); err != nil {
		t.Fatalf("htpasswd: %v\n%s", err, out)
	}
	if err := os.Chmod(users, 0o644); err != nil {
		t.Fatal(err)
	}
	conf := write(t, filepath.Join(home, "apache.conf"), fmt.Sprintf(apacheConfig, address, home, users, s.Dir))
	start(t, address, exec.Command(apache, "-D", "FOREGROUND", "-f", conf))
	return s
}

// openUp lets others through the folders above the test's own.
func openUp(t testing.TB, dir string) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
}

// Folder makes a folder that everybody may write to, in the one that a server serves.
func Folder(t testing.TB, dir, path string) {
	t.Helper()
	for _, name := range strings.Split(path, "/") {
		dir = filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
}

const apacheConfig = `
Listen %[1]s
ServerName 127.0.0.1
ServerRoot "%[2]s"
PidFile "%[2]s/pid"
ErrorLog "%[2]s/log"
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule dav_module /usr/lib/apache2/modules/mod_dav.so
LoadModule dav_fs_module /usr/lib/apache2/modules/mod_dav_fs.so
DavLockDB "%[2]s/locks"
DocumentRoot "%[4]s"
<Directory "%[4]s">
	Dav On
	AuthType Basic
	AuthName test
	AuthUserFile "%[3]s"
	Require valid-user
</Directory>
`
