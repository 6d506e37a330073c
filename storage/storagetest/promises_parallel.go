package storagetest

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/backstay/backstay/storage"
)

func savesSideBySide(t T, b storage.Backend) {
	const files = 32
	var wg sync.WaitGroup
	for i := range files {
		wg.Go(func() {
			content := pattern(i, 10_000+i)
			if err := b.Save(t.Context(), name(i), storage.Bytes(content)); err != nil {
				t.Errorf("Save: %v", err)
			}
			wantContent(t, b, name(i), content)
		})
	}
	wg.Wait()
	if got := list(t, b, "data"); len(got) != files {
		t.Errorf("List after %d saves yields %d files", files, len(got))
	}
}

func savesOfOneName(t T, b storage.Backend) {
	const rivals = 8
	var wg sync.WaitGroup
	var winner atomic.Int32
	winner.Store(-1)
	for i := range rivals {
		wg.Go(func() {
			err := b.Save(t.Context(), name(0), storage.Bytes(pattern(i, 10_000)))
			if err == nil && !winner.CompareAndSwap(-1, int32(i)) {
				t.Error("Save of one name succeeded twice")
			}
			if err != nil && !errors.Is(err, storage.ErrExists) {
				t.Errorf("Save of a name that others save too = %v, want ErrExists", err)
			}
		})
	}
	wg.Wait()
	if winner.Load() < 0 {
		t.Fatal("no Save of the name succeeded")
	}
	wantContent(t, b, name(0), pattern(int(winner.Load()), 10_000))
}

func neverSeenInPart(t T, b storage.Backend) {
	content := pattern(5, 4<<20)
	half := make(chan struct{})
	looked := make(chan struct{})
	once := new(sync.Once)
	body := storage.Bytes(content)
	body.Open = func() io.Reader {
		return io.MultiReader(bytes.NewReader(content[:2<<20]), &pause{half, looked, once}, bytes.NewReader(content[2<<20:]))
	}
	done := make(chan error, 1)
	go func() { done <- b.Save(t.Context(), name(0), body) }()
	select {
	case <-half:
		wantNothing(t, b, name(0))
		close(looked)
	case err := <-done:
		t.Fatalf("Save ended before its body was read: %v", err)
	}
	if err := <-done; err != nil {
		t.Fatalf("Save: %v", err)
	}
	wantContent(t, b, name(0), content)
}

// pause is an empty reader that waits in the middle of a body, the first time that it is read.
type pause struct {
	half, looked chan struct{}
	once         *sync.Once
}

func (p *pause) Read([]byte) (int, error) {
	p.once.Do(func() {
		close(p.half)
		<-p.looked
	})
	return 0, io.EOF
}
