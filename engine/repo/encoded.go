package repo

import (
	"context"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
)

// LoadEncoded is LoadPack for blobs that are saved again: fn gets each opened and verified, but compressed as it is stored.
// Only one that has to be taken from elsewhere is compressed anew. e is valid during the call only.
func (r *Repo) LoadEncoded(ctx context.Context, id crypto.ID, blobs []pack.Blob, fn func(b pack.Blob, e Encoded, err error) error) error {
	packed, plain := r.buffer(0), r.buffer(0)
	defer r.buffers.Put(packed)
	defer r.buffers.Put(plain)
	return r.eachSealed(ctx, id, blobs, func(b pack.Blob, sealed []byte, readErr error) error {
		give := func(e Encoded, err error) error {
			if context.Cause(ctx) != nil {
				return context.Cause(ctx)
			}
			return fn(b, e, err)
		}
		if e, err := r.openEncoded(b, sealed, packed, plain); err == nil {
			return give(e, nil)
		}
		other, err := r.fromSpan(ctx, index.Location{Pack: id, Blob: b}, sealed, readErr, nil) // once more, or from where else it lies
		if err != nil {
			return give(Encoded{}, err)
		}
		return r.codec.Encode(b.Handle, other, func(e Encoded) error { return give(e, nil) })
	})
}

// openEncoded opens a box into packed, and decompresses it into plain.
func (r *Repo) openEncoded(b pack.Blob, sealed []byte, packed, plain *[]byte) (e Encoded, err error) {
	if *packed, err = r.key.Open((*packed)[:0], sealed); err != nil {
		return e, err
	}
	e = Encoded{Handle: b.Handle, Plain: *packed, Packed: *packed, UncompressedLength: b.UncompressedLength}
	if b.UncompressedLength != 0 {
		if *plain, err = r.codec.unpack(*packed, b.UncompressedLength, *plain); err != nil {
			return e, err
		}
		e.Plain = *plain
	}
	if crypto.Hash(e.Plain) != b.ID {
		return e, errHash
	}
	return e, nil
}
