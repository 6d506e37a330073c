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
	s, e := filled(t, func(e *example.Site) { e.Busy = true })
	fresh := servertest.Start(t, server.Options{}).Claim(t)
	begin(t, fresh, "/storages")
	for _, shot := range []struct {
		server *servertest.Server
		all    []picture
	}{
		{fresh, []picture{{"first-backup", "/start", true}}},
		{s, []picture{
			{"overview", "/", true},
			{"plans", "/plans", false},
			{"plan", "/plans/" + e.IDs["/plans"][0], true},
			{"run", "/activity/" + running(t, s), true},
			{"storage", "/storage", false},
			{"snapshots", "/snapshots", true},
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

// begin makes the first things of a server, up to one of these lists.
func begin(t *testing.T, s *servertest.Server, last string) {
	t.Helper()
	var project struct{ ID string }
	s.Owner.Post(t, "/projects", map[string]any{"name": "Harbour office"}, &project)
	for _, step := range []struct {
		list string
		body map[string]any
	}{
		{"/sources", map[string]any{"project": project.ID, "name": "Documents", "kind": "files", "settings": map[string]string{"paths": t.TempDir()}}},
		{"/storages", map[string]any{"project": project.ID, "name": "Disk in the cellar", "location": filepath.Join(t.TempDir(), "cellar")}},
	} {
		s.Owner.Post(t, step.list, step.body, nil)
		if step.list == last {
			return
		}
	}
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

// paletted is a picture with its 256 most frequent colours; each other one becomes the nearest of them.
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
	for _, c := range all[:min(len(all), 256)] {
		palette = append(palette, c)
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
