package archiver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
)

func TestFilesOfAnySizeAreCutWhereTheyShouldBe(t *testing.T) {
	b := newBench(t)
	content := randomBytes(1, 3*chunker.MaxSize)
	calm := bytes.Repeat([]byte{1}, chunker.MaxSize+chunker.MinSize) // has no boundary
	for _, size := range []int{0, 1, chunker.MinSize - 1, chunker.MinSize, chunker.MinSize + 1, chunker.MinSize + 2, 1 << 20, chunker.MaxSize} {
		b.file(fmt.Sprintf("random-%d", size), content[:size])
		b.file(fmt.Sprintf("zero-%d", size), make([]byte, size))
	}
	for _, size := range []int{chunker.MaxSize - 1, chunker.MaxSize, chunker.MaxSize + 1, len(calm)} {
		b.file(fmt.Sprintf("calm-%d", size), calm[:size])
	}
	b.file("large", content)
	b.archive(crypto.ID{})
}

// opener makes a reader of a file that is none of those with holes.
func opener(r io.Reader) func() (entry.FileReader, error) {
	return func() (entry.FileReader, error) { return &sparse{Reader: r}, nil }
}

// sparse is a file in pieces.
type sparse struct {
	io.Reader
	next    func(offset int64) int64
	skip    func(offset int64)
	changed bool
	closing error
}

func (s *sparse) NextData(offset int64) (int64, error) {
	if s.next == nil {
		return offset, nil
	}
	return s.next(offset), nil
}

func (s *sparse) SkipTo(offset int64)    { s.skip(offset) }
func (s *sparse) Changed() (bool, error) { return s.changed, nil }
func (s *sparse) Close() error           { return s.closing }

func TestFilesThatAreReadInOddPiecesAreTheSame(t *testing.T) {
	b := newBench(t)
	content := randomBytes(1, 1<<20)
	for name, r := range map[string]io.Reader{
		"small, byte by byte": iotest.OneByteReader(bytes.NewReader(content[:1000])),
		"half of each":        iotest.HalfReader(bytes.NewReader(content)),
		"end with the data":   iotest.DataErrReader(bytes.NewReader(content[:chunker.MinSize+1])),
		"no size known":       io.MultiReader(bytes.NewReader(content)),
	} {
		data := content
		if strings.HasPrefix(name, "small") {
			data = content[:1000]
		} else if strings.HasPrefix(name, "end") {
			data = content[:chunker.MinSize+1]
		}
		b.file(name, data).open = opener(r)
	}
	b.archive(crypto.ID{})
}

func TestAFileThatGrowsOrShrinksHasTheSizeThatWasRead(t *testing.T) {
	for _, size := range []int{0, 10, 1000, 2 << 20} {
		b := newBench(t)
		read := randomBytes(3, size)
		b.file("f", make([]byte, 1000)).open = func() (entry.FileReader, error) {
			return &sparse{Reader: bytes.NewReader(read), changed: true}, nil
		}
		var notices []string
		b.opt.Progress = func(e progress.Event) {
			if e.Kind == progress.Notice {
				notices = append(notices, e.Item+" "+e.Text)
			}
		}
		results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
		b.file("f", read)
		b.things["f"].ModTime = b.things["f"].ModTime.Add(-time.Second)
		b.things["f"].AccessTime, b.things["f"].ChangeTime = b.things["f"].ModTime, b.things["f"].ModTime
		if want := b.naive(t, pol); err != nil || results[0].Tree != want || results[0].Counts.Bytes != int64(size) {
			t.Errorf("%d bytes: Archive = %+v, %v, want the tree %s", size, results, err, want)
		}
		if len(notices) != 1 || notices[0] != `f "f" changed while it was read; the next backup reads it again` {
			t.Errorf("%d bytes: notices %q", size, notices)
		}
	}
}

func TestAFileThatFailsHalfwayIsLostAlone(t *testing.T) {
	broken := errors.New("input/output error")
	for name, r := range map[string]*sparse{
		"at once":  {Reader: iotest.ErrReader(broken)},
		"early":    {Reader: io.MultiReader(bytes.NewReader(randomBytes(1, 1000)), iotest.ErrReader(broken))},
		"late":     {Reader: io.MultiReader(bytes.NewReader(randomBytes(1, 20<<20)), iotest.ErrReader(broken))},
		"at close": {Reader: bytes.NewReader([]byte("1")), closing: broken},
	} {
		b := newBench(t, "a=1", "z=2")
		b.file("f", nil).open = func() (entry.FileReader, error) { return r, nil }
		results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
		delete(b.things, "f")
		if want := b.naive(t, pol); err != nil || results[0].Tree != want || results[0].Counts.Lost != 1 {
			t.Errorf("%s: Archive = %+v, %v, want the tree %s", name, results, err, want)
		}
	}
}

// island is data in a hole.
type island struct {
	from int64
	data []byte
}

// holes is a file of the given size that is one hole but for the islands.
func holes(size int64, islands ...island) *sparse {
	s, at := &sparse{}, int64(0)
	s.next = func(offset int64) int64 {
		next := size
		for _, i := range islands {
			if end := i.from + int64(len(i.data)); offset < end {
				next = min(next, max(i.from, offset))
			}
		}
		return max(next, offset)
	}
	s.skip = func(offset int64) { at = offset }
	s.Reader = readerFunc(func(p []byte) (int, error) {
		p = p[:min(int64(len(p)), size-at)]
		if len(p) == 0 {
			return 0, io.EOF
		}
		clear(p)
		for _, i := range islands {
			if i.from < at+int64(len(p)) && at < i.from+int64(len(i.data)) {
				copy(p[max(0, i.from-at):], i.data[max(0, at-i.from):])
			}
		}
		at += int64(len(p))
		return len(p), nil
	})
	return s
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestHolesAreCutAsTheirZerosWouldBe(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	b := newBench(t)
	for i := range 16 {
		size := 1 + random.Int64N(6<<20)
		var islands []island
		for j := range random.IntN(4) {
			from := random.Int64N(size)
			islands = append(islands, island{from, randomBytes(uint64(4*i+j), int(min(size-from, 1+random.Int64N(2<<20))))})
		}
		whole, err := io.ReadAll(holes(size, islands...))
		if err != nil {
			t.Fatal(err)
		}
		b.file(fmt.Sprint(i), whole).open = func() (entry.FileReader, error) { return holes(size, islands...), nil }
	}
	b.archive(crypto.ID{})
	other := newRepo(t, mem.New(), otherPol) // boundaries of both together
	results, err := archiver.Archive(locked(t, b.ctx, other), targets(b.repo, other), b.forest, b.opt)
	if err != nil || results[0].Tree != b.naive(t, pol) || results[1].Tree != b.naive(t, otherPol) {
		t.Errorf("Archive into both = %+v, %v", results, err)
	}
}

func TestAHoleOf100GiBTakesNoTime(t *testing.T) {
	const size = 100 << 30
	b := newBench(t, "z=1")
	end := randomBytes(1, 100)
	b.file("f", nil).open = func() (entry.FileReader, error) { return holes(size, island{size - 100, end}), nil }
	began := time.Now()
	results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
	if took := time.Since(began); err != nil || results[0].Counts.Bytes != size+1 || results[0].Counts.DataBlobs != 3 || took > 5*time.Second {
		t.Errorf("Archive = %+v, %v after %v", results, err, took)
	}
}

func TestAFileOfTooManyChunksIsLostAlone(t *testing.T) {
	b := newBench(t, "a=1")
	b.file("f", nil).open = func() (entry.FileReader, error) { return holes(1 << 62), nil }
	results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo}}, b.forest, b.opt)
	delete(b.things, "f")
	if err != nil || results[0].Counts.Lost != 1 || results[0].Tree != b.naive(t, pol) {
		t.Errorf("Archive = %+v, %v", results, err)
	}
}

// sieve is a storage that forgets the bytes of packs.
type sieve struct{ *mem.Backend }

func (s sieve) Save(ctx context.Context, name string, body storage.Body) error {
	if strings.HasPrefix(name, "data/") {
		body = storage.Bytes(nil)
	}
	return s.Backend.Save(ctx, name, body)
}

func (s sieve) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return s.Backend.List(ctx, dir)
}

func TestMemoryDoesNotGrowWithTheSizeOfAFile(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // so that it is counted often
	for name, size := range map[string]int64{"zeros": 4 << 30, "random": 256 << 20} {
		f := plant()
		var in io.Reader = readerFunc(func(p []byte) (int, error) { clear(p); return len(p), nil })
		if name == "random" {
			in = rand.NewChaCha8([32]byte{})
		}
		f.file("f", nil).open = opener(io.LimitReader(in, size))
		r := newRepo(t, sieve{mem.New()}, pol)
		runtime.GC()
		stop, peak := make(chan struct{}), make(chan uint64)
		go func() {
			live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}} // as the last collection found it, so garbage doesn't count
			most := uint64(0)
			for {
				metrics.Read(live)
				most = max(most, live[0].Value.Uint64())
				select {
				case <-stop:
					peak <- most
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		}()
		results, err := archiver.Archive(locked(t, t.Context(), r), targets(r), f, archiver.Options{})
		close(stop)
		most := <-peak
		if err != nil || results[0].Counts.Bytes != size {
			t.Errorf("%s: Archive = %+v, %v", name, results, err)
		}
		if most > 128<<20 {
			t.Errorf("%s: the heap had %d MiB", name, most>>20)
		}
		t.Logf("%s: the heap had %d MiB", name, most>>20)
	}
}

func TestAChunkIsSavedOnceHoweverManyReadItAtOnce(t *testing.T) {
	b := newBench(t)
	b.parallel, b.opt.Readers = 8, 8
	content := randomBytes(2, 2<<20)
	for i := range 16 {
		b.file(fmt.Sprint(i), content)
	}
	r := b.archive(crypto.ID{})
	if r.Stored.DataBlobs != int64(b.repo.Index().Count(pack.Data)) || r.Counts.Added > 3<<20 {
		t.Errorf("stored %+v, counts %+v", r.Stored, r.Counts)
	}
}
