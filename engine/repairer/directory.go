package repairer

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/backstay/backstay/engine/tree"
)

// directory is a tree that is being made, of nodes in any order.
type directory struct {
	nodes   []tree.Node
	renamed []tree.Node // those that get a new name
}

// add takes in a node to which what was done.
func (d *directory) add(n tree.Node, what What) {
	switch what {
	case Dropped:
	case Emptied, Shortened, Renamed:
		d.renamed = append(d.renamed, n)
	default:
		d.nodes = append(d.nodes, n)
	}
}

// encode returns the bytes of the tree, with its nodes in order and each name once.
func (d *directory) encode() ([]byte, error) {
	taken := make(map[string]bool, len(d.nodes))
	var nodes []tree.Node
	for _, n := range d.nodes {
		if taken[n.Name] {
			d.renamed = append(d.renamed, n)
			continue
		}
		taken[n.Name] = true
		nodes = append(nodes, n)
	}
	for _, n := range d.renamed {
		n.Name = rename(n.Name, taken)
		taken[n.Name] = true
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b tree.Node) int { return cmp.Compare(a.Name, b.Name) })
	var b tree.Builder
	for i := range nodes {
		if err := b.Append(&nodes[i]); err != nil {
			return nil, err
		}
	}
	return b.Finish(), nil
}

const maxName = 255 // bytes, of most file systems

// rename returns the name with Suffix, and a number if that is taken.
func rename(name string, taken map[string]bool) string {
	for n, suffix := 2, Suffix; ; n, suffix = n+1, Suffix+"."+strconv.Itoa(n) {
		if next := name[:min(len(name), maxName-len(suffix))] + suffix; !taken[next] {
			return next
		}
	}
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
