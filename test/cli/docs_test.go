//go:build linux

package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const guides = "../../docs/guide"

// first is the guide that the others go on from. What it leaves is made in a quicker way for them.
const first = "first-backup.md"

// commands returns what a guide has a reader type, as one script.
func commands(t *testing.T, guide string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(guides, guide))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	inside := false
	for line := range strings.Lines(string(text)) {
		switch {
		case line == "```sh\n":
			inside = true
		case line == "```\n":
			inside = false
		case strings.HasPrefix(line, "```"):
			t.Errorf("%s: code that no test runs: %q", guide, line)
		case inside:
			script.WriteString(line)
		}
	}
	if !strings.Contains(script.String(), "backstay ") {
		t.Errorf("%s shows no command", guide)
	}
	return script.String()
}

func guideNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(guides, "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no guides in %s: %v", guides, err)
	}
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	return names
}

// reader makes the home of somebody who follows a guide.
func reader(t *testing.T) *room {
	t.Helper()
	for _, tool := range []string{"bash", "jq"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("CI") != "" {
			t.Fatal(err)
		} else if err != nil {
			t.Skipf("SKIPPED: on this machine %v", err)
		}
	}
	r := &room{dir: t.TempDir()}
	for _, dir := range []string{"home/documents/pictures", "tmp"} {
		if err := os.MkdirAll(r.at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.write(t, "home/documents/letter.txt", []byte("dear reader\n"))
	r.write(t, "home/documents/pictures/cat.jpg", noise(100_000, 7))
	return r
}

func TestEveryCommandOfTheGuidesWorks(t *testing.T) {
	for _, guide := range guideNames(t) {
		t.Run(guide, func(t *testing.T) {
			r := reader(t)
			t.Parallel()
			script := commands(t, guide)
			if guide != first {
				r.newRepo(t, "home/backups/disk")
				r.write(t, "home/.backup-password", []byte(password))
				script = "backstay backup -r ~/backups/disk --password-file ~/.backup-password ~/documents\n" + script
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-euxo", "pipefail", "-c", script)
			cmd.Dir = r.at("home")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // a server that a guide has started, where it failed
			cmd.Env = []string{"HOME=" + r.at("home"), "PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "TMPDIR=" + r.at("tmp"), "TZ=UTC"}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			r.wantTidy(t, "home/backups/disk")
		})
	}
}

// inline finds commands in the text of a guide.
var inline = regexp.MustCompile("`backstay ([a-z -]+)`")

func TestEveryCommandNamedInAGuideIsThere(t *testing.T) {
	for _, guide := range guideNames(t) {
		text, err := os.ReadFile(filepath.Join(guides, guide))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range inline.FindAllStringSubmatch(string(text), -1) {
			out, err := exec.CommandContext(t.Context(), binary, append(strings.Fields(found[1]), "--help")...).CombinedOutput()
			if err != nil || strings.Contains(string(out), "Available Commands") {
				t.Errorf("%s names %s: %v\n%s", guide, found[0], err, out)
			}
		}
	}
}

// links finds the targets of links within the project.
var links = regexp.MustCompile(`\]\(([^):#]+)[^)]*\)`)

func TestEveryLinkOfTheGuidesLeadsSomewhere(t *testing.T) {
	var pages []string
	for _, guide := range guideNames(t) {
		pages = append(pages, filepath.Join(guides, guide))
	}
	for _, page := range append(pages, "../../docs/README.md", "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s links to %s, which is not there", page, link[1])
			}
		}
	}
}

func TestTheTableOfExitCodesIsThatOfTheProgram(t *testing.T) {
	help, err := exec.CommandContext(t.Context(), binary, "help", "exit-codes").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(guides, "scripts.md"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, row := range regexp.MustCompile(`(?m)^ +(\d+)  (.+)$`).FindAllStringSubmatch(string(help), -1) {
		count++
		if want := "| " + row[1] + " | " + row[2] + " |\n"; !strings.Contains(string(text), want) {
			t.Errorf("scripts.md lacks %q", want)
		}
	}
	if count < 5 {
		t.Errorf("found %d exit codes in the help", count)
	}
}
