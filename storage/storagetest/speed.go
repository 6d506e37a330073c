package storagetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// Speed is how fast a storage is.
type Speed struct {
	Upload   float64       `json:"upload_bytes_per_second"`   // of files of FileSize, AtOnce at once
	Download float64       `json:"download_bytes_per_second"` // of the same files
	Save     time.Duration `json:"save_nanoseconds"`          // of one small file, the mean
	Stat     time.Duration `json:"stat_nanoseconds"`          // of one file, the mean
	Bytes    int64         `json:"bytes"`                     // that went each way
}

// What Speed measures with.
const (
	FileSize = 16 << 20 // that of a pack
	AtOnce   = 4
	calls    = 10 // of small files
)

// Measure measures an empty backend and leaves it empty. Uploads go on for half the time given at least, so a fast storage sees more
// bytes than a slow one; but no more than 512 MiB.
func Measure(ctx context.Context, b storage.Backend, clk clock.Clock, budget time.Duration) (s Speed, err error) {
	seen := &recorder{Backend: b}
	defer func() {
		if cleanErr := seen.clean(ctx); err == nil {
			err = cleanErr
		}
	}()
	if err := s.small(ctx, seen, clk); err != nil {
		return s, fmt.Errorf("measure speed: %w", err)
	}
	if err := s.large(ctx, seen, clk, budget/2); err != nil {
		return s, fmt.Errorf("measure speed: %w", err)
	}
	return s, nil
}

func (s *Speed) small(ctx context.Context, b storage.Backend, clk clock.Clock) error {
	start := clk.Now()
	for i := range calls {
		if err := b.Save(ctx, name(i), storage.Bytes(pattern(i, 1000))); err != nil {
			return err
		}
	}
	s.Save = clk.Now().Sub(start) / calls
	start = clk.Now()
	for i := range calls {
		if _, err := b.Stat(ctx, name(i)); err != nil {
			return err
		}
	}
	s.Stat = clk.Now().Sub(start) / calls
	return nil
}

func (s *Speed) large(ctx context.Context, b storage.Backend, clk clock.Clock, at time.Duration) error {
	content := make([]byte, FileSize)
	if _, err := rand.Read(content); err != nil {
		return err
	}
	body := storage.Bytes(content)
	var names []string
	start := clk.Now()
	for len(names) < (512<<20)/FileSize && (len(names) == 0 || clk.Now().Sub(start) < at) {
		var some []string
		for range AtOnce {
			some = append(some, name(calls+len(names)+len(some)))
		}
		if err := each(some, AtOnce, func(name string) error { return b.Save(ctx, name, body) }); err != nil {
			return err
		}
		names = append(names, some...)
	}
	s.Bytes = int64(len(names)) * FileSize
	s.Upload = rate(s.Bytes, clk.Now().Sub(start))
	start = clk.Now()
	err := each(names, AtOnce, func(name string) error { return b.Load(ctx, name, make([]byte, FileSize), 0) })
	s.Download = rate(s.Bytes, clk.Now().Sub(start))
	return err
}

func rate(bytes int64, took time.Duration) float64 {
	return float64(bytes) / max(took, time.Nanosecond).Seconds()
}
