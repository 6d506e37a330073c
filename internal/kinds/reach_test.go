package kinds

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/internal/guard/guardtest"
	"github.com/backstay/backstay/internal/kinds/kindstest"
	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
)

// listen counts who connects to this machine.
func listen(t *testing.T) (port string, hits *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	hits = new(atomic.Int32)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			_ = c.Close()
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, hits
}

// TestNoClientReachesAnAddressThatIsNotPublic points every kind of storage, of source and of channel to every form of a private address.
func TestNoClientReachesAnAddressThatIsNotPublic(t *testing.T) {
	port, hits := listen(t)
	opt := Options{Guard: &guard.Guard{}}
	tried, forbidden := 0, map[string]int{}
	try := func(what, host string, do func(context.Context) error) (refused bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		tried++
		switch err := do(ctx); {
		case err == nil:
			t.Errorf("%s reaches %s", what, host)
		case errors.Is(err, guard.ErrForbidden):
			forbidden[what]++
			return true
		}
		return false
	}
	var whats []string
	for _, host := range guardtest.Hosts {
		for _, p := range Storages() {
			location, v, ok := kindstest.Storage(p.Kind, host, port)
			if !ok {
				continue
			}
			whats = append(whats, "storage "+p.Kind)
			refused := try("storage "+p.Kind, host, func(ctx context.Context) error {
				b, err := OpenBare(location, with(opt, v))
				if err == nil {
					_, err = b.Stat(ctx, "config")
				}
				return err
			})
			if _, err := Browse(location, with(opt, v)); errors.Is(err, ErrUnknown) {
				continue
			}
			whats = append(whats, "source "+p.Kind)
			if refused { // a name that nobody knows is looked up again and again
				try("source "+p.Kind, host, func(ctx context.Context) error { return readFirst(ctx, p.Kind, location, v, opt) })
			}
		}
		for _, p := range Channels() {
			v, ok := kindstest.Channel(p.Kind, host, port)
			if !ok {
				t.Fatalf("kindstest doesn't know the kind of channel %q", p.Kind)
			}
			whats = append(whats, "channel "+p.Kind)
			try("channel "+p.Kind, host, func(ctx context.Context) error {
				c, err := OpenChannel(p.Kind, v, opt)
				if err == nil {
					err = c.Send(ctx, notifytest.Message("m1"))
				}
				return err
			})
		}
	}
	slices.Sort(whats)
	for _, what := range slices.Compact(whats) {
		if forbidden[what] < len(guardtest.Hosts)/2 {
			t.Errorf("%s: only %d of %d addresses were refused by the guard, and not by chance", what, forbidden[what], len(guardtest.Hosts))
		}
	}
	if hits.Load() != 0 {
		t.Errorf("%d of %d tries reached this machine", hits.Load(), tried)
	}
	t.Logf("S9: %d tries of %d clients, %d reached", tried, len(slices.Compact(whats)), hits.Load())
}

func with(opt Options, v settings.Values) Options {
	opt.Settings = v
	return opt
}

// readFirst begins to read a folder of a storage.
func readFirst(ctx context.Context, kind, location string, v settings.Values, opt Options) error {
	var lines []string
	for name, value := range v {
		lines = append(lines, kind+"."+name+"="+value)
	}
	src, _, err := OpenSource("remote", settings.Values{"location": location, "options": strings.Join(lines, "\n")}, source.Part{}, opt, func(string) {})
	if err != nil {
		return err
	}
	view, err := src.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = view.Close() }()
	for _, err := range view.Entries(ctx) {
		return err
	}
	return nil
}

func TestEveryKindOfStorageIsKnownToTheTestsOfWhatIsReached(t *testing.T) {
	for _, p := range Storages() {
		_, _, pointed := kindstest.Storage(p.Kind, "h", "1")
		own, fixed := slices.Contains(kindstest.Own, p.Kind), slices.Contains(kindstest.Fixed, p.Kind)
		if !pointed && !own && !fixed {
			t.Errorf("kindstest doesn't know the kind of storage %q", p.Kind)
		}
		for _, f := range p.Fields {
			if fixed && (strings.Contains(f.Name, "endpoint") || strings.Contains(f.Name, "url") || strings.Contains(f.Name, "host") || strings.Contains(f.Name, "server")) {
				t.Errorf("%s: setting %q says where it is, and kindstest says that nobody does", p.Kind, f.Name)
			}
			if own && f.Required && !f.Local {
				t.Errorf("%s: setting %q isn't said to be of this machine", p.Kind, f.Name)
			}
		}
	}
}

// TestWhatTheMachineHasIsUsedByItsAdministratorsOnly leaves keys out, or names a file in their place.
func TestWhatTheMachineHasIsUsedByItsAdministratorsOnly(t *testing.T) {
	for location, v := range map[string]settings.Values{
		"s3:https://s3.example.org/bucket": {},
		"s3:https://s3.example.org/b":      {"role-arn": "arn:aws:iam::1:role/x", "sts-endpoint": "https://sts.example.org"},
		"azure:container:/x":               {"account": "a", "endpoint": "https://evil.example.org"},
		"gs:bucket:/x":                     {"credentials": "/etc/key.json", "endpoint": "https://evil.example.org/"},
	} {
		var wrong *settings.Error
		if _, err := OpenBare(location, Options{Settings: v, Guard: &guard.Guard{}}); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "administrator") {
			t.Errorf("%s = %v, want that only an administrator may", location, err)
		}
		if _, err := OpenBare(location, Options{Settings: v}); errors.As(err, &wrong) {
			t.Errorf("%s at the machine itself = %v", location, err)
		}
	}
}
