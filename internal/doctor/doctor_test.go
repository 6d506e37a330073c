package doctor

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay"
)

var update = flag.Bool("update", false, "add the codes that are new to testdata/codes.txt")

const golden = "testdata/codes.txt"

// A code that was given once keeps its name. The list of them only grows, and a code on it is not given to anything else.
func TestACodeIsNeverReused(t *testing.T) {
	text, err := os.ReadFile(golden)
	if err != nil && !*update {
		t.Fatal(err)
	}
	known := map[string]string{}
	var lines []string
	for line := range strings.Lines(string(text)) {
		code, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		known[code] = name
		lines = append(lines, code+" "+name)
	}
	codes, names := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		if codes[e.Code] || names[e.Name] {
			t.Errorf("%s %s is there twice", e.Code, e.Name)
		}
		codes[e.Code], names[e.Name] = true, true
		switch name, ok := known[e.Code]; {
		case ok && name != e.Name:
			t.Errorf("%s was %q, and can't become %q: give a new code", e.Code, name, e.Name)
		case !ok && !*update:
			t.Errorf("%s %s is new: run the test with -update", e.Code, e.Name)
		case !ok:
			lines = append(lines, e.Code+" "+e.Name)
		}
	}
	for code, name := range known {
		if names[name] && !codes[code] {
			t.Errorf("%s was %s, which now has another code", name, code)
		}
	}
	if !slices.IsSortedFunc(entries, func(a, b Entry) int { return strings.Compare(a.Code, b.Code) }) {
		t.Error("the list is not in the order of the codes")
	}
	if slices.Sort(lines); *update {
		if err := os.WriteFile(golden, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	codeForm = regexp.MustCompile(`^BST-[1-9][0-9]{3}$`)
	nameForm = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	sentence = regexp.MustCompile(`^[A-Z].*[.]$`)
	title    = regexp.MustCompile(`^[A-Z].*[^.!?]$`)
	// empty are words that say nothing, or blame somebody.
	empty = regexp.MustCompile(`(?i)\b(please|sorry|oops|unfortunately|an error occurred|failed to|unable to|invalid input|contact support|simply|just|obviously|todo|tbd|job|admin)\b`)
)

func TestEachErrorIsExplained(t *testing.T) {
	for _, e := range entries {
		if !codeForm.MatchString(e.Code) || !nameForm.MatchString(e.Name) || !title.MatchString(e.Title) {
			t.Errorf("%s %q %q: the code, the name or the title has another form than the others", e.Code, e.Name, e.Title)
		}
		said := []string{e.Cause, e.Safe}
		for _, a := range e.Next {
			said = append(said, a.Text)
		}
		if len(e.Next) == 0 {
			t.Errorf("%s says not what to do next", e.Code)
		}
		for i, s := range said {
			if !sentence.MatchString(s) || strings.Contains(s, "  ") || len(strings.Fields(s)) < 2 {
				t.Errorf("%s: %q is no sentence", e.Code, s)
			}
			if slices.Index(said, s) != i || strings.TrimSuffix(s, ".") == e.Title {
				t.Errorf("%s says twice %q", e.Code, s)
			}
		}
		if all := strings.Join(append(said, e.Title), " "); empty.MatchString(all) {
			t.Errorf("%s says %q", e.Code, empty.FindString(all))
		}
		if len(strings.Fields(e.Cause)) < 6 {
			t.Errorf("%s: the cause is told in %q", e.Code, e.Cause)
		}
	}
}

func TestNoTwoErrorsHaveTheSameTitleOrCause(t *testing.T) {
	seen := map[string]string{}
	for _, e := range entries {
		for _, s := range []string{e.Title, e.Cause} {
			if was := seen[s]; was != "" {
				t.Errorf("%s and %s both say %q", was, e.Code, s)
			}
			seen[s] = e.Code
		}
	}
}

func TestAnErrorThatNobodyKnowsIsUnexpected(t *testing.T) {
	for _, err := range []error{errors.New("something"), Mark(errors.New("x"), "no-such-name"), errors.Join(errors.New("a"), errors.New("b"))} {
		if e := Find(err); e.Code != "BST-1000" {
			t.Errorf("Find(%v) = %s", err, e.Code)
		}
	}
}

func TestAMarkIsFoundBelowOtherWords(t *testing.T) {
	cause := errors.New("heartbeat of run 7: no row")
	err := fmt.Errorf("work: %w", Mark(cause, "lease-lost"))
	if e := Find(err); e.Code != "BST-7001" || !errors.Is(err, cause) || err.Error() != "work: heartbeat of run 7: no row" {
		t.Errorf("Find(%v) = %s", err, e.Code)
	}
	if Mark(nil, "lease-lost") != nil {
		t.Error("Mark makes an error of nil")
	}
}

func TestTheCodeThatAServerGaveIsKept(t *testing.T) {
	for code, name := range map[string]string{"BST-2001": "wrong-password", "BST-9999": Unexpected} {
		err := fmt.Errorf("ask: %w", &backstay.Error{Kind: backstay.Denied, Msg: "x", Code: code})
		if e := Find(err); e.Code != code || e.Name != name {
			t.Errorf("Find of an error with the code %s = %s %s", code, e.Code, e.Name)
		}
	}
	if e, ok := WithCode("BST-2001"); !ok || e.Name != "wrong-password" {
		t.Errorf("WithCode = %+v, %v", e, ok)
	}
}

func TestAListThatIsHandedOutIsACopy(t *testing.T) {
	Entries()[0].Code = "changed"
	if Named(Unexpected).Code != "BST-1000" || Named("unknown").Code != "BST-1000" || Named("locked").Docs() != "errors.md#bst-2004" {
		t.Error("Entries hands out the list itself, or Named finds something else")
	}
}
