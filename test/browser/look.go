package browser

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// look is how a page is looked at.
type look struct {
	width, height int64
	theme         string // what the system of the person prefers: light or dark
	forced        bool   // the system replaces colours
	motion        bool   // the person likes things to move
	touch         bool   // there is a finger and no mouse
}

// show has the tab looked at so.
func (p *Page) show() error {
	forced, motion := "none", "reduce"
	if p.look.forced {
		forced = "active"
	}
	if p.look.motion {
		motion = "no-preference"
	}
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: p.look.theme}, {Name: "prefers-reduced-motion", Value: motion}, {Name: "forced-colors", Value: forced}}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
	_, err2 := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: p.look.width, Height: p.look.height, DeviceScaleFactor: 1, Mobile: p.look.touch})
	_, err3 := chromedp.Call(p.ctx, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: p.look.touch})
	return errors.Join(err, err2, err3)
}

// Size gives the window a size in CSS pixels.
func (p *Page) Size(width, height int64) {
	p.t.Helper()
	p.look.width, p.look.height = width, height
	p.must(p.show())
}

// Theme is what the system of the person prefers: light, dark, or forced-colors.
func (p *Page) Theme(name string) {
	p.t.Helper()
	switch name {
	case "light", "dark":
		p.look.theme, p.look.forced = name, false
	case "forced-colors":
		p.look.forced = true
	default:
		p.t.Fatalf("there is no theme %q", name)
	}
	p.must(p.show())
}

// Motion has things move that may.
func (p *Page) Motion(on bool) {
	p.t.Helper()
	p.look.motion = on
	p.must(p.show())
}

// Touch takes the mouse away and gives a finger, as a phone does.
func (p *Page) Touch(on bool) {
	p.t.Helper()
	p.look.touch = on
	p.must(p.show())
}

// Screenshot keeps a picture of the whole page for a person to look at, in bin/screenshots.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	dir, err := root()
	p.must(err)
	path := filepath.Join(dir, "bin", "screenshots", strings.ReplaceAll(p.t.Name(), "/", "-")+"-"+name+".png")
	before := p.look
	p.look.height = max(before.height, int64(evaluate[float64](p, "document.documentElement.scrollHeight"))) // what is fixed to the window's edge is at the page's
	p.must(p.show())
	p.must(os.MkdirAll(filepath.Dir(path), 0o755))
	p.must(os.WriteFile(path, p.Picture(), 0o644))
	p.look = before
	p.must(p.show())
	p.t.Logf("screenshot: %s", path)
}

// Picture is what can be seen of the page, as a PNG.
func (p *Page) Picture() []byte {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	p.must(err)
	return shot.Data
}
