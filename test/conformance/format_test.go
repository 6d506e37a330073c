package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The last chapter of the page on the format names for each promise, and for each vector, the tests that prove it.
func TestTheTestsThatTheFormatPageNamesExist(t *testing.T) {
	const promises, vectors = 14, 9
	found := map[string]map[string]bool{} // tests by package
	whats, ofVectors := 0, 0
	for _, row := range provedBy(t) {
		if row.what != "" {
			whats++
		}
		if strings.HasPrefix(row.what, "Vector: ") {
			ofVectors++
		}
		if found[row.dir] == nil {
			found[row.dir] = testsOf(t, row.dir)
		}
		if !found[row.dir][row.test] {
			t.Errorf("docs/format.md names %s in %s, where there is no such test", row.test, row.dir)
		}
	}
	if whats != promises+vectors || ofVectors != vectors {
		t.Errorf("docs/format.md tells what proves %d things, %d of them vectors, want %d and %d", whats, ofVectors, promises+vectors, vectors)
	}
}

// proof is a row of the table; what is "" where it is that of the row above.
type proof struct{ what, test, dir string }

var proofRow = regexp.MustCompile("^\\| *(.*?) *\\| `(\\w+)` \\| `([\\w/]+)` \\|$")

func provedBy(t *testing.T) (rows []proof) {
	t.Helper()
	page, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, ok := strings.Cut(string(page), "\n## 14. What proves it\n")
	_, table, ok2 := strings.Cut(chapter, "|---|---|---|\n")
	if !ok || !ok2 {
		t.Fatal("docs/format.md has no chapter with what proves it")
	}
	for line := range strings.Lines(table) {
		line = strings.TrimSuffix(line, "\n")
		m := proofRow.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("docs/format.md has the row %q, want what, a test and its package", line)
		}
		rows = append(rows, proof{m[1], m[2], m[3]})
	}
	return rows
}

// testsOf returns the names of the tests of a package.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	files, err := fs.Glob(os.DirFS("../.."), filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				tests[f.Name.Name] = true
			}
		}
	}
	return tests
}
