// Package storagetest says what every storage.Backend owes, as tests, and breaks backends on purpose.
//
// A promise is one entry of the table that Run goes through: a sentence, and a test that fails where it isn't kept. Each
// adapter and each wrapper passes all of them. Faulty is a backend that fails as real ones do: an answer is lost, a
// listing ends early, a file is cut. What it does depends on its seed alone, so that a run that found a bug repeats itself.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/backstay/backstay/storage"
)

// Run tests each promise as a subtest. Open returns an empty backend that the test may fill; what it holds is cleaned up
// by open's own t.Cleanup. A promise that the kind of storage lacks is tested too, and what came of it logged: it is no failure.
func Run(t *testing.T, open func(t *testing.T) storage.Backend, lacks ...storage.Lack) {
	for _, lack := range lacks {
		if !slices.Contains(Promises(), lack.Promise) {
			t.Errorf("there is no promise %q to be lacking", lack.Promise)
		}
	}
	for _, promise := range promises {
		t.Run(promise.says, func(t *testing.T) {
			why, lacking := missing(lacks, promise.says)
			if !lacking {
				promise.test(t, open(t))
				return
			}
			b, probe := open(t), newProbe(t.Context())
			probe.run(func() { promise.test(probe, b) })
			t.Logf("LACK: %s: %s (here %d complaints)", promise.says, why, len(probe.complaints))
		})
	}
}

// Promises lists the sentences.
func Promises() []string {
	var all []string
	for _, promise := range promises {
		all = append(all, promise.says)
	}
	return all
}

func missing(lacks []storage.Lack, promise string) (why string, lacking bool) {
	for _, lack := range lacks {
		if lack.Promise == promise {
			return lack.Why, true
		}
	}
	return "", false
}

var promises = []struct {
	says string
	test func(t T, b storage.Backend)
}{
	{"a saved file is loaded, listed and known at once", savedIsThere},
	{"an empty file is a file", emptyFile},
	{"a big body is stored whole", bigBody},
	{"a body that writes itself is stored like one that is read", bodyThatWritesItself},
	{"a body shorter than announced is refused", shortBody},
	{"a body longer than announced is refused", longBody},
	{"a broken body leaves no file", brokenBody},
	{"a name that is taken keeps its content", noOverwrite},
	{"a name outside the storage is refused", badNames},
	{"a save whose context has ended leaves no file", saveAfterCancel},
	{"a save cancelled half way leaves no file, then or later", saveCancelledHalfWay},
	{"a failed save can be repeated", failedSaveRepeated},

	{"each range of a file can be loaded", ranges},
	{"a range beyond the end is short", shortRange},
	{"a file that was never saved is not found", notFound},
	{"a cancelled call does nothing and says so", cancelledCalls},

	{"a listing of 2,500 files yields each once", longListing},
	{"a listing holds its own folder only", foldersApart},
	{"a listing of a folder that isn't there is empty", emptyListing},
	{"a listing goes into folders", nestedListing},
	{"any name within the storage can be saved", freeNames},
	{"a listing can be left early and begun again", listingLeftEarly},
	{"a listing whose context has ended says so", listingCancelled},
	{"files may be removed while they are listed", removeWhileListing},

	{"a removed file is gone", removedIsGone},
	{"removing a file twice is no error", removedTwice},
	{"a removed name can be saved again", savedAgain},

	{"saves of different names go on side by side", savesSideBySide},
	{"of several saves of one name one succeeds", savesOfOneName},
	{"a file is seen whole or not at all while it is saved", neverSeenInPart},
}

// save saves content under name and ends the test if that fails.
func save(t T, b storage.Backend, name string, content []byte) {
	t.Helper()
	if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
		t.Fatalf("Save(%q) of %d bytes: %v", name, len(content), err)
	}
}

// wantContent fails the test unless the file holds content.
func wantContent(t T, b storage.Backend, name string, content []byte) {
	t.Helper()
	got, err := storage.LoadAll(t.Context(), b, name)
	if err != nil {
		t.Errorf("LoadAll(%q): %v", name, err)
	} else if !bytes.Equal(got, content) {
		t.Errorf("LoadAll(%q) = %d bytes %.20x…, want %d bytes %.20x…", name, len(got), got, len(content), content)
	}
}

// wantNothing fails the test if any trace of the file is there.
func wantNothing(t T, b storage.Backend, name string) {
	t.Helper()
	if info, err := b.Stat(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat(%q) = %v, %v, want ErrNotFound", name, info, err)
	}
	if err := b.Load(t.Context(), name, make([]byte, 1), 0); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Load(%q) = %v, want ErrNotFound", name, err)
	}
	for _, dir := range []string{"data", "keys", "snapshots"} {
		for _, info := range list(t, b, dir) {
			if info.Name == name {
				t.Errorf("List(%q) yields %q, want it left out", dir, name)
			}
		}
	}
}

// list returns a whole listing and ends the test if there is an error in it.
func list(t T, b storage.Backend, dir string) []storage.Info {
	t.Helper()
	var infos []storage.Info
	for info, err := range b.List(t.Context(), dir) {
		if err != nil {
			t.Fatalf("List(%q): %v", dir, err)
		}
		infos = append(infos, info)
	}
	return infos
}

// name returns the i-th of many names of packs.
func name(i int) string { return pack(i%256, i) }

// pack returns a name as packs have it: the folder is called after its first digits.
func pack(folder, i int) string { return fmt.Sprintf("data/%02x/%02x%062x", folder, folder, i) }

// pattern returns n bytes, none of which stands where another file would have it.
func pattern(seed, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(seed + i*7 + i>>8*13 + i>>16*31)
	}
	return p
}

// bodyOf announces size bytes and yields what r does.
func bodyOf(size int64, r func() io.Reader) storage.Body { return storage.Body{Size: size, Open: r} }

// readerFunc is a reader made of a function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// errGone is the cause of the contexts that are cancelled here.
var errGone = errors.New("the caller is gone")

// gone returns a context that has ended.
func gone(t T) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGone)
	return ctx
}
