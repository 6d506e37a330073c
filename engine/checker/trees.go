package checker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// problem is a node, or the rest of a tree, that a Finding is about.
type problem struct {
	finding *Finding
	name    string      // "" for the tree itself
	packs   []crypto.ID // of WrongSize: where the index says that the content is
}

// readTrees looks at all that the snapshots need, and counts what they don't.
func (c *check) readTrees(ctx context.Context) error {
	for _, s := range c.snapshots {
		if h := (pack.Handle{ID: s.Tree, Type: pack.Tree}); !c.index.Has(h) {
			c.missing[h] = struct{}{}
		}
	}
	err := c.walk(ctx, c.trees, func(rd *reader, id crypto.ID, plain []byte) []crypto.ID {
		in := inspection{c: c, id: id, findings: make(map[Kind]*Finding)}
		in.read(&rd.decoder, plain)
		in.report()
		return in.below
	})
	c.countUnused()
	if err != nil {
		return err
	}
	return c.compareDoubtful(ctx)
}

// compareDoubtful compares the index with the headers of packs whose blobs don't add up to the size of a file: one of
// the two is wrong.
func (c *check) compareDoubtful(ctx context.Context) error {
	doubtful := make(map[crypto.ID]bool)
	for _, problems := range c.problems {
		for _, p := range problems {
			for _, id := range p.packs {
				doubtful[id] = c.packs[id].fault == nil
			}
		}
	}
	if len(doubtful) == 0 {
		return nil
	}
	for id, blobs := range c.index.EachPack() {
		if !doubtful[id] {
			continue
		}
		header, err := c.r.PackBlobs(ctx, id, c.packs[id].size)
		if ctx.Err() != nil {
			break
		}
		if err == nil && !slices.Equal(header, blobs) { // a header that can't be read says nothing against the index
			c.blameIndex(id, blobs, header)
		}
	}
	return context.Cause(ctx)
}

// dropExplained takes back what was said of the sizes of files whose blobs the index lists wrongly.
func (c *check) dropExplained() {
	kept := make(map[*Finding]bool)
	for id, problems := range c.problems {
		c.problems[id] = slices.DeleteFunc(problems, func(p problem) bool {
			return slices.ContainsFunc(p.packs, func(pack crypto.ID) bool {
				f := c.packs[pack].fault
				return f != nil && (f.kind == IndexMismatch || f.kind == PackSplit)
			})
		})
		for _, p := range c.problems[id] {
			kept[p.finding] = true
		}
	}
	c.later = slices.DeleteFunc(c.later, func(f *Finding) bool { return !kept[f] })
}

// inspection is the look at one tree.
type inspection struct {
	c        *check
	id       crypto.ID
	below    []crypto.ID
	missing  []pack.Handle
	findings map[Kind]*Finding
	problems []problem
}

func (in *inspection) read(d *tree.Decoder, plain []byte) {
	d.Reset(plain)
	var n tree.Node
	for {
		err := d.Next(&n)
		if err == io.EOF {
			return
		}
		var p *tree.ProblemError
		if errors.As(err, &p) {
			in.add(treeKinds[p.Kind], Error, problem{name: p.Name}, err.Error())
			if p.Kind == tree.BadValue { // what was read of it may be half an ID
				continue
			}
		}
		in.node(&n)
	}
}

// node looks at what a node needs.
func (in *inspection) node(n *tree.Node) {
	if !n.Subtree.IsNull() {
		in.below = append(in.below, n.Subtree)
		if h := (pack.Handle{ID: n.Subtree, Type: pack.Tree}); !in.c.index.Has(h) {
			in.missing = append(in.missing, h)
		}
	}
	var size uint64
	whole := true
	for _, id := range n.Content {
		h := pack.Handle{ID: id, Type: pack.Data}
		number, ok := in.c.index.Number(h)
		if !ok {
			in.missing = append(in.missing, h)
			whole = false
			continue
		}
		in.c.data.add(number)
		l, _ := in.c.index.First(h)
		size += uint64(l.PlainLength())
	}
	if n.Type == entry.File && n.Content != nil && whole && size != n.Size {
		in.add(WrongSize, Warning, problem{name: n.Name, packs: in.packs(n)}, fmt.Sprintf("file %q is of %d bytes, its content of %d", n.Name, n.Size, size))
	}
}

// packs returns where the index says that the content of a file is.
func (in *inspection) packs(n *tree.Node) []crypto.ID {
	var packs []crypto.ID
	for _, id := range n.Content {
		if l, ok := in.c.index.First(pack.Handle{ID: id, Type: pack.Data}); ok && !slices.Contains(packs, l.Pack) {
			packs = append(packs, l.Pack)
		}
	}
	return packs
}

// add takes in a problem with a node; those of a kind are one Finding.
func (in *inspection) add(kind Kind, severity Severity, p problem, message string) {
	f := in.findings[kind]
	if f == nil {
		h := pack.Handle{ID: in.id, Type: pack.Tree}
		f = new(about(kind, severity, blob(h)))
		f.Message = fmt.Sprintf("%s: %s", f.Object, message)
		in.findings[kind] = f
	}
	p.finding = f
	in.problems = append(in.problems, p)
}

// report hands over what was found.
func (in *inspection) report() {
	c := in.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Trees++
	for _, h := range in.missing {
		c.missing[h] = struct{}{}
	}
	if len(in.problems) == 0 {
		return
	}
	c.problems[in.id] = in.problems
	for _, kind := range sortedKeys(in.findings) {
		c.later = append(c.later, in.findings[kind])
	}
}

// countUnused counts the places that no snapshot needs.
func (c *check) countUnused() {
	for t, used := range map[pack.Type]bitmap{pack.Tree: c.trees, pack.Data: c.data} {
		counted := newBitmap(c.index.Count(t)) // of those in use the first place
		for l := range c.index.Blobs(t) {
			if n, _ := c.index.Number(l.Handle); !used.has(n) || !counted.add(n) {
				c.report.UnusedBlobs++
				c.report.UnusedBytes += int64(l.Length)
			}
		}
	}
}
