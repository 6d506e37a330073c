package restorer

import (
	"context"
	"io"
	"sync"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

const chunksAhead = 3 // loaded while the reader is at the one before; a chunk has up to 8 MiB

// stream reads a file chunk by chunk, in order.
type stream struct {
	ctx     context.Context
	cancel  context.CancelFunc
	loading sync.WaitGroup
	r       *repo.Repo
	ids     []crypto.ID // not yet asked for
	ahead   []chan chunk
	current []byte
	err     error
}

type chunk struct {
	plain []byte
	err   error
}

func newStream(ctx context.Context, r *repo.Repo, ids []crypto.ID) *stream {
	s := &stream{r: r, ids: ids}
	s.ctx, s.cancel = context.WithCancel(ctx)
	for range chunksAhead {
		s.ask()
	}
	return s
}

// ask starts to load the next chunk.
func (s *stream) ask() {
	if len(s.ids) == 0 {
		return
	}
	id, c := s.ids[0], make(chan chunk, 1)
	s.ids = s.ids[1:]
	s.ahead = append(s.ahead, c)
	s.loading.Go(func() {
		plain, err := s.r.LoadBlob(s.ctx, pack.Handle{ID: id, Type: pack.Data}, nil)
		c <- chunk{plain, err}
	})
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.current) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if len(s.ahead) == 0 {
			return 0, io.EOF
		}
		next := <-s.ahead[0]
		s.ahead = s.ahead[1:]
		s.current, s.err = next.plain, next.err
		s.ask()
	}
	n := copy(p, s.current)
	s.current = s.current[n:]
	return n, nil
}

func (s *stream) Close() error {
	s.cancel()
	s.loading.Wait()
	return nil
}
