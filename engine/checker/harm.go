package checker

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/tree"
)

// harm finds out what the Findings in check.later, which it calls by their numbers there, hit.
//
// A second walk over the trees notes for each which Findings hit its nodes, and what is below it. From that follows, with nothing
// read, what hits each root and so each snapshot. Then trees that are hit are read once more, until there are enough
// examples of paths.
type harm struct {
	c     *check
	packs map[crypto.ID]int   // of packs with a fault
	homes map[pack.Handle]int // of blobs that no index names
	nodes map[*Finding]int    // of problems of trees

	mu   sync.Mutex // guards what follows while the walk goes on
	dirs map[uint32]*dir
}

// dir is a tree, known by the number of its blob.
type dir struct {
	hit     []int // ascending; first of its own nodes, then also of all below
	below   []uint32
	summed  bool
	sampled bool
}

func (h *harm) find(ctx context.Context) error {
	if err := h.c.walk(ctx, newBitmap(h.c.index.Count(pack.Tree)), h.note); err != nil {
		return err
	}
	rd := &reader{c: h.c}
	counted := make(map[crypto.ID]bool)
	for _, s := range h.c.snapshots {
		root := pack.Handle{ID: s.Tree, Type: pack.Tree}
		hit := h.causes(root)
		for _, number := range hit { // the root itself is lost
			f := h.c.later[number]
			if !counted[s.Tree] {
				f.PathCount++
				f.addPath("/")
			}
		}
		counted[s.Tree] = true
		if number, ok := h.c.index.Number(root); ok {
			hit = append(hit, h.sum(number)...)
			h.sample(ctx, rd, "/", s.Tree)
		}
		for _, number := range compact(hit) {
			f := h.c.later[number]
			f.Snapshots = append(f.Snapshots, s.ID)
		}
	}
	return context.Cause(ctx)
}

func compact(numbers []int) []int {
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// bad reports whether the blob is known to be damaged in this place.
func (c *check) bad(l index.Location) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.packs[l.Pack].fault
	if f == nil {
		return false
	}
	_, hit := f.blobs[l.Handle]
	return hit || f.all
}

// causes returns the Findings by which a blob is lost; none if some pack has it whole.
func (h *harm) causes(b pack.Handle) []int {
	locations := h.c.index.Lookup(b)
	if len(locations) == 0 {
		if number, ok := h.homes[b]; ok {
			return []int{number}
		}
	}
	var causes []int
	for _, l := range locations {
		if !h.c.bad(l) {
			return nil
		}
		if number, ok := h.packs[l.Pack]; ok {
			causes = append(causes, number)
		}
	}
	return compact(causes)
}

// nodeCauses returns the Findings that hit a node: because it needs what is lost.
func (h *harm) nodeCauses(n *tree.Node) []int {
	var causes []int
	for _, blob := range n.Content {
		causes = append(causes, h.causes(pack.Handle{ID: blob, Type: pack.Data})...)
	}
	if !n.Subtree.IsNull() {
		causes = append(causes, h.causes(pack.Handle{ID: n.Subtree, Type: pack.Tree})...)
	}
	return compact(causes)
}

// note is the visit of the second walk.
func (h *harm) note(rd *reader, id crypto.ID, plain []byte) []crypto.ID {
	number, _ := h.c.index.Number(pack.Handle{ID: id, Type: pack.Tree})
	d := &dir{}
	var below []crypto.ID
	count := make(map[int]int)
	for n := range rd.nodes(plain) {
		for _, cause := range h.nodeCauses(n) {
			count[cause]++
		}
		if child, ok := h.c.index.Number(pack.Handle{ID: n.Subtree, Type: pack.Tree}); ok {
			d.below = append(d.below, child)
			below = append(below, n.Subtree)
		}
	}
	for _, p := range h.c.problems[id] {
		count[h.nodes[p.finding]]++
	}
	d.hit = sortedKeys(count)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dirs[number] = d
	for cause, n := range count {
		h.c.later[cause].PathCount += n
	}
	return below
}

// sum returns the Findings that hit a tree or what is below it.
func (h *harm) sum(number uint32) []int {
	d := h.dirs[number]
	if d == nil { // it could not be read
		return nil
	}
	if !d.summed {
		d.summed = true
		for _, child := range d.below {
			d.hit = append(d.hit, h.sum(child)...)
		}
		d.hit, d.below = compact(d.hit), nil
	}
	return d.hit
}

// sample gives examples of paths to the Findings that hit a tree or what is below it.
func (h *harm) sample(ctx context.Context, rd *reader, path string, id crypto.ID) {
	number, ok := h.c.index.Number(pack.Handle{ID: id, Type: pack.Tree})
	if !ok {
		return
	}
	d := h.dirs[number]
	if d == nil || d.sampled || !slices.ContainsFunc(d.hit, func(number int) bool { return h.c.later[number].wantsPath() }) {
		return
	}
	d.sampled = true
	plain := rd.load(ctx, pack.Handle{ID: id, Type: pack.Tree})
	if plain == nil {
		return
	}
	for _, p := range h.c.problems[id] {
		p.finding.addPath(join(path, p.name))
	}
	var below []tree.Node
	for n := range rd.nodes(plain) {
		for _, cause := range h.nodeCauses(n) {
			h.c.later[cause].addPath(join(path, n.Name))
		}
		if !n.Subtree.IsNull() {
			below = append(below, *n)
		}
	}
	for _, n := range below {
		h.sample(ctx, rd, join(path, n.Name), n.Subtree)
	}
}

// join returns the path of a name in a directory; the directory's own for the name "".
func join(dir, name string) string {
	if name == "" {
		return dir
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}
