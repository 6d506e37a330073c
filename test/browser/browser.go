// Package browser has tests look at the pages as people do: in a real Chromium, by mouse, by finger or by keyboard alone.
//
// A Page is a tab with cookies of its own. What it is asked to find it finds by accessible name, as a screen reader tells it, and what it does
// not find fails the test with the text that is there. It watches all the time: a script that fails, an error in the console, a violation of
// the Content Security Policy, a file that is missing or comes from elsewhere fails the test too, at its end.
//
// The package has no opinion on what pages say. Its own tests walk through every page there is and hold it against the rules for all.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// Main runs the tests of a package that uses browsers, and ends what they share: func TestMain(m *testing.M) { os.Exit(browser.Main(m)) }.
func Main(m *testing.M) int {
	code := m.Run()
	ends.Lock()
	defer ends.Unlock()
	for _, end := range ends.all {
		end()
	}
	return code
}

// ends is what ends what all tests of a program share.
var ends struct {
	sync.Mutex
	all []func()
}

func atEnd(fn func()) {
	ends.Lock()
	defer ends.Unlock()
	ends.all = append(ends.all, fn)
}

// errNoChromium says that there is none.
var errNoChromium = errors.New("chromium is not installed; scripts/prerequisites.sh installs it")

// chromium is the browser that all tests share.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, errNoChromium
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(allocator)
	atEnd(func() { closeTab(); end() })
	if err := chromedp.Do(ctx); err != nil {
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	return ctx, nil
})

// backstay is the program, built from this tree.
var backstay = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "backstay-browser-test-")
	if err != nil {
		return "", err
	}
	atEnd(func() { _ = os.RemoveAll(dir) }) // what is left is in a folder for temporary files
	path := filepath.Join(dir, "backstay")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/backstay/backstay/cmd/backstay").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build backstay: %w: %s", err, out)
	}
	return path, nil
})

// root is the folder of the source tree.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no go.mod in or above the working folder")
		}
	}
}
