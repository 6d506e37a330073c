package corrupt

import (
	"fmt"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

var packNames = []string{"data1", "trees1", "data2", "trees2"}

// packs returns the variants of packs that are missing, cut, long, flipped or exchanged, each for every pack; and some more.
func packs() []Variant {
	var list []Variant
	for _, name := range packNames {
		list = append(list, Variant{Name: name + " is missing", Damage: func(l *Lab) []checker.Finding {
			l.Remove(repo.Packs, l.Packs[name])
			return []checker.Finding{l.find(checker.PackMissing, checker.Error, l.pack(name), l.names(name, all)...)}
		}})
		for what, keep := range map[string]func(n int) int{
			"cut by one byte": func(n int) int { return n - 1 }, "cut in half": func(n int) int { return n / 2 },
			"cut to ten bytes": func(int) int { return 10 }, "empty": func(int) int { return 0 },
		} {
			list = append(list, Variant{Name: name + " is " + what, Damage: func(l *Lab) []checker.Finding { return l.cut(name, keep) }})
		}
		list = append(list, flips(name)...)
		list = append(list, exchanges(name)...)
	}
	return append(list, copies()...)
}

func (l *Lab) cut(name string, keep func(n int) int) []checker.Finding {
	var size int
	l.Change(repo.Packs, l.Packs[name], func(p []byte) []byte {
		size = keep(len(p))
		return p[:size]
	})
	lost := l.names(name, func(b pack.Blob) bool { return int(b.Offset+b.Length) > size })
	return []checker.Finding{l.find(checker.PackSize, checker.Error, l.pack(name), lost...)}
}

// flips returns the variants of one wrong bit in a pack.
func flips(name string) []Variant {
	flip := func(what string, data bool, kind checker.Kind, at func(l *Lab, size int) int) Variant {
		return Variant{Name: "a bit of " + what + " in " + name, DataOnly: data, Damage: func(l *Lab) []checker.Finding {
			var where int
			l.Change(repo.Packs, l.Packs[name], func(p []byte) []byte {
				where = at(l, len(p))
				p[where] ^= 0x10
				return p
			})
			lost := l.names(name, func(b pack.Blob) bool { return int(b.Offset) <= where && where < int(b.Offset+b.Length) })
			return []checker.Finding{l.find(kind, checker.Error, l.pack(name), lost...)}
		}}
	}
	trees := name == "trees1" || name == "trees2" // their blobs are opened by every check
	return []Variant{
		flip("the first IV", !trees, checker.PackDamaged, func(*Lab, int) int { return 3 }),
		flip("the first blob", !trees, checker.PackDamaged, func(*Lab, int) int { return 20 }),
		flip("the last tag", !trees, checker.PackDamaged, func(l *Lab, _ int) int {
			b := l.Places[name][len(l.Places[name])-1]
			return int(b.Offset+b.Length) - 1
		}),
		flip("the header", true, checker.PackHeader, func(_ *Lab, size int) int { return size - 30 }),
		flip("the length of the header", true, checker.PackHeader, func(_ *Lab, size int) int { return size - 4 }),
		flip("the high length of the header", true, checker.PackHeader, func(_ *Lab, size int) int { return size - 1 }),
	}
}

// exchanges returns the variants of a pack whose bytes are others.
func exchanges(name string) []Variant {
	return []Variant{
		{Name: name + " has bytes behind it", Damage: func(l *Lab) []checker.Finding {
			l.Change(repo.Packs, l.Packs[name], func(p []byte) []byte { return append(p, "more"...) })
			return []checker.Finding{l.find(checker.PackSize, checker.Error, l.pack(name))}
		}},
		{Name: name + " is all zero", DataOnly: name == "data1" || name == "data2", Damage: func(l *Lab) []checker.Finding {
			l.Change(repo.Packs, l.Packs[name], func(p []byte) []byte { clear(p); return p })
			return []checker.Finding{l.find(checker.PackDamaged, checker.Error, l.pack(name), l.names(name, all)...)}
		}},
		{Name: name + " is another pack", Damage: func(l *Lab) []checker.Finding {
			other := "data1"
			if name == other {
				other = "data2"
			}
			l.Put(repo.Packs.Name(l.Packs[name]), l.Get(repo.Packs.Name(l.Packs[other])))
			return []checker.Finding{l.find(checker.IndexMismatch, checker.Error, l.pack(name), l.names(name, all)...)}
		}},
		{Name: "a second copy of " + name + "'s first blob is damaged", DataOnly: true, Damage: func(l *Lab) []checker.Finding {
			first := l.names(name, all)[0]
			l.Pack("copy", first)
			l.IndexFile("copies", l.Entry("copy"))
			l.Change(repo.Packs, l.Packs["copy"], func(p []byte) []byte { p[20] ^= 1; return p })
			return []checker.Finding{failure(checker.PackDamaged, l.pack("copy"))}
		}},
	}
}

// copies returns the variants of what a pack holds.
func copies() []Variant {
	return []Variant{
		{Name: "sound", Damage: func(*Lab) []checker.Finding { return nil }},
		{Name: "a blob in two packs", Damage: func(l *Lab) []checker.Finding {
			l.Pack("copy", "a", "p")
			l.IndexFile("copies", l.Entry("copy"))
			return nil
		}},
		{Name: "both copies of a blob are damaged", DataOnly: true, Damage: func(l *Lab) []checker.Finding {
			l.Pack("copy", "a")
			l.IndexFile("copies", l.Entry("copy"))
			l.Change(repo.Packs, l.Packs["copy"], func(p []byte) []byte { p[20] ^= 1; return p })
			l.Change(repo.Packs, l.Packs["data1"], func(p []byte) []byte { p[l.place("data1", "a").Offset+20] ^= 1; return p })
			return []checker.Finding{l.find(checker.PackDamaged, checker.Error, l.pack("copy"), "a"), l.find(checker.PackDamaged, checker.Error, l.pack("data1"), "a")}
		}},
		{Name: "a damaged blob that nothing needs", DataOnly: true, Damage: func(l *Lab) []checker.Finding {
			l.blob("unused", pack.Data, []byte("nobody needs this"))
			l.Pack("garbage", "unused")
			l.IndexFile("more", l.Entry("garbage"))
			l.Change(repo.Packs, l.Packs["garbage"], func(p []byte) []byte { p[20] ^= 1; return p })
			return []checker.Finding{failure(checker.PackDamaged, l.pack("garbage"))}
		}},
		{Name: "data and trees in one pack", Damage: func(l *Lab) []checker.Finding {
			l.Pack("mixed", "a", "docs1")
			l.IndexFile("more", l.Entry("mixed"))
			return []checker.Finding{warning(checker.PackMixed, l.pack("mixed"))}
		}},
		{Name: "a pack without index", Damage: func(l *Lab) []checker.Finding {
			l.blob("unused", pack.Data, []byte("saved by a run that was stopped"))
			l.Pack("garbage", "unused")
			return []checker.Finding{hint(checker.PackUnindexed, l.pack("garbage"))}
		}},
		{Name: "garbage named like a pack", Damage: func(l *Lab) []checker.Finding {
			id := l.PutHashed(repo.Packs, []byte("garbage"))
			return []checker.Finding{hint(checker.PackUnindexed, object("pack", id))}
		}},
		forged("content that is not its name", func(l *Lab, w *pack.Writer, h pack.Handle) error {
			_, err := w.Add(h, []byte("something else"), 0)
			return err
		}),
		forged("compressed content that is none", func(l *Lab, w *pack.Writer, h pack.Handle) error {
			_, err := w.Add(h, []byte("not a zstd frame"), 100)
			return err
		}),
		forged("a plaintext longer than the header says", func(l *Lab, w *pack.Writer, h pack.Handle) error {
			return l.encoder.Encode(h, make([]byte, 1<<20), func(e repo.Encoded) error {
				_, err := w.Add(h, e.Packed, 1000)
				return err
			})
		}),
		forged("a plaintext of nearly 4 GiB", func(l *Lab, w *pack.Writer, h pack.Handle) error {
			_, err := w.Add(h, []byte("(\xb5/\xfd"), 1<<32-1)
			return err
		}),
	}
}

// forged is the variant of a blob that was bad when it was sealed: the pack is as it was saved.
func forged(what string, add func(l *Lab, w *pack.Writer, h pack.Handle) error) Variant {
	return Variant{Name: "a blob has " + what, DataOnly: true, Damage: func(l *Lab) []checker.Finding {
		h := pack.Handle{ID: crypto.Hash([]byte(what)), Type: pack.Data}
		w := pack.NewWriter(l.Key, l.rand, 1<<10)
		l.must(add(l, w, h))
		l.finish("forged", w)
		l.IndexFile("forged", l.Entry("forged"))
		root := fmt.Sprintf(`{"nodes":[{"name":"f","type":"file","size":%d,"content":["%s"]}]}`, l.Places["forged"][0].PlainLength(), h.ID)
		l.third(root)
		return []checker.Finding{l.in(checker.BlobDamaged, checker.Error, l.pack("forged"), "/f")}
	}}
}
