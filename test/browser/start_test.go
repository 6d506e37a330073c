package browser_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/test/browser"
)

// counter is a hand that counts what it does.
type counter struct {
	hand
	acts int // buttons and links that were pressed
}

func (c *counter) press(name string) {
	c.acts++
	c.hand.press(name)
}

// longestFirst is how long the way from the first page to the first finished backup may take somebody who knows what to enter.
const longestFirst = 2 * time.Minute

func TestFromAFreshInstallToAFirstBackup(t *testing.T) {
	byEachHand(t, func(t *testing.T, keys bool) {
		s := browser.Serve(t)
		letters, cellar := filepath.Join(t.TempDir(), "letters"), filepath.Join(t.TempDir(), "cellar")
		if err := os.MkdirAll(letters, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(letters, "to-ada.txt"), []byte("Dear Ada"), 0o600); err != nil {
			t.Fatal(err)
		}
		h := &counter{hand: hand{browser.Start(t, s.URL), keys}}
		begun := time.Now()
		h.Open("/")
		h.fill("Claim code", s.Claim)
		h.fill("Your name", "Maya Lindqvist")
		h.fill("E-mail", "maya@example.org")
		h.fill("Password", "violet-harbour-lantern-42")
		h.press("Make the account")
		h.WaitText("What do you want to protect?")
		h.look()
		h.fill("Name", "Letters")
		h.fill("Folders and files", filepath.Join(letters, "missing"))
		h.press("Test and go on")
		h.WaitText("It is saved, but it can't be read.")
		h.look()
		h.fill("Folders and files", letters)
		h.press("Test and go on")
		h.WaitText("Where do the backups go?")
		h.look()
		h.fill("Name", "Cellar")
		h.fill("Folder", cellar)
		h.press("Test and go on")
		h.WaitText("Everything is encrypted before it leaves this machine")
		h.look()
		h.press("Make the encrypted repository")
		h.WaitText("Save the recovery kit now")
		h.look()
		h.press("Save the recovery kit")
		for range 10 { // a person goes on when the file is there
			if h.press("To the plan"); h.HasText("When should it run") {
				break
			}
			h.acts--
			time.Sleep(500 * time.Millisecond)
		}
		h.WaitText("When should it run")
		h.look()
		h.press("Save and start the first backup")
		h.WaitText("Your first backup is done")
		took := time.Since(begun)
		h.look()
		t.Logf("from the first page to the first backup: %s, %d buttons pressed", took.Round(100*time.Millisecond), h.acts)
		if took > longestFirst && keys {
			t.Errorf("it took %s, want %s at most", took, longestFirst)
		}
		if h.acts > 12 {
			t.Errorf("%d buttons were pressed, want 12 at most", h.acts)
		}
		h.press("Try a restore")
		h.WaitText("Letters")
		if files, err := filepath.Glob(filepath.Join(cellar, "backstay", "snapshots", "*")); err != nil || len(files) != 1 {
			t.Errorf("the repository has the snapshots %v, %v", files, err)
		}
		if strings.Contains(s.Log(), "panic") {
			t.Error(s.Log())
		}
	})
}
