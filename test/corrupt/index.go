package corrupt

import (
	"slices"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

// indexes returns the variants of index files that are gone or unreadable, or say what isn't so.
func indexes() []Variant {
	list := []Variant{
		{Name: "index1 is missing", Damage: func(l *Lab) []checker.Finding {
			l.Remove(repo.Index, l.Index["index1"])
			return l.unindexed()
		}},
		{Name: "two index files list a pack alike", Damage: func(l *Lab) []checker.Finding {
			l.IndexFile("again", l.Entry("data1"))
			return []checker.Finding{hint(checker.PackRepeated, l.pack("data1"))}
		}},
		{Name: "one index file lists a pack twice", Damage: func(l *Lab) []checker.Finding {
			l.Remove(repo.Index, l.Index["index2"])
			l.IndexFile("index2", l.Entry("data2"), l.Entry("data2"), l.Entry("trees2"))
			return []checker.Finding{hint(checker.PackRepeated, l.pack("data2"))}
		}},
		{Name: "a pack is split over two index files", Damage: func(l *Lab) []checker.Finding {
			l.reindex("data1", func(e *Entry) { e.Blobs = e.Blobs[:2] })
			e := l.Entry("data1")
			l.IndexFile("rest", Entry{e.Pack, e.Blobs[2:]})
			return []checker.Finding{failure(checker.PackSplit, l.pack("data1"))}
		}},
		{Name: "the index names a pack that never was", Damage: func(l *Lab) []checker.Finding {
			id := crypto.Hash([]byte("never"))
			l.IndexFile("more", Entry{id, []pack.Blob{{Handle: pack.Handle{ID: id}, Length: 100}}})
			return []checker.Finding{failure(checker.PackMissing, object("pack", id))}
		}},
		{Name: "the index has fields of a later version", Damage: func(l *Lab) []checker.Finding {
			l.PutSealed(repo.Index, `{"version":7,"supersedes":["`+l.Index["index1"].String()+`"],"packs":[]}`)
			return nil
		}},
	}
	list = append(list, lies()...)
	for name, change := range map[string]func(p []byte) []byte{
		"a wrong bit": func(p []byte) []byte { p[len(p)/2] ^= 4; return p },
		"no bytes":    func([]byte) []byte { return nil },
		"lost half":   func(p []byte) []byte { return p[:len(p)/2] },
		"a tail":      func(p []byte) []byte { return append(p, 0) },
	} {
		list = append(list, Variant{Name: "index1 has " + name, Damage: func(l *Lab) []checker.Finding {
			l.Change(repo.Index, l.Index["index1"], change)
			return append(l.unindexed(), failure(checker.IndexUnreadable, object("index", l.Index["index1"])))
		}})
	}
	for name, text := range map[string]string{"a list": `[]`, "no JSON": `{"packs":[`, "an object of nothing": `{}`, "packs of a wrong type": `{"packs":{}}`} {
		list = append(list, Variant{Name: "an index file is " + name, Damage: func(l *Lab) []checker.Finding {
			return []checker.Finding{failure(checker.WrongKind, object("index", l.PutSealed(repo.Index, text)))}
		}})
	}
	return list
}

// unindexed are the Findings of index1's packs when no index names them.
func (l *Lab) unindexed() []checker.Finding {
	data := l.find(checker.PackUnindexed, checker.Error, l.pack("data1"), l.names("data1", all)...)
	data.Snapshots = data.Snapshots[:1] // the tree of the first can't be read, so what it needs is not known
	trees := l.find(checker.PackUnindexed, checker.Error, l.pack("trees1"), l.names("trees1", all)...)
	data.Paths = slices.DeleteFunc(data.Paths, func(p string) bool { return p == "/pics/p.jpg" })
	return []checker.Finding{data, trees}
}

// lies returns the variants of an index that lists one pack wrongly.
func lies() []Variant {
	lie := func(what, name string, data bool, fn func(l *Lab, blobs []pack.Blob) []pack.Blob) Variant {
		return Variant{Name: "the index lists " + name + " with " + what, DataOnly: data, Damage: func(l *Lab) []checker.Finding {
			var listed []pack.Blob
			l.reindex(name, func(e *Entry) {
				e.Blobs = fn(l, e.Blobs)
				listed = e.Blobs
			})
			lost := l.names(name, func(b pack.Blob) bool { return !slices.Contains(listed, b) })
			wrong := l.find(checker.IndexMismatch, checker.Error, l.pack(name), lost...)
			missing := l.names(name, func(b pack.Blob) bool {
				return !slices.ContainsFunc(listed, func(have pack.Blob) bool { return have.Handle == b.Handle })
			})
			if len(missing) == 0 {
				return []checker.Finding{wrong}
			}
			gone := l.find(checker.BlobsMissing, checker.Error, checker.Object{Type: "repository"}, missing...)
			wrong = failure(checker.IndexMismatch, l.pack(name))
			return []checker.Finding{wrong, gone}
		}}
	}
	var list []Variant
	for _, name := range []string{"data1", "trees1"} {
		list = append(list,
			lie("an offset too high", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { b[1].Offset += 10; return b }),
			lie("an offset too low", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { b[1].Offset -= 10; return b }),
			lie("an offset beyond its end", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { b[1].Offset = 1 << 30; return b }),
			lie("a length too short", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { b[1].Length -= 3; return b }),
			lie("a length of a gigabyte", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { b[2].Length = 1<<30 + 100; return b }),
			lie("lengths exchanged", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob {
				b[0].Length, b[1].Length = b[0].Length-5, b[1].Length+5
				b[1].Offset -= 5
				return b
			}),
			lie("no first blob", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { return b[1:] }),
			lie("no last blob", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { return b[:len(b)-1] }),
			lie("no blobs", name, false, func(*Lab, []pack.Blob) []pack.Blob { return nil }),
			lie("two IDs exchanged", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { b[0].ID, b[1].ID = b[1].ID, b[0].ID; return b }),
			lie("a wrong ID", name, true, func(_ *Lab, b []pack.Blob) []pack.Blob { b[0].ID = crypto.Hash(nil); return b }),
			lie("a wrong uncompressed length", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob { b[0].UncompressedLength++; return b }),
			lie("a blob that is not in it", name, false, func(_ *Lab, b []pack.Blob) []pack.Blob {
				end := b[len(b)-1].Offset + b[len(b)-1].Length
				return append(b, pack.Blob{Handle: pack.Handle{ID: crypto.Hash([]byte("x")), Type: b[0].Type}, Offset: end, Length: 50})
			}),
		)
	}
	return list
}
