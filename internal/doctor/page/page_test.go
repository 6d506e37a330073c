package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/internal/doctor"
)

const docs = "../../../docs"

func TestThePageIsWhatTheListSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(docs, "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page(), string(text)); diff != "" {
		t.Errorf("docs/errors.md is not what the list of errors says: run make docs (-want +got):\n%s", diff)
	}
}

func TestEachErrorHasAPlaceOnThePage(t *testing.T) {
	text := page()
	for _, e := range doctor.Entries() {
		_, anchor, _ := strings.Cut(e.Docs(), "#")
		if !strings.Contains(text, "\n### "+e.Code+"\n") || !strings.Contains(text, "](#"+anchor+") ") {
			t.Errorf("%s has no section, or no link to it", e.Code)
		}
		if parts[e.Code[4:5]] == "" {
			t.Errorf("%s is of a part that has no heading", e.Code)
		}
		for _, sentence := range []string{e.Title, e.Cause, e.Safe, e.Next[0].Text} {
			if strings.ContainsAny(sentence, "\\`*_[]<>#~&$|") {
				t.Errorf("%s has a character that means something in Markdown: %s", e.Code, sentence)
			}
		}
	}
}

// heading finds the headings of a page, and what their anchors leave out.
var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	omitted = regexp.MustCompile(`[^a-z0-9 -]`)
)

func TestEachGuideIsThere(t *testing.T) {
	for _, e := range doctor.Entries() {
		if e.Guide == "" {
			continue
		}
		name, anchor, _ := strings.Cut(e.Guide, "#")
		text, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil {
			t.Errorf("%s: %v", e.Code, err)
			continue
		}
		found := anchor == ""
		for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
			found = found || strings.ReplaceAll(omitted.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor
		}
		if !found {
			t.Errorf("%s: %s has no heading for #%s", e.Code, name, anchor)
		}
	}
}
