package backstay_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// Each line breaks one rule, in a tree that is sound without it.
var brokenRules = []struct{ name, path, text, complaint string }{
	{"a leaf imports ours", "entry/x.go", `import _ "MODULE/progress"`, "leaves import nothing of ours"},
	{"the engine imports the product", "engine/repo/x.go", `import _ "MODULE/internal/app"`, "the libraries know nothing"},
	{"a storage imports the nouns", "storage/s3/x.go", `import _ "MODULE"`, "the libraries know nothing"},
	{"the engine picks a storage", "engine/repo/x.go", `import _ "MODULE/storage/local"`, "never picks one"},
	{"an adapter imports its sibling", "storage/s3/x.go", `import _ "MODULE/storage/local"`, "only its parent"},
	{"an adapter's own folder imports the sibling's", "source/mysql/a/x.go", `import _ "MODULE/source/files/b"`, "only its parent"},
	{"packs come before the repository", "engine/pack/x.go", `import _ "MODULE/engine/repo"`, "does not come before"},
	{"a verb imports a verb", "engine/pruner/x.go", `import _ "MODULE/engine/checker"`, "does not come before"},
	{"an engine package nobody placed", "engine/fresh/x.go", `import _ "MODULE/engine/repo"`, "no place in the order"},
	{"packs talk to a storage", "engine/pack/x.go", `import _ "MODULE/storage"`, "do no I/O"},
	{"a door reads the database", "internal/web/x.go", `import _ "MODULE/internal/db"`, "no permission check"},
	{"a use case imports a door", "internal/app/x.go", `import _ "MODULE/internal/api"`, "only server"},
	{"the server imports the command line", "internal/server/x.go", `import _ "MODULE/internal/cli"`, "only cmd imports it"},
	{"an SDK outside its adapter", "storage/limit/x.go", `import _ "github.com/spf13/cobra"`, "for internal/cli/... only"},
	{"a module nobody decided on", "storage/s3/x.go", `import _ "example.org/sdk"`, "not in the table of modules"},
	{"randomness that can be guessed", "engine/repo/x.go", `import _ "math/rand/v2"`, "crypto/rand"},
	{"the system's time", "engine/repo/x.go", "import clock \"time\"\nvar now = clock.Now", "time is passed in"},
	{"the environment", "engine/repo/x.go", "import \"os\"\nfunc home() string { return os.Getenv(\"HOME\") }", "settings are passed in"},
	{"an init function", "engine/repo/x.go", "func init() {}", "init function"},
	{"a long function", "engine/repo/x.go", "func f() {" + strings.Repeat("\n", 101) + "}", "function f has 102 lines"},
	{"a long file", "engine/repo/x_test.go", strings.Repeat("// on and on\n", 500), "more than 500"},
	{"a second package comment", "engine/repo/x.go", "// Package x again.\npackage x", "2 package comments"},
	{"no package comment", "engine/tree/x.go", "var x int", "0 package comments"},
}

func TestABrokenRuleIsFound(t *testing.T) {
	for _, broken := range brokenRules {
		t.Run(broken.name, func(t *testing.T) {
			tree := fstest.MapFS{
				"engine/repo/repo.go":   source("// Package x is sound.\npackage x\nimport _ \"time\"\ntype repo struct{}\nfunc (r repo) init() {}"),
				"engine/repo/a_test.go": source("import \"time\"\nimport _ \"MODULE/storage/local\"\nvar now = time.Now"),
				"tools/go.mod":          {Data: []byte("module tools")},
				"tools/main.go":         source("func init() {}"),
				"storage/testdata/x.go": source("func init() {}"),
			}
			if complaints := check(t, tree); len(complaints) > 0 {
				t.Fatalf("complaints of a sound tree: %q", complaints)
			}
			tree[broken.path] = source(broken.text)
			complaints := check(t, tree)
			if !slices.ContainsFunc(complaints, func(c string) bool { return strings.Contains(c, broken.complaint) }) {
				t.Errorf("complaints = %q, want one with %q", complaints, broken.complaint)
			}
		})
	}
}

// source is a file of package x in which MODULE stands for this module.
func source(text string) *fstest.MapFile {
	if !strings.Contains(text, "package x") {
		text = "package x\n" + text
	}
	return &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "MODULE", module))}
}

func check(t *testing.T, fsys fstest.MapFS) (complaints []string) {
	t.Helper()
	tree, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range rules {
		complaints = append(complaints, rule.check(tree)...)
	}
	return complaints
}
