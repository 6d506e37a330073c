package rclone_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/test/servers"
)

// imitated is a kind of storage with its double.
type imitated struct {
	storage.Provider
	*servers.Double
	values settings.Values
	busy   func(after int) servers.DoubleFault // how it says that it is asked too much
	upload string                              // what the path of a request with content holds
	page   string                              // what the path of a request for a listing holds
}

// imitations starts a double of each kind.
func imitations(t *testing.T) []imitated {
	t.Helper()
	b, x, o, d := servers.NewB2(t), servers.NewDropbox(t), servers.NewOneDrive(t), servers.NewDrive(t)
	return []imitated{
		{rclone.B2, b.Double, b2At(b), func(after int) servers.DoubleFault {
			return servers.Refusing(429, after, `{"status":429,"code":"too_many_requests","message":"slow down"}`)
		}, "/b2_upload_file/", "/b2_list_file_names"},
		{rclone.Dropbox, x.Double, oauthAt(x.OAuth, x.Double), func(after int) servers.DoubleFault {
			return servers.Refusing(429, after, `{"error_summary":"too_many_requests/..","error":{"reason":{".tag":"too_many_requests"},"retry_after":`+string(rune('0'+after))+`}}`)
		}, "/2/files/upload", "/list_folder"},
		{rclone.OneDrive, o.Double, onedriveAt(o), func(after int) servers.DoubleFault {
			return servers.Refusing(429, after, `{"error":{"code":"activityLimitReached","message":"throttled"}}`)
		}, "/up/", "/children"},
		{rclone.Drive, d.Double, oauthAt(d.OAuth, d.Double), func(int) servers.DoubleFault {
			return servers.Refusing(403, 0, `{"error":{"code":403,"message":"User Rate Limit Exceeded","errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded"}]}}`)
		}, "/upload/drive/v3/files", "/drive/v3/files"},
	}
}

// random returns content that no two tests share.
func random(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(p)
	return p
}

func path(part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.Contains(r.URL.Path, part) }
}

// isUpload holds for the requests that carry content, not for those that list at the same path.
func (i imitated) isUpload(r *http.Request) bool {
	return r.Method != http.MethodGet && path(i.upload)(r)
}

func TestThrottlingIsBusyOrPassesNeverPermanent(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		b := begun(t, kind.Provider, kind.values, kind)
		if err := b.Save(t.Context(), "keys/a", storage.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		kind.Break(servers.On(func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, "token") }, kind.busy(2)))
		_, err := b.Stat(t.Context(), "keys/a")
		busy := (*storage.BusyError)(nil)
		if kind.Kind == "drive" { // it doesn't say for how long
			if err == nil || errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: Stat while throttled = %v, want an error that passes", kind.Kind, err)
			}
			continue
		}
		if !errors.As(err, &busy) || busy.After != 2*time.Second {
			t.Errorf("%s: Stat while throttled = %v, want a BusyError of 2 s", kind.Kind, err)
		}
	}
}

func TestThrottledCallsAreRepeated(t *testing.T) {
	for _, kind := range imitations(t) {
		t.Run(kind.Kind, func(t *testing.T) {
			t.Parallel()
			b := retry.New(begun(t, kind.Provider, kind.values, kind), retry.Options{Clock: clock.System})
			var calls atomic.Int32
			kind.Break(servers.On(func(*http.Request) bool { return calls.Add(1) <= 3 }, kind.busy(1)))
			content := random(300_000)
			if err := b.Save(t.Context(), "data/00/a", storage.Bytes(content)); err != nil {
				t.Fatal(err)
			}
			kind.Break(nil)
			if got, err := storage.LoadAll(t.Context(), b, "data/00/a"); err != nil || !bytes.Equal(got, content) {
				t.Errorf("LoadAll = %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestABrokenUploadLeavesNothingOrAll(t *testing.T) {
	for name, fault := range map[string]servers.DoubleFault{
		"cut at once":     servers.CutRequest(0),
		"cut in the body": servers.CutRequest(100_000),
		"lost answer":     servers.CutRequest(1 << 30),
		"500":             servers.Refusing(500, 0, "{}"),
		"cut answer":      servers.CutReply(10),
	} {
		for _, kind := range imitations(t) {
			t.Run(name+"/"+kind.Kind, func(t *testing.T) {
				t.Parallel()
				b := begun(t, kind.Provider, kind.values, kind)
				content := random(1 << 20)
				kind.Break(servers.On(kind.isUpload, fault))
				err := b.Save(t.Context(), "data/00/a", storage.Bytes(content))
				if err == nil || errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrExists) {
					t.Errorf("Save = %v, want an error that passes", err)
				}
				if kind.Kind == "onedrive" && err != nil && strings.Contains(err.Error(), "/up/") {
					t.Errorf("the error of Save shows the address of the upload, which lets in everybody: %v", err)
				}
				kind.Break(nil)
				switch got, err := storage.LoadAll(t.Context(), b, "data/00/a"); {
				case errors.Is(err, storage.ErrNotFound):
				case err != nil || !bytes.Equal(got, content):
					t.Errorf("LoadAll after a broken Save = %d bytes, %v, want all or nothing", len(got), err)
				case kind.Kind != "b2" || name != "lost answer" && name != "cut answer":
					t.Error("the file is there after a broken Save") // only B2 has it by then: it knows no renaming
				}
				if err := b.Save(t.Context(), "data/00/a", storage.Bytes(content)); err != nil && !errors.Is(err, storage.ErrExists) {
					t.Errorf("Save again: %v", err)
				}
				if got, err := storage.LoadAll(t.Context(), b, "data/00/a"); err != nil || !bytes.Equal(got, content) {
					t.Errorf("LoadAll after Save again = %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

func TestAListingThatBreaksOffIsAnError(t *testing.T) {
	for _, kind := range imitations(t) {
		t.Run(kind.Kind, func(t *testing.T) {
			t.Parallel()
			b := begun(t, kind.Provider, kind.values, kind)
			for i := range 150 { // more than a page
				if err := b.Save(t.Context(), "keys/"+string(rune('0'+i/100))+string(rune('0'+i/10%10))+string(rune('0'+i%10)), storage.Bytes(nil)); err != nil {
					t.Fatal(err)
				}
			}
			for _, fault := range []servers.DoubleFault{servers.Refusing(500, 0, "{}"), servers.CutReply(200)} {
				var pages atomic.Int32
				kind.Break(servers.On(func(r *http.Request) bool {
					return path(kind.page)(r) && !strings.Contains(r.FormValue("q"), "name=") && pages.Add(1) > 1
				}, fault))
				var last error
				for _, err := range b.List(t.Context(), "keys") {
					last = err
				}
				if last == nil || pages.Load() < 2 {
					t.Errorf("List ended after %d pages with %v, want an error", pages.Load(), last)
				}
			}
		})
	}
}

func TestACutDownloadIsAnError(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		b := begun(t, kind.Provider, kind.values, kind)
		content := random(200_000)
		if err := b.Save(t.Context(), "data/00/a", storage.Bytes(content)); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, len(content))
		kind.Break(servers.CutReply(100_000))
		if err := b.Load(t.Context(), "data/00/a", p, 0); err == nil || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrPermanent) {
			t.Errorf("%s: Load over a connection that breaks = %v, want an error that passes", kind.Kind, err)
		}
		kind.Break(nil)
		if err := b.Load(t.Context(), "data/00/a", p, 0); err != nil || !bytes.Equal(p, content) {
			t.Errorf("%s: Load afterwards: %v", kind.Kind, err)
		}
	}
}

func TestACallEndsWithItsContextWhileThrottled(t *testing.T) {
	for _, kind := range imitations(t) {
		t.Run(kind.Kind, func(t *testing.T) {
			t.Parallel()
			b := begun(t, kind.Provider, kind.values, kind)
			kind.Break(kind.busy(9))
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				start := time.Now()
				if _, err := b.Stat(ctx, "keys/a"); err == nil {
					t.Error("Stat while throttled = nil error")
				}
				cancel()
				if took := time.Since(start); took > 2*time.Second {
					t.Fatalf("Stat took %v after its context ended at 300ms", took)
				}
			}
		})
	}
}

// tomorrow is a clock that is 25 hours ahead.
type tomorrow struct{ clock.Clock }

func (c tomorrow) Now() time.Time { return c.Clock.Now().Add(25 * time.Hour) }

func TestWhatAKilledProgramLeftIsSweptADayLater(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		if kind.Kind == "b2" { // leaves nothing
			continue
		}
		broken := servers.On(func(r *http.Request) bool { // renaming and removing
			return r.Method == http.MethodPatch || r.Method == http.MethodDelete || path("/move_v2")(r) || path("/delete_v2")(r)
		}, servers.Refusing(500, 0, "{}"))
		today := begun(t, kind.Provider, kind.values, kind).(storage.Sweeper)
		e := env()
		e.Dial, e.Clock = kind.Dial, tomorrow{clock.System}
		later := open(t, kind.Provider, kind.values, e).(storage.Sweeper)

		kind.Break(broken)
		if err := openDouble(t, kind.Provider, kind.values, kind).Save(t.Context(), "data/00/a", storage.Bytes([]byte("x"))); err == nil {
			t.Fatalf("%s: Save without renaming = nil error", kind.Kind)
		}
		if err := today.Sweep(t.Context()); err != nil {
			t.Errorf("%s: Sweep of what is young tries to remove it: %v", kind.Kind, err)
		}
		if err := later.Sweep(t.Context()); err == nil {
			t.Errorf("%s: Sweep a day later removes nothing", kind.Kind)
		}
		kind.Break(nil)
		if err := later.Sweep(t.Context()); err != nil {
			t.Errorf("%s: Sweep: %v", kind.Kind, err)
		}
		kind.Break(broken)
		if err := later.Sweep(t.Context()); err != nil {
			t.Errorf("%s: Sweep again still finds something to remove: %v", kind.Kind, err)
		}
	}
}

func TestALostAnswerToARenameLeavesTheWholeFile(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		if kind.Kind == "b2" { // doesn't rename
			continue
		}
		b := begun(t, kind.Provider, kind.values, kind)
		content := random(200_000)
		kind.Break(servers.On(func(r *http.Request) bool { return r.Method == http.MethodPatch || path("/move_v2")(r) }, servers.CutRequest(1<<30)))
		if err := b.Save(t.Context(), "data/00/a", storage.Bytes(content)); err == nil || errors.Is(err, storage.ErrExists) {
			t.Errorf("%s: Save whose answer is lost = %v, want an error that passes", kind.Kind, err)
		}
		kind.Break(nil)
		if err := b.Save(t.Context(), "data/00/a", storage.Bytes(content)); !errors.Is(err, storage.ErrExists) {
			t.Errorf("%s: Save again = %v, want ErrExists", kind.Kind, err)
		}
		if got, err := storage.LoadAll(t.Context(), b, "data/00/a"); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: LoadAll = %d bytes, %v", kind.Kind, len(got), err)
		}
	}
}

func TestOfTwoProgramsThatSaveOneNameAtMostOneSucceeds(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		if kind.Kind == "b2" { // lacks it
			continue
		}
		programs := []storage.Backend{begun(t, kind.Provider, kind.values, kind), openDouble(t, kind.Provider, kind.values, kind)}
		for round := range 10 { // from the second on the folder is there
			name := "keys/" + string(rune('a'+round))
			saved := make([]error, len(programs))
			var wg sync.WaitGroup
			for i, b := range programs {
				wg.Go(func() { saved[i] = b.Save(t.Context(), name, storage.Bytes([]byte{byte(i)})) })
			}
			wg.Wait()
			got, err := storage.LoadAll(t.Context(), programs[0], name)
			for i, other := range saved {
				if other == nil && (err != nil || got[0] != byte(i)) {
					t.Errorf("%s: the program that saved %q finds %v, %v", kind.Kind, name, got, err)
				}
			}
			if saved[0] == nil && saved[1] == nil {
				t.Errorf("%s: both programs saved %q", kind.Kind, name)
			}
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: LoadAll after two saves: %v", kind.Kind, err)
			}
		}
	}
}

func TestAFolderThatAnotherProgramMadeAtTheSameMomentIsNoFile(t *testing.T) {
	d := servers.NewOneDrive(t)
	b := begun(t, rclone.OneDrive, onedriveAt(d), d)
	d.Break(servers.On(func(r *http.Request) bool { return r.Method == http.MethodPost && path("/children")(r) },
		servers.Refusing(409, 0, `{"error":{"code":"nameAlreadyExists","message":"taken"}}`)))
	if err := b.Save(t.Context(), "data/00/a", storage.Bytes([]byte("x"))); err == nil || errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Save = %v, want an error that passes", err)
	}
}

func TestProgramsBeginARepositoryTogether(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		begun(t, kind.Provider, kind.values, kind)
		var wg sync.WaitGroup
		const programs, folders = 3, 12
		for i := range programs {
			b := retry.New(openDouble(t, kind.Provider, kind.values, kind), retry.Options{Clock: clock.System})
			if _, err := b.Stat(t.Context(), "config"); !errors.Is(err, storage.ErrNotFound) { // all are ready to go
				t.Fatal(err)
			}
			wg.Go(func() {
				for folder := range folders {
					if err := b.Save(t.Context(), fmt.Sprintf("data/%02x/%d", folder, i), storage.Bytes([]byte("x"))); err != nil {
						t.Errorf("%s: %v", kind.Kind, err)
					}
				}
			})
		}
		wg.Wait()
		files := 0
		for _, err := range openDouble(t, kind.Provider, kind.values, kind).List(t.Context(), "data") {
			if err != nil {
				t.Fatalf("%s: %v", kind.Kind, err)
			}
			files++
		}
		if files != programs*folders {
			t.Errorf("%s: List yields %d files, want %d", kind.Kind, files, programs*folders)
		}
	}
}

func TestAnUploadWhoseSessionIsForgottenIsBegunAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		body := map[string]string{"drive": `{"error":{"code":404,"errors":[{"reason":"notFound"}]}}`, "onedrive": `{"error":{"code":"itemNotFound"}}`}[kind.Kind]
		if body == "" { // has no sessions, or uses none
			continue
		}
		b := retry.New(begun(t, kind.Provider, kind.values, kind), retry.Options{Clock: clock.System})
		var calls atomic.Int32
		kind.Break(servers.On(func(r *http.Request) bool {
			return (r.URL.Query().Has("upload_id") || path("/up/")(r)) && calls.Add(1) == 1
		}, servers.Refusing(404, 0, body)))
		if err := b.Save(t.Context(), "data/00/a", storage.Bytes(random(6<<20))); err != nil || calls.Load() < 2 {
			t.Errorf("%s: Save = %v after %d requests of sessions", kind.Kind, err, calls.Load())
		}
	}
}
