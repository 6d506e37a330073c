package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/remote"
	"github.com/backstay/backstay/source/sourcetest"
	"github.com/backstay/backstay/storage"
)

// place is a folder in memory, whose folders are those on the way to its files.
type place struct {
	files  map[string]string
	broken map[string]error // of folders and files
	odd    map[string][]entry.Meta
	loads  atomic.Int32
}

func (p *place) ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error] {
	return func(yield func(entry.Meta, error) bool) {
		seen := make(map[string]bool)
		for name := range p.files {
			rest, below := strings.CutPrefix(name, dir+"/")
			if dir == "." {
				rest, below = name, true
			}
			if !below || ctx.Err() != nil {
				continue
			}
			first, _, deeper := strings.Cut(rest, "/")
			if seen[first] {
				continue
			}
			seen[first] = true
			m := entry.Meta{Name: first, Type: entry.Dir}
			if !deeper {
				m, _ = p.Lookup(ctx, name)
			}
			if !yield(m, nil) {
				return
			}
		}
		for _, m := range p.odd[dir] {
			if !yield(m, nil) {
				return
			}
		}
		if err := errors.Join(p.broken[dir], context.Cause(ctx)); err != nil {
			yield(entry.Meta{}, err)
		}
	}
}

var then = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (p *place) Lookup(_ context.Context, name string) (entry.Meta, error) {
	content, ok := p.files[name]
	if !ok {
		return entry.Meta{}, storage.ErrNotFound
	}
	return entry.Meta{Name: path.Base(name), Type: entry.File, Size: uint64(len(content)), ModTime: then}, nil
}

func (p *place) Load(_ context.Context, name string, b []byte, offset int64) error {
	p.loads.Add(1)
	if err := p.broken[name]; err != nil {
		return err
	}
	if n := copy(b, p.files[name][offset:]); n < len(b) {
		return storage.ErrShort
	}
	return nil
}

// sample is a place with a large file, folders in folders, and names that sort otherwise with a slash behind them.
func sample() *place {
	p := &place{files: map[string]string{"a/x": "in a", "a-b": "beside a", "a/b/c/d/e": "deep", "z": "", "large": strings.Repeat("0123456789", 1000)}}
	for i := range 200 {
		p.files[fmt.Sprintf("many/%d/f%d", i%20, i)] = fmt.Sprint("file ", i)
	}
	return p
}

func small(p *place) *remote.Source { return remote.New(p, remote.Options{Piece: 777}) }

func TestRemoteKeepsThePromisesOfASource(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{
		New:      func(*testing.T) source.Source { return small(sample()) },
		Contents: sample().files,
		Lossy: func(*testing.T) (source.Source, string) {
			p := sample()
			p.broken = map[string]error{"a/b": errors.New("the server broke off")}
			return small(p), "a/b"
		},
	})
}

// paths returns what a source yields, with "lost: " before what it lost.
func paths(t *testing.T, p *place) (all []string, end error) {
	t.Helper()
	v, err := small(p).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range v.Entries(t.Context()) {
		var lost *entry.Error
		switch {
		case errors.As(err, &lost):
			all = append(all, "lost: "+lost.Path)
		case err != nil:
			end = err
		default:
			all = append(all, e.Path)
		}
	}
	return all, end
}

func TestWhatCannotBeAnEntryIsLostAndTheRestIsNot(t *testing.T) {
	p := &place{files: map[string]string{"b": "file", "d/e": "file"}, odd: map[string][]entry.Meta{
		".": {{Name: "b", Type: entry.Dir}, {Name: "..", Type: entry.Dir}, {Name: "x/y", Type: entry.File}, {Name: "", Type: entry.File}, {Name: "s", Type: entry.Socket}, {Name: "unknown"}},
		"d": {{Name: "l", Type: entry.Symlink, LinkTarget: "e"}},
	}}
	got, err := paths(t, p)
	want := []string{`lost: ""`, `lost: ".."`, "b", "lost: b", "d", "d/e", "d/l", "lost: unknown", `lost: "x/y"`}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Entries = %v (-want +got)\n%s", err, diff)
	}
}

func TestAFolderThatCannotBeListedIsAnErrorAndNotEmpty(t *testing.T) {
	broken := errors.New("no such share")
	if got, err := paths(t, &place{broken: map[string]error{".": broken}}); !errors.Is(err, broken) || len(got) > 0 {
		t.Errorf("Entries = %q, %v, want the error alone", got, err)
	}
	p := sample()
	p.broken = map[string]error{"many/3": broken}
	got, err := paths(t, p)
	lost := 0
	for _, path := range got {
		if strings.HasPrefix(path, "many/3/") {
			t.Errorf("Entries yields %q of a listing that broke off", path)
		}
		if path == "lost: many/3" {
			lost++
		}
	}
	if lost != 1 || err != nil {
		t.Errorf("a folder whose listing broke off is lost %d times, %v", lost, err)
	}
}

// find returns an entry.
func find(t *testing.T, p *place, path string) entry.Entry {
	t.Helper()
	v, err := small(p).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range v.Entries(t.Context()) {
		if err == nil && e.Path == path {
			return e
		}
	}
	t.Fatalf("there is no %q", path)
	return entry.Entry{}
}

func TestAFileIsReadInPiecesAndAnErrorIsNoEnd(t *testing.T) {
	p := sample()
	e := find(t, p, "large")
	r, err := e.Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, []byte(p.files["large"])) || p.loads.Load() != 13 {
		t.Errorf("read %d bytes in %d pieces, %v, want 10,000 in 13", len(got), p.loads.Load(), err)
	}
	if changed, err := r.(entry.FileReader).Changed(); changed || err != nil {
		t.Errorf("Changed = %t, %v", changed, err)
	}
	p.files["large"] += "more"
	if changed, err := r.(entry.FileReader).Changed(); !changed || err != nil {
		t.Errorf("Changed after more was written = %t, %v", changed, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	p.files["large"] = "short"
	if r, err = e.Content.Open(t.Context()); err == nil {
		_, err = io.ReadAll(r)
		_ = r.Close()
	}
	if !errors.Is(err, storage.ErrShort) {
		t.Errorf("reading a file that became shorter = %v, want ErrShort", err)
	}
}

func TestWhatAServerDoesNotTellIsTheSameEachTime(t *testing.T) {
	e := find(t, sample(), "a")
	if !e.ModTime.Equal(time.Unix(0, 0)) || e.Mode != fs.ModeDir|0o755 {
		t.Errorf("a folder without time and mode has %v, %v", e.ModTime, e.Mode)
	}
	if e = find(t, sample(), "z"); e.Mode != 0o644 || !e.ModTime.Equal(then) || !e.ChangeTime.Equal(then) || e.Links != 1 {
		t.Errorf("a file without mode has %v, times %v, %v, %d links", e.Mode, e.ModTime, e.ChangeTime, e.Links)
	}
}

func TestWhatIsExcludedIsNotEvenListed(t *testing.T) {
	p := sample()
	p.broken = map[string]error{"many": errors.New("it was listed")}
	src := remote.New(p, remote.Options{Exclude: func(path string, dir bool) bool { return path == "many" && dir || path == "a/b/c" || path == "z" }})
	v, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Errorf("Entries yields %v", err)
		}
		got = append(got, e.Path)
	}
	if diff := cmp.Diff([]string{"a", "a/b", "a/x", "a-b", "large"}, got); diff != "" {
		t.Errorf("Entries (-want +got)\n%s", diff)
	}
}
