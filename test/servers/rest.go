package servers

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// RESTOptions say what a REST server is like. The zero value is one of version 2 that lets everybody do everything.
type RESTOptions struct {
	Version1       bool // it knows version 1 of the protocol only
	AppendOnly     bool // only locks may be removed
	Verify         bool // a file whose name isn't the hash of its content is refused, which rest-server does
	User, Password string
	TLS            *tls.Config // nil: plain HTTP
	Unix           bool        // it listens on a socket in the file system
}

// REST is a running server of restic's REST protocol. It keeps repositories in folders, as restic does in local ones.
type REST struct {
	Location string // "rest:http://127.0.0.1:1234/"
	Address  string // host:port, or the path of the socket
	Dir      string // the folder of the repository at Location

	opt RESTOptions
}

// StartREST runs a REST server until the test ends. It is written from the protocol's description. A repository has to be made
// before files are saved into it.
func StartREST(t testing.TB, opt RESTOptions) *REST {
	t.Helper()
	s := &REST{Dir: t.TempDir(), opt: opt}
	network, address := "tcp", "127.0.0.1:0"
	if opt.Unix {
		network, address = "unix", filepath.Join(t.TempDir(), "rest.sock")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	switch {
	case opt.Unix:
		s.Location = "rest:http+unix://" + s.Address + ":/"
	case opt.TLS != nil:
		l = tls.NewListener(l, opt.TLS)
		s.Location = "rest:https://" + s.Address + "/"
	default:
		s.Location = "rest:http://" + s.Address + "/"
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("REST server: %v", err)
		}
	})
	return s
}

var (
	restPath  = regexp.MustCompile(`^/((?:[a-z0-9-]+/)*?)(?:(config)|(data|keys|locks|snapshots|index)/([0-9a-f]{64})?)?$`)
	restTypes = []string{"data", "keys", "locks", "snapshots", "index"}
)

// ServeHTTP implements http.Handler.
func (s *REST) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if s.opt.User != "" && subtle.ConstantTimeCompare([]byte(user+":"+password), []byte(s.opt.User+":"+s.opt.Password)) == 0 {
		restAnswer(w, http.StatusUnauthorized)
		return
	}
	m := restPath.FindStringSubmatch(r.URL.Path)
	if m == nil {
		restAnswer(w, http.StatusNotFound)
		return
	}
	root, config, kind, id := filepath.Join(s.Dir, filepath.FromSlash(m[1])), m[2], m[3], m[4]
	switch {
	case config != "":
		s.serveFile(w, r, filepath.Join(root, config), "")
	case id != "" && kind == "data":
		s.serveFile(w, r, filepath.Join(root, kind, id[:2], id), id)
	case id != "":
		s.serveFile(w, r, filepath.Join(root, kind, id), id)
	case kind != "" && r.Method == http.MethodGet:
		s.list(w, r, filepath.Join(root, kind))
	case kind == "" && r.Method == http.MethodPost && r.URL.Query().Get("create") == "true":
		restCreate(w, root)
	default:
		restAnswer(w, http.StatusMethodNotAllowed)
	}
}

func restCreate(w http.ResponseWriter, root string) {
	for _, kind := range restTypes {
		if err := os.MkdirAll(filepath.Join(root, kind), 0o700); err != nil {
			restAnswer(w, http.StatusInternalServerError)
			return
		}
	}
}

func (s *REST) serveFile(w http.ResponseWriter, r *http.Request, path, id string) {
	switch r.Method {
	case http.MethodHead, http.MethodGet:
		f, err := os.Open(path)
		if err != nil {
			restFail(w, err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, f)
	case http.MethodPost:
		s.save(w, r, path, id)
	case http.MethodDelete:
		if s.opt.AppendOnly && filepath.Base(filepath.Dir(path)) != "locks" {
			restAnswer(w, http.StatusForbidden)
		} else if err := os.Remove(path); err != nil {
			restFail(w, err)
		}
	default:
		restAnswer(w, http.StatusMethodNotAllowed)
	}
}

// save writes a file beside its place, and puts it there only when it is whole. It is no more durable than a test needs.
func (s *REST) save(w http.ResponseWriter, r *http.Request, path, id string) {
	dir := filepath.Dir(path)
	if id != "" && filepath.Base(filepath.Dir(dir)) == "data" {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			restFail(w, err)
			return
		}
	}
	f, err := os.CreateTemp(dir, "incoming-*")
	if err != nil {
		restFail(w, err)
		return
	}
	defer os.Remove(f.Name())
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, hash), r.Body)
	if err := errors.Join(err, f.Close()); err != nil {
		restAnswer(w, http.StatusBadRequest)
		return
	}
	if s.opt.Verify && id != "" && hex.EncodeToString(hash.Sum(nil)) != id {
		restAnswer(w, http.StatusBadRequest)
		return
	}
	if err := os.Link(f.Name(), path); err != nil {
		restFail(w, err)
	}
}

type restFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// list tells of all files in a folder, and in those below it.
func (s *REST) list(w http.ResponseWriter, r *http.Request, dir string) {
	var files []restFile
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			files, names = append(files, restFile{d.Name(), info.Size()}), append(names, d.Name())
		}
		return err
	})
	if err != nil {
		restFail(w, err)
		return
	}
	const v1, v2 = "application/vnd.x.restic.rest.v1", "application/vnd.x.restic.rest.v2"
	if !s.opt.Version1 && r.Header.Get("Accept") == v2 {
		w.Header().Set("Content-Type", v2)
		_ = json.NewEncoder(w).Encode(files) // without files this is "null", as rest-server says it
		return
	}
	w.Header().Set("Content-Type", v1)
	_ = json.NewEncoder(w).Encode(names)
}

func restFail(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		restAnswer(w, http.StatusNotFound)
	case errors.Is(err, fs.ErrExist):
		restAnswer(w, http.StatusForbidden)
	default:
		restAnswer(w, http.StatusInternalServerError)
	}
}

func restAnswer(w http.ResponseWriter, status int) { http.Error(w, http.StatusText(status), status) }
