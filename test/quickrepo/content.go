package quickrepo

import (
	"context"
	"fmt"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

// Names returns the files in some folders of a storage.
func Names(ctx context.Context, b storage.Backend, folders ...string) (names []string, err error) {
	for _, folder := range folders {
		for info, err := range b.List(ctx, folder) {
			if err != nil {
				return nil, err
			}
			names = append(names, info.Name)
		}
	}
	return names, nil
}

// Chunk returns one of the contents that files are made of; some of them compress well.
func Chunk(n int) []byte {
	p := make([]byte, 200+n*37%900)
	for i := range p {
		p[i] = byte(n * (i + 1) >> (i % 7))
	}
	return append(p, fmt.Sprint(n)...)
}

// Content is the files of a snapshot by their paths, each with its chunks.
type Content map[string][]crypto.ID

// Save saves a blob.
type Save func(h pack.Handle, plain []byte) error

func (save Save) blob(kind pack.Type, plain []byte) (crypto.ID, error) {
	h := pack.Handle{ID: crypto.Hash(plain), Type: kind}
	return h.ID, save(h, plain)
}

// Tree saves directories of files, each of which is a list of chunks by number, and returns the root: dir000/file000 is the first
// file of the first directory.
func (save Save) Tree(dirs ...[][]int) (root crypto.ID, files Content, err error) {
	files = make(Content)
	var b tree.Builder
	for i, dir := range dirs {
		name := fmt.Sprintf("dir%03d", i)
		id, err := save.dir(name, dir, files)
		if err != nil {
			return root, nil, err
		}
		if err := b.Append(&tree.Node{Meta: entry.Meta{Name: name, Type: entry.Dir}, Subtree: id}); err != nil {
			return root, nil, err
		}
	}
	root, err = save.blob(pack.Tree, b.Finish())
	return root, files, err
}

func (save Save) dir(name string, dir [][]int, files Content) (crypto.ID, error) {
	var b tree.Builder
	for i, numbers := range dir {
		n := tree.Node{Meta: entry.Meta{Name: fmt.Sprintf("file%03d", i), Type: entry.File}, Content: []crypto.ID{}}
		for _, number := range numbers {
			chunk := Chunk(number)
			id, err := save.blob(pack.Data, chunk)
			if err != nil {
				return id, err
			}
			n.Content = append(n.Content, id)
			n.Size += uint64(len(chunk))
		}
		files[name+"/"+n.Name] = n.Content
		if err := b.Append(&n); err != nil {
			return crypto.ID{}, err
		}
	}
	return save.blob(pack.Tree, b.Finish())
}
