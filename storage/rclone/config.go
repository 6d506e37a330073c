package rclone

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/fs/fshttp"
	"github.com/rclone/rclone/lib/atexit"

	"github.com/backstay/backstay/storage"
)

// remote says how a backend of rclone is opened.
type remote struct {
	backend   string            // its name in rclone, such as "drive"
	options   map[string]string // by rclone's names, passwords in clear
	root      string            // the folder of the repository, as rclone takes it
	ca        string            // certificates in PEM that the server may be signed by; "": those of the system
	refuses   bool              // the store refuses a name that is taken; else it is looked up before a file is sent
	create    bool              // files are put under their names at once, since the store shows them only when they are whole
	secrets   []string          // what no error may show
	presigned bool              // the addresses of requests are secrets too
	status    func(error) reply // what the store answered; may be nil

	// prepare sets up the connections of a backend that can be handed a transport. It gets the context of all that the backend does,
	// and returns the one to use. nil: the backend is led through a tunnel.
	prepare func(ctx context.Context, env storage.Env) (context.Context, error)
	// each changes the context of each call; may be nil.
	each func(ctx context.Context) context.Context
	// wrap puts something around rclone's backend that mends what it leaves to chance. nil: it is used as it is.
	wrap func(f fs.Fs, env storage.Env) fs.Fs
	// alone tells that of two saves of one name at the same moment the store may refuse none: within this process one name is saved by one
	// call at a time.
	alone bool
}

// set adds options, by rclone's names.
func (r *remote) set(options map[string]string) {
	if r.options == nil {
		r.options = make(map[string]string, len(options))
	}
	maps.Copy(r.options, options)
}

// config is what rclone calls the configuration of a remote: the options that were given, then rclone's defaults. Neither rclone's
// file nor its environment variables are asked. rclone sets new values in it, such as a refreshed token.
type config struct {
	mu     sync.Mutex
	values map[string]string // guarded by mu
}

var _ configmap.Mapper = (*config)(nil)

func newConfig(info *fs.RegInfo, given map[string]string) (*config, error) {
	c := &config{values: make(map[string]string)}
	for _, option := range info.Options {
		c.values[option.Name] = option.String()
	}
	for name, value := range given {
		option := info.Options.Get(name)
		if option == nil {
			return nil, fmt.Errorf("rclone's %s has no option %q", info.Name, name)
		}
		if option.IsPassword && value != "" {
			obscured, err := obscure.Obscure(value)
			if err != nil {
				return nil, err
			}
			value = obscured
		}
		c.values[name] = value
	}
	return c, nil
}

// Get implements configmap.Getter.
func (c *config) Get(name string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.values[name]
	return value, ok
}

// Set implements configmap.Setter.
func (c *config) Set(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[name] = value
}

// open opens a backend of rclone.
func (r remote) open(ctx context.Context, env storage.Env) (fs.Fs, error) {
	quiet()
	info, err := fs.Find(r.backend)
	if err != nil {
		return nil, err
	}
	c, err := newConfig(info, r.options)
	if err != nil {
		return nil, err
	}
	if r.prepare != nil {
		preparing.Lock() // rclone keeps one transport for all of Azure until it is told otherwise
		defer preparing.Unlock()
		fshttp.ResetTransport()
		if ctx, err = r.prepare(ctx, env); err != nil {
			return nil, err
		}
	}
	remove, err := r.trust(ctx)
	if err != nil {
		return nil, err
	}
	f, err := info.NewFs(ctx, "backstay", r.root, c)
	if err := errors.Join(err, remove()); err != nil {
		return nil, err
	}
	return f, nil
}

var preparing sync.Mutex

// quiet has rclone's logger, which is one for the whole program, write nothing: what it says may hold secrets, and errors are returned.
// It also keeps rclone from ending the program at a signal, which it would do from the first upload to some stores on.
var quiet = sync.OnceFunc(func() {
	fs.SetLogger(slog.DiscardHandler)
	atexit.IgnoreSignals()
})

// configure returns a context in which rclone works by this remote's rules, whatever its global ones are.
func (r remote) configure(ctx context.Context, proxy string) context.Context {
	ctx, c := fs.AddConfig(ctx)
	c.LowLevelRetries = 1 // trying again is the caller's
	c.ConnectTimeout = fs.Duration(30 * time.Second)
	c.UserAgent = "backstay"
	c.NoGzip = true // a proxy must not pack what is asked for in ranges
	c.HTTPProxy = proxy
	c.InsecureSkipVerify, c.CaCert, c.ClientCert, c.ClientKey = false, nil, "", ""
	c.Headers = nil
	return ctx
}

// trust has rclone trust the certificates of this remote: it wants them in a file, which it reads while it opens. The file is gone
// after remove.
func (r remote) trust(ctx context.Context) (remove func() error, err error) {
	if r.ca == "" || r.prepare != nil {
		return func() error { return nil }, nil
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(r.ca)) { // rclone would end the program
		return nil, errNoCertificate
	}
	f, err := os.CreateTemp("", "backstay-ca-*.pem")
	if err != nil {
		return nil, err
	}
	remove = func() error { return os.Remove(f.Name()) }
	_, err = f.WriteString(r.ca)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, errors.Join(err, remove())
	}
	fs.GetConfig(ctx).CaCert = []string{f.Name()}
	return remove, nil
}
