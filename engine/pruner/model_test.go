package pruner_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
)

func TestPruneNeverRemovesWhatASnapshotReaches(t *testing.T) {
	t.Parallel()
	base, ctx := newWorld(t), t.Context()
	rapid.Check(t, func(t *rapid.T) {
		w := base.fork()
		t.Repeat(map[string]func(*rapid.T){
			"backup": func(t *rapid.T) {
				number := rapid.IntRange(0, 40)
				file := rapid.SliceOfN(number, 0, 4)
				dirs := rapid.SliceOfN(rapid.SliceOfN(file, 0, 4), 0, 4).Draw(t, "dirs")
				w.backup(t, ctx, rapid.IntRange(0, 3).Draw(t, "again") == 0, dirs...)
			},
			"forget": func(t *rapid.T) {
				if len(w.kept) < 2 {
					t.Skip("too few snapshots")
				}
				ids := slices.SortedFunc(maps.Keys(w.kept), func(a, b crypto.ID) int { return slices.Compare(a[:], b[:]) })
				w.forget(t, ctx, ids[rapid.IntRange(0, len(ids)-1).Draw(t, "which")])
			},
			"garbage": func(t *rapid.T) {
				if len(w.names(t, ctx, repo.Packs)) == 0 {
					t.Skip("a first pack without an index may be all the data there is")
				}
				w.garbage(t, 1)
			},
			"prune": func(t *rapid.T) {
				limits := map[string]pruner.Limit{"none": pruner.Bytes(0), "some": pruner.Bytes(3000), "5%": pruner.Percent(5), "30%": pruner.Percent(30), "all": pruner.Unlimited}
				limit := limits[rapid.SampledFrom(slices.Sorted(maps.Keys(limits))).Draw(t, "limit")]
				opt := pruner.Options{MaxUnused: limit, MinSnapshots: len(w.kept), AllowEmpty: true,
					MaxRepack: rapid.SampledFrom([]int64{0, 0, 1, 2000}).Draw(t, "most"), RepackSmall: rapid.Bool().Draw(t, "small")}
				full := rapid.SampledFrom([]int{3, 10, 30, 1000}).Draw(t, "full")
				before := w.readIndex(t, ctx)
				f := w.mustPrune(t, ctx, opt.WithIndexBlobs(full))
				w.lossless(t, ctx, before, full)
				w.clean(t, ctx)
				w.tidy(t, ctx, f, opt)
			},
			"relist": func(t *rapid.T) {
				names := w.names(t, ctx, repo.Index)
				if len(names) == 0 {
					t.Skip("no index file")
				}
				slices.Sort(names)
				name := names[rapid.IntRange(0, len(names)-1).Draw(t, "file")]
				w.relist(t, ctx, name, rapid.SampledFrom([]string{"copied", "copied in part", "split", "repeated"}).Draw(t, "how"))
			},
		})
	})
}

// tidy looks whether a prune did what its options ask for, and no less than it said.
func (w *world) tidy(t *rapid.T, ctx context.Context, said pruner.Figures, opt pruner.Options) {
	t.Helper()
	p, err := pruner.Prepare(ctx, w.repo, pruner.Options{MaxUnused: pruner.Unlimited, MaxRepack: 1, AllowEmpty: true})
	if err != nil {
		t.Fatal(err)
	}
	f := p.Figures
	if f.Unindexed.Files+f.Repack.Files > 0 || f.Delete.Files > 0 && !w.copies {
		t.Fatalf("after a prune %+v is left to do", f)
	}
	const frame = 36                                                  // of each pack
	unused := f.Unused + f.Delete.Bytes - frame*int64(f.Delete.Files) // of packs of copies, now that there are new ones
	if f.Used != said.Used || unused != said.Unused {
		t.Fatalf("%d bytes are used and %d unused, the plan said %d and %d", f.Used, unused, said.Used, said.Unused)
	}
	if limit := opt.MaxUnused(f.Used); opt.MaxRepack == 0 && unused > limit {
		t.Fatalf("%d bytes are unused, the limit is %d", unused, limit)
	}
	if opt.MaxRepack > 0 && said.Repack.Bytes > opt.MaxRepack {
		t.Fatalf("%d bytes of packs are replaced, the limit is %d", said.Repack.Bytes, opt.MaxRepack)
	}
}
