//go:build linux

package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/resticbin"
)

func TestAStreamIsTheSameOnBothSides(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		content := bytes.Repeat([]byte("a line of a dump\n"), 300_000)
		src := files.NewReader("dump.sql", clock.System, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
		ours, a, err := backup(t, s.ours, src, []string{"/dump.sql"}, snapshot.Full)
		if err != nil {
			t.Fatal(err)
		}
		if a.DataBlobs == 0 {
			t.Error("our backup stored no data")
		}
		cmd := s.restic.Command(t.Context(), "backup", "--json", "--host", host, "--stdin", "--stdin-filename", "dump.sql")
		cmd.Stdin = bytes.NewReader(content)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		theirs, a := s.saved(t, out)
		if a.DataBlobs != 0 {
			t.Errorf("restic adds %d data blobs to what we stored of the same stream", a.DataBlobs)
		}
		for _, saved := range []*snapshot.Snapshot{ours, theirs} {
			if got := s.run(t, "dump", saved.ID.String(), "/dump.sql"); !bytes.Equal(got, content) {
				t.Errorf("restic dumps %d bytes, which are not those of the stream", len(got))
			}
			restored, err := os.ReadFile(filepath.Join(s.ourRestore(t, saved), "dump.sql"))
			if err != nil || !bytes.Equal(restored, content) {
				t.Errorf("we restore %d bytes, which are not those of the stream: %v", len(restored), err)
			}
		}
		s.check(t)
	})
}

func TestSeveralIndexFilesAreReadByBothSides(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		const blobs = index.MaxBlobs + index.MaxBlobs/5
		var want bytes.Buffer
		var saved *snapshot.Snapshot
		s.locked(t, repo.Shared, func(ctx context.Context) (err error) {
			saved, err = manyBlobs(ctx, s.ours, blobs, &want)
			return err
		})
		if n := len(s.list(t, repo.Index)); n < 2 {
			t.Fatalf("%d blobs are in %d index files, want several", blobs, n)
		}
		s.check(t)
		if got := s.run(t, "dump", saved.ID.String(), "/many"); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("restic dumps %d bytes of another content, want %d", len(got), want.Len())
		}
		s.run(t, "rebuild-index", "--read-all-packs") // now they are files of restic
		s.open(t)
		s.replaceIndex(t, []string{listing(s.packs(t))}) // and now one file of more blobs than either side puts into one
		s.check(t)
		if got := s.run(t, "dump", saved.ID.String(), "/many"); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("with one large index restic dumps %d bytes of another content, want %d", len(got), want.Len())
		}
		restored, err := os.ReadFile(filepath.Join(s.ourRestore(t, saved), "many"))
		if err != nil || !bytes.Equal(restored, want.Bytes()) {
			t.Errorf("we restore %d bytes of another content, want %d: %v", len(restored), want.Len(), err)
		}
	})
}

// manyBlobs makes a snapshot of one file with many tiny blobs, and writes what is in it to content.
func manyBlobs(ctx context.Context, r *repo.Repo, n int, content *bytes.Buffer) (*snapshot.Snapshot, error) {
	w := r.NewWriter()
	defer w.Close()
	file := tree.Node{Meta: entry.Meta{Name: "many", Type: entry.File, Mode: 0o644, ModTime: time.Unix(1, 0)}}
	for i := range n {
		blob := fmt.Appendf(nil, "blob number %d\n", i)
		h := pack.Handle{ID: crypto.Hash(blob), Type: pack.Data}
		if _, err := w.SaveBlob(ctx, h, blob); err != nil {
			return nil, err
		}
		file.Content = append(file.Content, h.ID)
		content.Write(blob)
		if i == n*9/10 { // the packs are far from full, and only durable ones get into an index
			if err := w.Flush(ctx); err != nil {
				return nil, err
			}
		}
	}
	file.Size = uint64(content.Len())
	var b tree.Builder
	err := b.Append(&file)
	root := b.Finish()
	h := pack.Handle{ID: crypto.Hash(root), Type: pack.Tree}
	_, saveErr := w.SaveBlob(ctx, h, root)
	if err := errors.Join(err, saveErr, w.Flush(ctx)); err != nil {
		return nil, err
	}
	s := &snapshot.Snapshot{Time: time.Now(), Tree: h.ID, Paths: []string{"/many"}, Hostname: host}
	return s, snapshot.Save(ctx, r, s)
}
