package corrupt

import (
	"fmt"
	"time"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
)

// files returns the variants of snapshots, keys, locks and names.
func files() []Variant {
	var list []Variant
	for name, change := range map[string]func(p []byte) []byte{
		"a wrong bit": func(p []byte) []byte { p[len(p)/2] ^= 4; return p },
		"no bytes":    func([]byte) []byte { return nil },
		"lost half":   func(p []byte) []byte { return p[:len(p)/2] },
		"a tail":      func(p []byte) []byte { return append(p, 0) },
	} {
		list = append(list, Variant{Name: "a snapshot has " + name, Damage: func(l *Lab) []checker.Finding {
			l.Change(repo.Snapshots, l.Snapshots["first"], change)
			return []checker.Finding{failure(checker.SnapshotUnreadable, object("snapshot", l.Snapshots["first"]))}
		}})
	}
	for name, text := range map[string]string{
		"with a tree of null": `{"time":"2026-01-01T00:00:00Z","tree":null,"paths":["/"]}`,
		"without a tree":      `{"time":"2026-01-01T00:00:00Z","paths":["/"]}`,
		"without a time":      `{"tree":"{root1}","paths":["/"]}`,
		"an empty object":     `{}`,
		"a lock":              `{"time":"2026-01-01T00:00:00Z","exclusive":true,"hostname":"h","username":"u","pid":1}`,
	} {
		list = append(list, Variant{Name: "a snapshot is " + name, Damage: func(l *Lab) []checker.Finding {
			return []checker.Finding{failure(checker.WrongKind, object("snapshot", l.PutSealed(repo.Snapshots, l.fill(text))))}
		}})
	}
	for name, text := range map[string]string{"a list": `[]`, "no JSON": `{"time":`, "with a tree of a wrong type": `{"tree":5}`, "of an unknown encoding": "\x07abc"} {
		list = append(list, Variant{Name: "a snapshot is " + name, Damage: func(l *Lab) []checker.Finding {
			return []checker.Finding{failure(checker.SnapshotUnreadable, object("snapshot", l.PutSealed(repo.Snapshots, text)))}
		}})
	}
	list = append(list, confused()...)
	return append(list, strange()...)
}

// confused returns the variants of genuine files in the folder of another kind, as who has the storage but no key can make.
func confused() []Variant {
	clone := func(from, to repo.FileType, id func(l *Lab) crypto.ID, found func(l *Lab, o checker.Object) []checker.Finding) Variant {
		return Variant{Name: fmt.Sprintf("a file of %s is copied to %s", from, to), Damage: func(l *Lab) []checker.Finding {
			l.Put(to.Name(id(l)), l.Get(from.Name(id(l))))
			kinds := map[repo.FileType]string{repo.Keys: "key", repo.Locks: "lock", repo.Snapshots: "snapshot", repo.Index: "index", repo.Packs: "pack"}
			return found(l, object(kinds[to], id(l)))
		}}
	}
	is := func(f func(checker.Kind, checker.Object) checker.Finding, kind checker.Kind) func(*Lab, checker.Object) []checker.Finding {
		return func(_ *Lab, o checker.Object) []checker.Finding { return []checker.Finding{f(kind, o)} }
	}
	index := func(l *Lab) crypto.ID { return l.Index["index1"] }
	snapshot := func(l *Lab) crypto.ID { return l.Snapshots["first"] }
	pack := func(l *Lab) crypto.ID { return l.Packs["trees1"] }
	return []Variant{
		clone(repo.Index, repo.Snapshots, index, is(failure, checker.WrongKind)),
		clone(repo.Index, repo.Locks, index, is(warning, checker.LockUnreadable)),
		clone(repo.Index, repo.Keys, index, is(hint, checker.WrongKind)),
		clone(repo.Index, repo.Packs, index, is(hint, checker.PackUnindexed)),
		clone(repo.Snapshots, repo.Index, snapshot, is(failure, checker.WrongKind)),
		clone(repo.Snapshots, repo.Locks, snapshot, is(warning, checker.LockUnreadable)),
		clone(repo.Snapshots, repo.Keys, snapshot, is(hint, checker.WrongKind)),
		clone(repo.Packs, repo.Snapshots, pack, is(failure, checker.SnapshotUnreadable)),
		clone(repo.Packs, repo.Index, pack, is(failure, checker.IndexUnreadable)),
	}
}

// strange returns the variants of keys, locks and names that the repository can do without.
func strange() []Variant {
	return []Variant{
		{Name: "a second key is damaged", Damage: func(l *Lab) []checker.Finding {
			id := l.KeyFile("another", crypto.KDF{N: 2, R: 1, P: 1})
			l.Change(repo.Keys, id, func(p []byte) []byte { p[len(p)/2] ^= 1; return p })
			return []checker.Finding{failure(checker.KeyDamaged, object("key", id))}
		}},
		{Name: "a second key is sound", Damage: func(l *Lab) []checker.Finding { l.KeyFile("another", crypto.KDF{N: 2, R: 1, P: 1}); return nil }},
		{Name: "a lock is there", Damage: func(l *Lab) []checker.Finding { l.lock(time.Minute); return nil }},
		{Name: "a lock is from the future", Damage: func(l *Lab) []checker.Finding {
			return []checker.Finding{warning(checker.LockInFuture, object("lock", l.lock(-40*time.Minute)))}
		}},
		{Name: "a lock is empty", Damage: func(l *Lab) []checker.Finding {
			return []checker.Finding{warning(checker.LockUnreadable, object("lock", l.PutHashed(repo.Locks, nil)))}
		}},
		{Name: "a temporary file is left among the packs", Damage: func(l *Lab) []checker.Finding {
			l.Put("data/ab/tmp-123", []byte("half a pack"))
			return []checker.Finding{hint(checker.ForeignFiles, checker.Object{Type: "folder", Name: "data"})}
		}},
		{Name: "the desktop left its files", Damage: func(l *Lab) []checker.Finding {
			l.Put("snapshots/.DS_Store", nil)
			l.Put("keys/Thumbs.db", []byte("x"))
			return []checker.Finding{hint(checker.ForeignFiles, checker.Object{Type: "folder", Name: "snapshots"}),
				hint(checker.ForeignFiles, checker.Object{Type: "folder", Name: "keys"})}
		}},
		{Name: "a pack lies in the wrong folder", Damage: func(l *Lab) []checker.Finding {
			id := l.Packs["data1"].String()
			l.Put("data/00/"+id, l.Get("data/"+id[:2]+"/"+id))
			return []checker.Finding{hint(checker.ForeignFiles, checker.Object{Type: "folder", Name: "data"})}
		}},
		{Name: "a snapshot's tree is in no index", Damage: func(l *Lab) []checker.Finding {
			l.Blobs["nowhere"] = l.TreeJSON("nowhere", "not saved")
			l.Snapshot("third", "nowhere", 3)
			return []checker.Finding{l.in(checker.BlobsMissing, checker.Error, checker.Object{Type: "repository"}, "/")}
		}},
	}
}

// lock saves a lock that is as old as told, or as far in the future if that is negative.
func (l *Lab) lock(age time.Duration) crypto.ID {
	return l.PutSealed(repo.Locks, fmt.Sprintf(`{"time":%q,"exclusive":false,"hostname":"other","username":"u","pid":7}`,
		still{}.Now().Add(-age).Format(time.RFC3339)))
}
