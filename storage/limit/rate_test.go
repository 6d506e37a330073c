package limit_test

import (
	"context"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/mem"
)

func TestARateDependsOnTheTimeOfDay(t *testing.T) {
	for _, tt := range []struct {
		rate string
		want map[string]int64 // by time of day
	}{
		{"0", map[string]int64{"00:00": 0, "12:00": 0}},
		{"1024", map[string]int64{"00:00": 2048, "23:59": 2048}},
		{"1024,08:00-18:00=256", map[string]int64{"07:59": 2048, "08:00": 512, "17:59": 512, "18:00": 2048}},
		{"22:00-06:00=0,512", map[string]int64{"21:59": 1024, "22:00": 0, "00:00": 0, "05:59": 0, "06:00": 1024}},
		{"08:00-24:00=1", map[string]int64{"07:59": 0, "08:00": 2, "23:59": 2}},
		{"08:00-12:00=1,10:00-14:00=2", map[string]int64{"11:00": 2, "13:00": 4, "14:00": 0}},
	} {
		r, err := limit.ParseRate(tt.rate, 2)
		if err != nil {
			t.Errorf("ParseRate(%q): %v", tt.rate, err)
		}
		for at, want := range tt.want {
			day, err := time.Parse("15:04", at)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.At(day); got != want {
				t.Errorf("rate %q at %s = %d, want %d", tt.rate, at, got, want)
			}
		}
	}
	for _, bad := range []string{"", "x", "-1", "1.5", "1,2", "08:00=1", "08:00-18:00=x", "8-18=1", "08:00-25:00=1", "08:00-08:00=1", "1,", "9999999999999999"} {
		if r, err := limit.ParseRate(bad, 1); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", bad, r)
		}
	}
}

// passing is a clock whose time passes by sleeping only.
type passing struct{ now time.Time }

func (p *passing) Now() time.Time { return p.now }

func (p *passing) Sleep(_ context.Context, d time.Duration) error {
	p.now = p.now.Add(max(d, 0))
	return nil
}

var _ clock.Clock = (*passing)(nil)

func TestAnUploadThatGoesOnIntoAnotherPartOfTheDayGetsItsRate(t *testing.T) {
	rate, err := limit.ParseRate("1000,12:00-13:00=100000", 1)
	if err != nil {
		t.Fatal(err)
	}
	clk := &passing{time.Date(2026, 1, 2, 11, 59, 50, 0, time.UTC)}
	b := limit.New(mem.New(), limit.Options{Upload: rate, Clock: clk})
	start := clk.now
	if err := b.Save(t.Context(), "config", storage.Bytes(make([]byte, 1_011_000))); err != nil {
		t.Fatal(err)
	}
	// 11,000 bytes until noon, since one second's worth is there at once, and a million in the ten seconds after it.
	if took := clk.now.Sub(start); took < 18*time.Second || took > 21*time.Second {
		t.Errorf("Save took %v, want about 20 s", took)
	}
}
