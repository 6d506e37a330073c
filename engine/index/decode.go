package index

import (
	"fmt"
	"math"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/internal/jsonscan"
	"github.com/backstay/backstay/engine/pack"
)

// Decode reads the JSON of an index file and hands each pack with its blobs to fn. The slice of blobs is used again for the
// next pack. An error of fn ends the reading and is returned as it is; others wrap ErrFormat. Fn was then called for the
// packs before the error. Keys that are not known are passed over, among them the list of superseded files, which nobody
// goes by any more.
func Decode(p []byte, fn func(id crypto.ID, blobs []pack.Blob) error) error {
	var d decoder
	d.s.Reset(p)
	listed := false
	for d.s.Object(); ; {
		key, ok := d.s.Key()
		switch {
		case !ok && !listed && d.err() == nil:
			return ErrWrongKind
		case !ok:
			return d.err()
		case string(key) != "packs":
			d.s.Skip()
		case listed:
			d.s.Fail("it has two lists of packs")
		default:
			listed = true
			if err := d.packs(fn); err != nil {
				return err
			}
		}
	}
}

type decoder struct {
	s     jsonscan.Scanner
	blobs []pack.Blob
}

func (d *decoder) err() error {
	if err := d.s.End(); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

func (d *decoder) packs(fn func(id crypto.ID, blobs []pack.Blob) error) error {
	for d.s.Array(); d.s.Element(); {
		id := d.pack()
		if d.s.Err() != nil {
			return d.err()
		}
		if err := fn(id, d.blobs); err != nil {
			return err
		}
	}
	return nil
}

// pack reads one pack, and leaves its blobs in d.blobs.
func (d *decoder) pack() (id crypto.ID) {
	d.blobs = d.blobs[:0] // a pack may have no list
	named := false
	for d.s.Object(); ; {
		key, ok := d.s.Key()
		switch {
		case !ok && !named:
			d.s.Fail("a pack without id")
			return id
		case !ok:
			return id
		}
		switch string(key) {
		case "id":
			d.s.Hex(id[:])
			named = true
		case "blobs":
			d.blobs = d.blobs[:0]
			if d.s.Null() { // how some write an empty list
				continue
			}
			for d.s.Array(); d.s.Element(); {
				d.blobs = append(d.blobs, d.blob())
			}
		default:
			d.s.Skip()
		}
	}
}

// The facts that a blob can't be without, as bits.
const (
	hasID = 1 << iota
	hasType
	hasOffset
	hasLength
	hasAll = hasID | hasType | hasOffset | hasLength
)

func (d *decoder) blob() (b pack.Blob) {
	has := 0
	for d.s.Object(); ; {
		key, ok := d.s.Key()
		if !ok {
			break
		}
		switch string(key) {
		case "id":
			d.s.Hex(b.ID[:])
			has |= hasID
		case "type":
			b.Type = d.kind()
			has |= hasType
		case "offset":
			b.Offset = d.uint32()
			has |= hasOffset
		case "length":
			b.Length = d.uint32()
			has |= hasLength
		case "uncompressed_length":
			b.UncompressedLength = d.uint32()
		default:
			d.s.Skip()
		}
	}
	switch {
	case has != hasAll:
		d.s.Fail("a blob without id, type, offset or length")
	case b.Length < crypto.Overhead || uint64(b.Offset)+uint64(b.Length) > math.MaxUint32:
		d.s.Fail(fmt.Sprintf("a blob of %d bytes at %d", b.Length, b.Offset))
	}
	return b
}

func (d *decoder) kind() pack.Type {
	switch string(d.s.String()) {
	case "data":
		return pack.Data
	case "tree":
		return pack.Tree
	}
	d.s.Fail("a blob that is neither data nor tree")
	return 0
}

func (d *decoder) uint32() uint32 {
	n := d.s.Uint64()
	if n > math.MaxUint32 {
		d.s.Fail("a number beyond 4 GiB")
	}
	return uint32(n)
}
