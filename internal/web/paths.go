package web

import (
	"net/url"
	"path"
	"strings"
	"unicode"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// The paths in snapshots are any bytes. An address has them percent-encoded, as "path". The values of forms are Unicode, and browsers change
// line breaks in them, so there they are encoded once more, as "at".

// rawPath is the path of an entry as it is.
func rawPath(e app.SnapshotEntry) string {
	if len(e.RawPath) > 0 {
		return string(e.RawPath)
	}
	return e.Path
}

// paths are those that an address or a form names.
func (v *visit) paths() ([]string, error) {
	if err := v.r.ParseForm(); err != nil {
		return nil, backstay.Errorf(backstay.Invalid, "the form can't be read: %w", err)
	}
	all := append([]string(nil), v.r.Form["path"]...)
	for _, coded := range v.r.Form["at"] {
		p, err := url.QueryUnescape(coded)
		if err != nil {
			return nil, backstay.Errorf(backstay.Invalid, "path %q can't be read", coded).OnField("path")
		}
		all = append(all, p)
	}
	return all, nil
}

// query is an address with values in turn: names and what they are; what is empty is left out.
func addressOf(to string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return address(to, q)
}

// shownPath is a name or path as a page shows it: what can't be seen, or would turn the direction of what follows, is shown as a mark.
func shownPath(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0 && r < 0x20:
			return 0x2400 + r // the picture of a control character
		case r == 0x7f:
			return 0x2421
		case !unicode.IsPrint(r) && r != '\u00a0':
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
}

// baseName and folderOf are the last element of a path and the folder that it is in.
func baseName(p string) string { return shownPath(path.Base(p)) }

func folderOf(p string) string { return shownPath(path.Dir(p)) }

// crumbs lead from the root of a snapshot to a folder.
func crumbs(at func(dir string) string, dir string) (all []tab) {
	all = append(all, tab{Href: at("/"), Word: "/"})
	for i := 1; i < len(dir); i++ {
		if rest := strings.IndexByte(dir[i:], '/'); rest >= 0 {
			all = append(all, tab{Href: at(dir[:i+rest]), Word: baseName(dir[:i+rest])})
			i += rest
		} else {
			all = append(all, tab{Href: at(dir), Word: baseName(dir)})
			break
		}
	}
	all[len(all)-1].Current = true
	return all
}
