package repairer

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// maxSealed is how large a sealed blob may be: larger ones are refused when they are opened, so they need not be read.
const maxSealed = 1<<30 + crypto.Overhead

// PackOptions say how to repair packs. The zero value is useful.
type PackOptions struct {
	// Backup is given the bytes of each pack before it is removed, to put them in a safe place, from which an expert may
	// win back more. An error of it ends the repair. With nil they are not kept.
	Backup func(id crypto.ID, p []byte) error
	DryRun bool
}

// PackResult is what became of one pack.
type PackResult struct {
	ID    crypto.ID
	Saved int           // blobs that were whole, and are in new packs
	Lost  []pack.Handle // blobs that were damaged and that no other pack has
	// Err is why the pack was left as it is: the storage could not read a blob that may be whole.
	Err error
}

// Packs takes what is whole out of damaged packs, saves it in new ones, and removes the old. The index is rebuilt without
// them, as Index does. Until the new packs and index are durable nothing is removed. The results are in the order of
// ids; an error ends the whole, as does a pack that is not there.
func Packs(ctx context.Context, r *repo.Repo, ids []crypto.ID, opt PackOptions) ([]PackResult, error) {
	results, err := repairPacks(ctx, r, ids, opt)
	if err != nil {
		return results, fmt.Errorf("repair packs: %w", err)
	}
	return results, nil
}

func repairPacks(ctx context.Context, r *repo.Repo, ids []crypto.ID, opt PackOptions) ([]PackResult, error) {
	if err := r.LoadIndex(ctx); err != nil {
		return nil, fmt.Errorf("%w; run repair index first", err)
	}
	s := newSalvage(r, ids, opt.DryRun)
	defer s.close()
	var results []PackResult
	for _, id := range ids {
		result, err := s.pack(ctx, id)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	if opt.DryRun {
		return results, nil
	}
	if err := s.writer.Flush(ctx); err != nil {
		return results, err
	}
	without := make(map[crypto.ID]bool)
	for _, result := range results {
		without[result.ID] = result.Err == nil
	}
	if _, err := rebuild(ctx, r, IndexOptions{}, without); err != nil {
		return results, err
	}
	for _, result := range results {
		if result.Err == nil {
			if err := removePack(ctx, r, result.ID, opt); err != nil {
				return results, err
			}
		}
	}
	return results, nil
}

func removePack(ctx context.Context, r *repo.Repo, id crypto.ID, opt PackOptions) error {
	if opt.Backup != nil {
		info, err := r.Backend().Stat(ctx, repo.Packs.Name(id))
		if err != nil {
			return err
		}
		p := make([]byte, info.Size)
		if err := r.Backend().Load(ctx, info.Name, p, 0); err != nil {
			return err
		}
		if err := opt.Backup(id, p); err != nil {
			return fmt.Errorf("keep pack %s: %w", id.Short(), err)
		}
	}
	return r.RemoveFile(ctx, repo.Packs, id)
}

// salvage takes whole blobs out of damaged packs.
type salvage struct {
	r      *repo.Repo
	listed map[crypto.ID][]pack.Blob // what the index says of the packs
	writer *repo.Writer              // nil in a dry run
	sealed []byte
	plain  []byte
	saved  map[pack.Handle]bool
}

func newSalvage(r *repo.Repo, ids []crypto.ID, dry bool) *salvage {
	s := &salvage{r: r, listed: make(map[crypto.ID][]pack.Blob), saved: make(map[pack.Handle]bool)}
	for _, id := range ids {
		s.listed[id] = nil
	}
	for id, blobs := range r.Index().EachPack() {
		if _, wanted := s.listed[id]; wanted {
			s.listed[id] = append([]pack.Blob(nil), blobs...)
		}
	}
	if !dry {
		s.writer = r.NewWriter()
	}
	return s
}

func (s *salvage) close() {
	if s.writer != nil {
		s.writer.Close()
	}
}

// pack saves the blobs that the index or the header of the pack names and that are whole there.
func (s *salvage) pack(ctx context.Context, id crypto.ID) (PackResult, error) {
	result := PackResult{ID: id}
	info, err := s.r.Backend().Stat(ctx, repo.Packs.Name(id))
	if err != nil {
		return result, err
	}
	blobs := s.listed[id]
	header, err := s.r.PackBlobs(ctx, id, info.Size)
	switch {
	case err == nil:
		blobs = append(blobs, header...)
	case !errors.Is(err, repo.ErrDamaged):
		return result, err
	case len(blobs) == 0:
		return result, fmt.Errorf("no index names what is in it, and %w", err)
	}
	bad := make(map[pack.Handle]bool)
	for _, b := range blobs {
		if s.saved[b.Handle] {
			continue
		}
		plain, err := s.load(ctx, id, b)
		switch {
		case ctx.Err() != nil:
			return result, context.Cause(ctx)
		case err == nil:
			if err := s.save(ctx, b.Handle, plain); err != nil {
				return result, err
			}
			result.Saved++
		case errors.Is(err, repo.ErrDamaged):
			bad[b.Handle] = true
		case result.Err == nil:
			result.Err = err
		}
	}
	for _, b := range blobs { // in their order, and each once
		if bad[b.Handle] && !s.saved[b.Handle] {
			delete(bad, b.Handle)
			if err := s.elsewhere(ctx, b.Handle); err != nil {
				result.Lost = append(result.Lost, b.Handle)
			}
		}
	}
	return result, nil
}

// load returns a blob as it is in this pack. One that is damaged is read twice.
func (s *salvage) load(ctx context.Context, id crypto.ID, b pack.Blob) (plain []byte, err error) {
	if b.Length > maxSealed {
		return nil, &repo.DamageError{Type: repo.Packs, ID: id, Blob: b.Handle, Err: errors.New("it is larger than any blob")}
	}
	if cap(s.sealed) < int(b.Length) {
		s.sealed = make([]byte, b.Length)
	}
	sealed := s.sealed[:b.Length]
	for range 2 {
		if err = s.r.Backend().Load(ctx, repo.Packs.Name(id), sealed, int64(b.Offset)); err != nil {
			if errors.Is(err, storage.ErrShort) {
				err = &repo.DamageError{Type: repo.Packs, ID: id, Blob: b.Handle, Err: err}
			}
			continue
		}
		if plain, err = s.r.OpenBlob(sealed, b, s.plain); err == nil {
			s.plain = plain
			return plain, nil
		}
		err = &repo.DamageError{Type: repo.Packs, ID: id, Blob: b.Handle, Err: err}
	}
	return nil, err
}

func (s *salvage) save(ctx context.Context, h pack.Handle, plain []byte) error {
	s.saved[h] = true
	if s.writer == nil {
		return nil
	}
	return s.r.Encoder().Encode(h, plain, func(e repo.Encoded) error {
		_, err := s.writer.Save(ctx, e)
		return err
	})
}

// elsewhere returns nil if a pack that stays has the blob whole.
func (s *salvage) elsewhere(ctx context.Context, h pack.Handle) error {
	for _, l := range s.r.Index().Lookup(h) {
		if _, damaged := s.listed[l.Pack]; damaged {
			continue
		}
		if _, err := s.load(ctx, l.Pack, l.Blob); err == nil {
			return nil
		}
	}
	return repo.ErrDamaged
}
