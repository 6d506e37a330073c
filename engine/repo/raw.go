package repo

import "github.com/backstay/backstay/engine/pack"

// ParsePack returns the blobs that the header of a pack lists, for who has read the pack himself. The pack is of size
// bytes, and tail is its end: at least pack.TailNeeded bytes.
func (r *Repo) ParsePack(size int64, tail []byte) ([]pack.Blob, error) {
	return pack.Parse(r.key, size, tail)
}

// OpenBlob returns the plaintext of the blob of which sealed are the stored bytes, verified, in buf if it is large enough.
// It is for who has read the bytes himself, because he wants those of one certain pack.
func (r *Repo) OpenBlob(sealed []byte, b pack.Blob, buf []byte) ([]byte, error) {
	return r.openBlob(sealed, b, buf)
}
