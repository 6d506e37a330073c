//go:build linux

package treegen

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// traits adds the entries that the wanted traits stand for.
func (g *generator) traits() error {
	for _, t := range []struct {
		trait Traits
		name  string
		add   func() error
	}{
		{Names, "names", g.awkwardNames},
		{Sizes, "sizes", g.sizes},
		{Sparse, "sparse files", g.sparse},
		{HardLinks, "hard links", g.hardLinks},
		{Symlinks, "symlinks", g.symlinks},
		{Fifos, "fifos", g.fifos},
		{Sockets, "sockets", g.sockets},
		{Devices, "devices", g.devices},
	} {
		if !g.has(t.trait) {
			continue
		}
		if err := t.add(); err != nil {
			return fmt.Errorf("add %s: %w", t.name, err)
		}
	}
	return nil
}

func (g *generator) awkwardNames() error {
	folder := filepath.Join(g.root, "names")
	if err := g.folder(folder); err != nil {
		return err
	}
	for i, name := range AwkwardNames() {
		path := filepath.Join(folder, name)
		if i%5 == 4 {
			if err := g.folder(path); err != nil {
				return err
			}
			path = filepath.Join(path, "inside")
		}
		if err := g.write(path, g.content(i)); err != nil {
			return err
		}
	}
	return nil
}

// sizes makes files at the edges of the chunker (512 KiB is the smallest chunk, 8 MiB the largest) and of nothing.
func (g *generator) sizes() error {
	const least, most = 512 << 10, 8 << 20
	for _, n := range []int{0, 1, least - 1, least, least + 1, most + 1 + g.rng.IntN(1<<20)} {
		path, err := g.free()
		if err != nil {
			return err
		}
		if err := g.write(path, g.random(n)); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) sparse() error {
	type piece struct{ offset, length int64 }
	for _, f := range []struct {
		size   int64
		pieces []piece
	}{
		{5 << 20, nil},
		{3<<20 + 17, []piece{{0, 1}, {1 << 20, 4096}}},
		{2 << 20, []piece{{2<<20 - 10, 10}}},
	} {
		path, err := g.free()
		if err != nil {
			return err
		}
		if err := g.write(path, nil); err != nil {
			return err
		}
		if err := os.Truncate(path, f.size); err != nil {
			return err
		}
		for _, p := range f.pieces {
			if err := writeAt(path, g.random(int(p.length)), p.offset); err != nil {
				return err
			}
		}
	}
	path, err := g.free()
	if err != nil {
		return err
	}
	return g.write(path, make([]byte, 600_000))
}

func writeAt(path string, p []byte, offset int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(p, offset); err != nil {
		f.Close() // the write's error is the one that counts
		return err
	}
	return f.Close()
}

func (g *generator) hardLinks() error {
	if len(g.regular) == 0 {
		if err := g.write(filepath.Join(g.root, "linked"), g.content(100)); err != nil {
			return err
		}
	}
	originals := g.regular // without the names that are made below
	for range 1 + len(originals)/20 {
		original := pick(g.rng, originals)
		for range 1 + g.rng.IntN(3) {
			path, err := g.free()
			if err != nil {
				return err
			}
			if err := os.Link(original, path); err != nil {
				return err
			}
			g.made(path, file)
		}
	}
	return nil
}

func (g *generator) symlinks() error {
	targets := []string{
		"/etc/hostname", "/", "..", ".", "nothing/is/here", "inv\xff\xfetarget", "nl\ntarget", "<&>\u2028", "folder/", "-rf",
		strings.Repeat("long/", 300) + "end",
	}
	targets = append(targets, filepath.Base(pick(g.rng, g.all).path))
	for _, target := range targets {
		path, err := g.free()
		if err != nil {
			return err
		}
		if err := g.symlink(target, path); err != nil {
			return err
		}
	}
	path, err := g.free()
	if err != nil {
		return err
	}
	return g.symlink(filepath.Base(path), path) // to itself
}

func (g *generator) symlink(target, path string) error {
	if err := os.Symlink(target, path); err != nil {
		return err
	}
	g.made(path, symlink)
	return nil
}

func (g *generator) fifos() error { return g.node(unix.S_IFIFO, 0) }

// sockets makes the socket files by mknod, as bind takes no path longer than 108 bytes.
func (g *generator) sockets() error { return g.node(unix.S_IFSOCK, 0) }

func (g *generator) devices() error {
	for _, d := range []struct {
		mode         uint32
		major, minor uint32
	}{
		{unix.S_IFCHR, 1, 3}, {unix.S_IFBLK, 7, 200}, {unix.S_IFCHR, 300, 70_000}, {unix.S_IFBLK, 259, 1},
	} {
		if err := g.node(d.mode, unix.Mkdev(d.major, d.minor)); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) node(mode uint32, device uint64) error {
	path, err := g.free()
	if err != nil {
		return err
	}
	if err := unix.Mknod(path, mode|0o644, int(device)); err != nil {
		return fmt.Errorf("mknod %q: %w", path, err)
	}
	g.made(path, other)
	return nil
}
