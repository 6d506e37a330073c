package files

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// run reads the metadata of the names of the part, at most as many as are read at once; what is left is its rest.
func (p *viewPart) run(ctx context.Context, v *view) {
	if p.dir == nil {
		p.runTargets(ctx, v)
		return
	}
	p.err = p.dir.use(func(fd int) error {
		if err := p.list(fd); err != nil {
			return err
		}
		n := min(len(p.names), v.atOnce)
		p.items = make([]viewItem, 0, n)
		for i, name := range p.names[:n] {
			if i%64 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			p.stat(fd, name)
		}
		if n < len(p.names) {
			p.rest = &viewPart{dir: p.dir, names: p.names[n:], listed: true, tags: p.tags}
		}
		p.names = nil
		return nil
	})
	if p.err != nil {
		p.err = fmt.Errorf("read directory: %w", p.err)
	}
}

func (p *viewPart) list(fd int) (err error) {
	if p.listed {
		return nil
	}
	if p.names, err = atNames(fd); err != nil {
		return err
	}
	p.names = withoutPictures(p.names)
	p.tags = p.dir.view.filter.tagged(fd)
	p.listed = true
	return nil
}

// stat reads the metadata of one name, unless it is left out.
func (p *viewPart) stat(fd int, name string) {
	d, f := p.dir, p.dir.view.filter
	if besideTag(p.tags, name) || f.excludes(d.names, name) {
		return
	}
	var st unix.Stat_t
	err := atRetry(func() error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err == unix.ENOENT {
		return
	}
	p.add(d, name, name, &st, err)
}

// add makes an item of what is called base in the directory d of the file system, and name in the tree.
func (p *viewPart) add(d *viewDir, base, name string, st *unix.Stat_t, err error) {
	f, tree := d.view.filter, d.join(name)
	if err == nil && (f.tooLarge(st) || f.elsewhere(d, st)) {
		return
	}
	p.items = append(p.items, viewItem{dir: d, name: base})
	it := &p.items[len(p.items)-1]
	if err != nil {
		it.lose(tree, fmt.Errorf("read metadata: %w", err))
		return
	}
	if !it.stat(st, tree, name) {
		p.items = p.items[:len(p.items)-1]
		return
	}
	if it.lost == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && !f.mountPoint(d, st) {
		it.part = &viewPart{dir: d.child(base, tree, st.Dev)}
	}
}

// elsewhere says whether what st tells of is left out since it is on another file system. A mount point isn't.
func (f *filter) elsewhere(d *viewDir, st *unix.Stat_t) bool {
	return f.oneSystem && st.Dev != d.system && !f.mountPoint(d, st)
}

// mountPoint says whether st is that of a directory in d where another file system begins that is not gone into.
func (f *filter) mountPoint(d *viewDir, st *unix.Stat_t) bool {
	return f.oneSystem && st.Dev != d.system && d.device == d.system && st.Mode&unix.S_IFMT == unix.S_IFDIR
}
