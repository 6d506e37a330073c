package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// idFlags say that find is given ids instead of patterns.
type idFlags struct{ blob, tree, pack, showPack bool }

func (f *idFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.blob, "blob", false, "find the files that use the blobs of these ids")
	flags.BoolVar(&f.tree, "tree", false, "find the folders that are the trees of these ids")
	flags.BoolVar(&f.pack, "pack", false, "find what uses the blobs and trees in the packs of these ids")
	flags.BoolVar(&f.showPack, "show-pack-id", false, "show too which packs a blob or tree is in")
}

// kind returns what the ids are of, "blob", "tree" or "pack"; "" if names are looked for.
func (f *idFlags) kind(flags *pflag.FlagSet) (kind string, err error) {
	for _, k := range []struct {
		name  string
		given bool
	}{{"blob", f.blob}, {"tree", f.tree}, {"pack", f.pack}} {
		switch {
		case k.given && kind != "":
			return "", fmt.Errorf("--%s and --%s exclude each other", kind, k.name)
		case k.given:
			kind = k.name
		}
	}
	if kind == "" && f.showPack {
		return "", errors.New("--show-pack-id goes with --blob, --tree or --pack")
	}
	for _, name := range []string{"ignore-case", "long", "oldest", "newest"} {
		if kind != "" && flags.Changed(name) {
			return "", fmt.Errorf("--%s is about names and does not go with --%s", name, kind)
		}
	}
	return kind, nil
}

// checkIDs returns an error if one of the texts can't be the first digits of an id.
func checkIDs(texts []string) error {
	for _, text := range texts {
		if text == "" || len(text) > 2*len(crypto.ID{}) || strings.Trim(text, "0123456789abcdef") != "" {
			return fmt.Errorf("id %q: want up to 64 digits of 0 to 9 and a to f", text)
		}
	}
	return nil
}

// wanted is the objects that are looked for.
type wanted struct {
	kind  string // of the ids, as idFlags has it
	asked []asked
	used  map[pack.Handle]bool // the objects, and whether a use was found
	index *index.Index
}

// asked is an id of the command line and the objects it stands for.
type asked struct {
	text    string
	objects []pack.Handle
	open    bool // the first digits of an id that no index knows: all that begin so are meant
}

// newWanted finds out what ids, or the first digits of some, stand for. The index must be loaded.
func newWanted(ctx context.Context, r *repo.Repo, kind string, ids []string) (*wanted, error) {
	w := &wanted{kind: kind, used: make(map[pack.Handle]bool), index: r.Index()}
	for _, text := range ids {
		w.asked = append(w.asked, asked{text: text})
	}
	find := w.findObjects
	if kind == "pack" {
		find = func() error { return w.findPacks(ctx, r) }
	}
	if err := find(); err != nil {
		return nil, err
	}
	for _, a := range w.asked {
		for _, h := range a.objects {
			w.used[h] = false
		}
	}
	return w, nil
}

// objectType is the type of blobs that the ids name.
func (w *wanted) objectType() pack.Type {
	if w.kind == "tree" {
		return pack.Tree
	}
	return pack.Data
}

// findObjects looks up which ids begin with the digits given. One that no index knows may be used all the same: its data is lost then.
func (w *wanted) findObjects() error {
	var short []*asked
	for i := range w.asked {
		a := &w.asked[i]
		if id, err := crypto.ParseID(a.text); err == nil {
			a.add(pack.Handle{ID: id, Type: w.objectType()})
		} else {
			short = append(short, a)
		}
	}
	if len(short) == 0 {
		return nil
	}
	for l := range w.index.Blobs(w.objectType()) {
		text := l.ID.String()
		for _, a := range short {
			if strings.HasPrefix(text, a.text) {
				a.add(l.Handle)
			}
		}
	}
	for _, a := range short {
		if a.open = len(a.objects) == 0; len(a.objects) > 1 {
			return ambiguous(w.kind, a.text, a.objects[0].ID, a.objects[1].ID)
		}
	}
	return nil
}

func (a *asked) add(h pack.Handle) {
	if !slices.Contains(a.objects, h) {
		a.objects = append(a.objects, h)
	}
}

func ambiguous(kind, text string, a, b crypto.ID) error {
	return fmt.Errorf("find %s %q: %w: %s and %s", kind, text, repo.ErrAmbiguous, a.Short(), b.Short())
}

// findPacks looks up what is in the packs: in the index, also of a pack that is lost, or else in the pack.
func (w *wanted) findPacks(ctx context.Context, r *repo.Repo) error {
	at := make(map[crypto.ID][]*asked)
	for i := range w.asked {
		a := &w.asked[i]
		id, err := w.findPack(ctx, r, a.text)
		if err != nil {
			return err
		}
		if !w.index.HasPack(id) {
			if a.objects, err = headerOf(ctx, r, id); err != nil {
				return err
			}
		}
		at[id] = append(at[id], a)
	}
	for id, blobs := range w.index.EachPack() {
		for _, a := range at[id] {
			for _, b := range blobs {
				a.objects = append(a.objects, b.Handle)
			}
		}
	}
	return nil
}

func (w *wanted) findPack(ctx context.Context, r *repo.Repo, text string) (id crypto.ID, err error) {
	for _, known := range w.index.Packs() {
		switch {
		case !strings.HasPrefix(known.String(), text):
		case !id.IsNull():
			return id, ambiguous("pack", text, id, known)
		default:
			id = known
		}
	}
	if !id.IsNull() {
		return id, nil
	}
	if id, err = r.FindFile(ctx, repo.Packs, text); errors.Is(err, storage.ErrNotFound) {
		err = backstay.Errorf(backstay.NotFound, "pack %q is in no index, and there is no such file", text).
			WithHint("List the packs: backstay list packs")
	}
	return id, err
}

// headerOf returns what a pack says of itself.
func headerOf(ctx context.Context, r *repo.Repo, id crypto.ID) (objects []pack.Handle, err error) {
	file, err := r.Backend().Stat(ctx, repo.Packs.Name(id))
	if err != nil {
		return nil, err
	}
	blobs, err := r.PackBlobs(ctx, id, file.Size)
	for _, b := range blobs {
		objects = append(objects, b.Handle)
	}
	return objects, err
}

// wants reports whether an object is looked for.
func (w *wanted) wants(h pack.Handle) bool {
	if _, ok := w.used[h]; ok {
		return true
	}
	for i := range w.asked {
		if a := &w.asked[i]; a.open && h.Type == w.objectType() && strings.HasPrefix(h.ID.String(), a.text) {
			a.add(h)
			w.used[h] = false
			return true
		}
	}
	return false
}

// judge tells of what was looked for in vain, and of what is used but lost. What nobody knows is an error. Whole says that the
// snapshots could be read to the last folder.
func (w *wanted) judge(p *program, whole bool) error {
	var unknown []string
	for _, a := range w.asked {
		used, lost, known := w.found(a)
		switch {
		case lost && w.kind == "pack":
			p.notice(fmt.Sprintf("pack %s is in no index, so what it has can't be restored. Put it into one: backstay repair index", a.text))
		case lost:
			p.notice(fmt.Sprintf("%s %s is in no index, so what uses it can't be restored. Find out more: backstay check", w.kind, a.text))
		case used:
		case !known:
			unknown = append(unknown, fmt.Sprintf("%q", a.text))
		case whole:
			p.notice(fmt.Sprintf("no use of %s %s was found in the snapshots that were searched. If no other one uses it, the next prune frees its space.", w.kind, a.text))
		default:
			p.notice(fmt.Sprintf("no use of %s %s was found in what can be read.", w.kind, a.text))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return backstay.Errorf(backstay.NotFound, "%s %s: in no index, and no use was found", w.kind, strings.Join(unknown, ", ")).
		WithHint("Ids of pieces of files are for --blob, those of folders for --tree. List them: backstay list blobs")
}

// found reports whether an object of an id is used, one of them without being in an index, and whether there is any.
func (w *wanted) found(a asked) (used, lost, known bool) {
	known = w.kind == "pack"
	for _, h := range a.objects {
		indexed := w.index.Has(h)
		used, lost, known = used || w.used[h], lost || w.used[h] && !indexed, known || indexed
	}
	return used, lost, known
}

// kindOf is the word that restic's output has for an object.
func kindOf(h pack.Handle) string {
	if h.Type == pack.Tree {
		return "tree"
	}
	return "blob"
}
