//go:build linux

package conformance

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
)

// oddLock is a file among the locks, and what each side does that meets it: at work that takes a shared lock, at work that takes an
// exclusive one, and at unlock. At work a side runs, finds itself locked out by it, stops because it can't read it, or panics. All
// of them are removed by unlock --remove-all of each side.
type oddLock struct {
	name           string
	file           func(t *testing.T, s *site) []byte // its bytes as stored
	old, new, ours string                             // restic 0.14, restic 0.19 and Backstay: "runs locked leaves"
	says           string                             // where restic 0.19 stops: a part of the reason
	why            string                             // where we differ from restic 0.19: our reason
}

func oddLocks(t *testing.T) []oddLock {
	return append(soundLocks(t), strangeLocks()...)
}

// soundLocks are locks as both sides write them, whose owner may be gone. They lock out until somebody removes them by hand.
func soundLocks(t *testing.T) (rows []oddLock) {
	here, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const there = "elsewhere.example"
	living, dead := os.Getpid(), deadProcess(t)
	for _, c := range []struct {
		name   string
		age    time.Duration
		host   string
		pid    int
		unlock string // of both sides
		ours   string // if ours is another
		why    string
	}{
		{"young, of another host", 0, there, 1, "leaves", "", ""},
		{"young, of another host, by a process that is dead here", 0, there, dead, "leaves", "", ""},
		{"young, of a living process", 0, here, living, "leaves", "", ""},
		{"young, of a dead process", 0, here, dead, "removes", "", ""},
		{"23 minutes old, when its owner has given up", 23 * time.Minute, there, 1, "leaves", "", ""},
		{"31 minutes old", 31 * time.Minute, there, 1, "removes", "", ""},
		{"31 minutes old, of a living process", 31 * time.Minute, here, living, "removes", "", ""},
		{"40 minutes in the future", -40 * time.Minute, there, 1, "leaves", "", ""},
		{"40 minutes in the future, of a dead process", -40 * time.Minute, here, dead, "removes", "", ""},
		{"a century in the future", -36525 * 24 * time.Hour, there, 1, "leaves", "", ""},
		{"of no host", 0, "", 1, "leaves", "", ""},
		{"of a process group", 0, here, -2147483647, "removes", "leaves", "a number below 0 names a group of processes: we neither signal one nor call it dead"},
	} {
		lock := repo.LockInfo{Time: time.Now().Add(-c.age), Hostname: c.host, Username: "u", PID: c.pid, UID: 1000, GID: 1000}
		for mode, work := range map[repo.LockMode]string{repo.Shared: "runs locked ", repo.Exclusive: "locked locked "} {
			lock.Exclusive = mode == repo.Exclusive
			row := oddLock{name: mode.String() + ", " + c.name, file: compressed(string(marshal(t, lock))), why: c.why}
			row.old, row.new, row.ours = work+c.unlock, work+c.unlock, work+c.unlock
			if c.ours != "" {
				row.ours = work + c.ours
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// Why we differ.
const (
	otherKind = "whoever sealed it has the key and says that it is no lock: a genuine file in the wrong folder must not stop work for good"
	noTime    = "without a time nobody knows how old it is: only a person removes it, with --remove-all"
	noCrash   = "we don't crash"
)

// strangeLocks are files that are no sound locks. What can't be opened, unpacked or understood stops us, as it may be a
// lock.
func strangeLocks() []oddLock {
	valid := func() string {
		return fmt.Sprintf(`{"time":%q,"exclusive":true,"hostname":"elsewhere.example","username":"u","pid":1,"uid":1000}`, time.Now().Format(time.RFC3339Nano))
	}
	with := func(old, new string) func(t *testing.T, s *site) []byte {
		return func(t *testing.T, s *site) []byte {
			changed := strings.Replace(valid(), old, new, 1)
			if changed == valid() {
				t.Fatalf("no %q to replace", old)
			}
			return s.seal(t, []byte(changed))
		}
	}
	const tree = `"tree":"ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8","paths":["/"],"hostname":"h"`
	const ignored, locked, stops = "runs runs leaves", "locked locked leaves", "stops stops leaves"
	return []oddLock{
		{"not compressed", with(`"uid":1000`, `"uid":0`), locked, locked, locked, "", ""},
		{"with more fields", with(`{`, `{"more":[{}],`), locked, locked, locked, "", ""},
		{"exclusive told twice", with(`"exclusive":true`, `"exclusive":false,"exclusive":true`), locked, locked, locked, "", ""},
		{"exclusive is null", with(`"exclusive":true`, `"exclusive":null`), "runs locked leaves", "runs locked leaves", "runs locked leaves", "", ""},

		{"a process of number 0", with(`"pid":1`, `"pid":0`), locked, locked, locked, "", ""},
		{"no time", with(`"time"`, `"when"`), "locked locked removes", "locked locked removes", locked, "", noTime},
		{"an empty object", sealed(`{}`), "runs locked removes", "runs locked removes", "runs locked leaves", "", noTime},
		{"an index", compressed(`{"packs":[]}`), "runs locked removes", "runs locked removes", ignored, "", otherKind},
		{"an old snapshot", compressed(`{"time":"2020-01-01T00:00:00Z",` + tree + `}`), "runs locked removes", "runs locked removes", ignored, "", otherKind},
		{"a snapshot of the future", compressed(`{"time":"2220-01-01T00:00:00Z",` + tree + `}`), "runs locked leaves", "runs locked leaves", ignored, "", otherKind},

		{"a list", sealed(`[]`), ignored, stops, stops, "cannot unmarshal array", ""},
		{"the time is a number", with(`"time":`, `"time":1,"was":`), ignored, stops, stops, "Time.UnmarshalJSON", ""},
		{"exclusive is a text", with(`"exclusive":true`, `"exclusive":"yes"`), ignored, stops, stops, "cannot unmarshal string", ""},
		{"the process is a text", with(`"pid":1`, `"pid":"1"`), ignored, stops, stops, "cannot unmarshal string", ""},
		{"the user is below 0", with(`"uid":1000`, `"uid":-1`), ignored, stops, stops, "cannot unmarshal number -1", ""},
		{"something after it", with(`"uid":1000}`, `"uid":1000}}`), ignored, stops, stops, "after top-level value", ""},
		{"cut off", sealed(`{"time":`), ignored, stops, stops, "unexpected end of JSON input", ""},

		{"null", sealed(`null`), ignored, stops, stops, "not supported encoding format", ""},
		{"a text", sealed(`"lock"`), ignored, stops, stops, "not supported encoding format", ""},
		{"no JSON", sealed(`hello`), ignored, stops, stops, "not supported encoding format", ""},
		{"an empty box", sealed(``), ignored, stops, stops, "unexpected end of JSON input", ""},
		{"not a zstd frame", sealed("\x02hello"), ignored, stops, stops, "magic number mismatch", ""},
		{"sealed with another key", sealedElsewhere, ignored, stops, stops, "ciphertext verification failed", ""},
		{"garbage", raw(strings.Repeat("garbage ", 20)), ignored, stops, stops, "ciphertext verification failed", ""},

		{"garbage shorter than a box", raw("garbage"), "panics panics leaves", "panics panics leaves", stops, "", noCrash},
		{"an empty file", raw(""), "panics panics leaves", ignored, ignored, "", ""},
	}
}

func raw(p string) func(*testing.T, *site) []byte {
	return func(*testing.T, *site) []byte { return []byte(p) }
}

func sealed(p string) func(*testing.T, *site) []byte {
	return func(t *testing.T, s *site) []byte { return s.seal(t, []byte(p)) }
}

func compressed(p string) func(*testing.T, *site) []byte {
	return func(t *testing.T, s *site) []byte { return s.seal(t, append([]byte{2}, frame(t, []byte(p))...)) }
}

func sealedElsewhere(t *testing.T, _ *site) []byte {
	key, err := crypto.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box, err := key.Seal(nil, bytes.Repeat([]byte("{}"), 50), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return box
}
