package browser_test

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser"
	"github.com/backstay/backstay/test/browser/example"
)

var pictures = flag.String("pictures", "", "`FOLDER` for the pictures of the documents; without it they are made and thrown away")

// picture is a page as a document shows it.
type picture struct {
	name, path string
	phone      bool // on a phone at night too
}

func TestTheDocumentsHaveTheirPictures(t *testing.T) {
	dir := *pictures
	if dir == "" {
		dir = t.TempDir()
	}
	s, e := filled(t, func(e *example.Site) {
		if e.Busy = true; *pictures != "" { // a folder with a name that can be read
			e.Folder = filepath.Join(os.TempDir(), "harbour")
			t.Cleanup(func() { _ = os.RemoveAll(e.Folder) })
		}
	})
	fresh := servertest.Start(t, server.Options{}).Claim(t)
	begin(t, fresh)
	for _, shot := range []struct {
		server *servertest.Server
		all    []picture
	}{
		{fresh, []picture{{"first-backup", "/start", false}}},
		{s, []picture{
			{"overview", "/", true},
			{"plan", "/plans/" + e.IDs["/plans"][0], false},
			{"run", "/activity/" + running(t, s), false},
			{"restore", "/restore?source=" + e.IDs["/sources"][0], true},
			{"restore-plan", "/restores/" + e.IDs["/restores"][1], true},
			{"rights", "/settings/users/" + e.IDs["/users"][0] + "/rights", false},
		}},
	} {
		p := browser.Start(t, shot.server.URL)
		p.SignIn(shot.server.Owner.Cookies(t))
		for _, pic := range shot.all {
			p.Size(1280, 800)
			p.Theme("light")
			p.Open(pic.path)
			keep(t, filepath.Join(dir, pic.name+".png"), p.Picture())
			if pic.phone {
				p.Size(360, 740)
				p.Theme("dark")
				p.Open(pic.path)
				keep(t, filepath.Join(dir, pic.name+"-phone.png"), p.Picture())
			}
		}
	}
}

// begin makes the first source of a server.
func begin(t *testing.T, s *servertest.Server) {
	t.Helper()
	var project struct{ ID string }
	s.Owner.Post(t, "/projects", map[string]any{"name": "Harbour office"}, &project)
	s.Owner.Post(t, "/sources", map[string]any{"project": project.ID, "name": "Documents", "kind": "files", "settings": map[string]string{"paths": t.TempDir()}}, nil)
}

// keep writes a picture with 256 colours: pages have few, and a third of the bytes is enough for them.
func keep(t *testing.T, path string, content []byte) {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, paletted(full)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, small.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d KiB, of %d", path, small.Len()/kib, len(content)/kib)
}

// paletted is a picture with 256 of its colours, and the nearest of them in place of each other one. Frequent ones come first, but for those that
// are like one that is there: an icon has few dots, and keeps its colour.
func paletted(full image.Image) *image.Paletted {
	counts := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	b := full.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			counts[at(x, y)]++
		}
	}
	var all []color.RGBA
	for c := range counts {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int { return counts[b] - counts[a] })
	palette, index := color.Palette{}, map[color.RGBA]uint8{}
	for _, apart := range []int{48, 16, 4, 0} {
		for _, c := range all {
			if len(palette) < 256 && !slices.ContainsFunc(palette, func(p color.Color) bool { return distance(p.(color.RGBA), c) <= apart }) {
				palette = append(palette, c)
			}
		}
	}
	for _, c := range all {
		index[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			small.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	return small
}

// distance is the greatest difference of a part of two colours.
func distance(a, b color.RGBA) int {
	part := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return max(part(a.R, b.R), part(a.G, b.G), part(a.B, b.B))
}
