package checker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func sortedIDs[V any](m map[crypto.ID]V) []crypto.ID {
	return slices.SortedFunc(maps.Keys(m), func(a, b crypto.ID) int { return slices.Compare(a[:], b[:]) })
}

// tellDamage makes Findings of faults, missing blobs and packs without index, learns what they hit and hands them out.
func (c *check) tellDamage(ctx context.Context) error {
	h := harm{c: c, packs: make(map[crypto.ID]int), homes: make(map[pack.Handle]int), nodes: make(map[*Finding]int), dirs: make(map[uint32]*dir)}
	c.dropExplained()
	for number, f := range c.later {
		h.nodes[f] = number
	}
	c.tellFaults(&h)
	if err := c.tellUnindexed(ctx, &h); err != nil {
		return err
	}
	c.tellMissing(&h)
	if len(c.later) == 0 {
		return nil
	}
	if err := h.find(ctx); err != nil {
		return err
	}
	for _, f := range c.later {
		c.found(*f)
	}
	return nil
}

// tellFaults makes a Finding of each fault of a pack.
func (c *check) tellFaults(h *harm) {
	for _, id := range sortedIDs(c.packs) {
		if fault := c.packs[id].fault; fault != nil {
			f := about(fault.kind, Error, file(repo.Packs, id))
			f.Message = fmt.Sprintf("%s: %v", f.Object, fault.err)
			h.packs[id] = len(c.later)
			c.later = append(c.later, &f)
		}
	}
	if len(h.packs) == 0 {
		return
	}
	for id, blobs := range c.index.EachPack() {
		number, ok := h.packs[id]
		if !ok {
			continue
		}
		fault := c.packs[id].fault
		for _, b := range blobs {
			if _, hit := fault.blobs[b.Handle]; hit || fault.all {
				c.later[number].addBlob(b.Handle)
			}
		}
	}
}

// tellUnindexed tells of the packs that no index names. If blobs are missing, they are looked for in these.
func (c *check) tellUnindexed(ctx context.Context, h *harm) error {
	var unindexed []crypto.ID
	for _, id := range sortedIDs(c.packs) {
		if !c.packs[id].indexed {
			unindexed = append(unindexed, id)
		}
	}
	headers := make(map[crypto.ID][]pack.Blob)
	if len(c.missing) > 0 {
		err := each(ctx, c.workers, unindexed, func(ctx context.Context, id crypto.ID) {
			blobs, err := c.r.PackBlobs(ctx, id, c.packs[id].size)
			if err != nil { // nothing is known to be in it
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			headers[id] = blobs
		})
		if err != nil {
			return err
		}
	}
	for _, id := range unindexed {
		c.tellPackUnindexed(h, id, headers[id])
	}
	return nil
}

func (c *check) tellPackUnindexed(h *harm, id crypto.ID, blobs []pack.Blob) {
	f := about(PackUnindexed, Hint, file(repo.Packs, id))
	f.Message = fmt.Sprintf("no index names %s", f.Object)
	for _, b := range blobs {
		if _, needed := c.missing[b.Handle]; needed {
			h.homes[b.Handle] = len(c.later)
			f.addBlob(b.Handle)
		}
	}
	if f.BlobCount == 0 {
		c.found(f)
		return
	}
	f.Severity, f.Remedy = Error, repairIndex
	f.Message += fmt.Sprintf(", but %d blobs are needed that are in no other", f.BlobCount)
	c.later = append(c.later, &f)
}

// tellMissing makes one Finding of the blobs that are nowhere.
func (c *check) tellMissing(h *harm) {
	f := about(BlobsMissing, Error, Object{Type: "repository"})
	missing := slices.SortedFunc(maps.Keys(c.missing), func(a, b pack.Handle) int {
		return cmp.Or(cmp.Compare(b.Type, a.Type), slices.Compare(a.ID[:], b.ID[:]))
	})
	for _, b := range missing {
		if _, found := h.homes[b]; !found {
			h.homes[b] = len(c.later)
			f.addBlob(b)
		}
	}
	if f.BlobCount > 0 {
		f.Message = fmt.Sprintf("%d blobs are needed but in no pack, such as %s", f.BlobCount, f.Blobs[0])
		c.later = append(c.later, &f)
	}
}
