package backstay_test

import (
	"cmp"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"path"
	"strconv"
	"strings"
)

const module = "github.com/backstay/backstay"

// file is one Go file of the module.
type file struct {
	dir, path string // slash-separated, from the root
	syntax    *ast.File
	positions *token.FileSet
}

// load parses all Go files of the module that has its root at fsys. Modules within it are left out.
func load(fsys fs.FS) ([]*file, error) {
	var tree []*file
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(fsys, name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		positions := token.NewFileSet()
		syntax, err := parser.ParseFile(positions, name, text, parser.ParseComments)
		tree = append(tree, &file{path.Dir(name), name, syntax, positions})
		return err
	})
	return tree, err
}

// enter returns fs.SkipDir for a folder that holds no package of the module.
func enter(fsys fs.FS, dir string) error {
	base := path.Base(dir)
	if dir == "." {
		return nil
	}
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return cmp.Or(err, fs.SkipDir)
}

func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f *file) lines(from, to token.Pos) int {
	return f.positions.Position(to).Line - f.positions.Position(from).Line + 1
}

// imports yields what files that are no tests import.
func imports(tree []*file) iter.Seq2[*file, string] {
	return func(yield func(*file, string) bool) {
		for _, f := range tree {
			if f.isTest() {
				continue
			}
			for _, spec := range f.syntax.Imports {
				if !yield(f, importPath(spec)) {
					return
				}
			}
		}
	}
}

// ours yields what files that are no tests import of this module, as folders.
func ours(tree []*file) iter.Seq2[*file, string] {
	return func(yield func(*file, string) bool) {
		for f, imported := range imports(tree) {
			if matches(module+"/...", imported) && !yield(f, path.Clean(strings.TrimPrefix(strings.TrimPrefix(imported, module), "/"))) {
				return
			}
		}
	}
}

// importPath returns the path of an import, which the parser has checked to be a string.
func importPath(spec *ast.ImportSpec) string {
	s, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err)
	}
	return s
}

// mentions returns what the file uses of other packages, as "time.Now".
func (f *file) mentions() []string {
	paths := map[string]string{}
	for _, spec := range f.syntax.Imports {
		name := path.Base(importPath(spec))
		if spec.Name != nil {
			name = spec.Name.Name
		}
		paths[name] = importPath(spec)
	}
	var found []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && paths[x.Name] != "" {
				found = append(found, paths[x.Name]+"."+sel.Sel.Name)
			}
		}
		return true
	})
	return found
}

// matches reports whether one of the patterns, separated by spaces, stands for name.
func matches(patterns, name string) bool {
	for pattern := range strings.FieldsSeq(patterns) {
		if below, ok := strings.CutSuffix(pattern, "/..."); ok && (name == below || strings.HasPrefix(name, below+"/")) {
			return true
		}
		if below, ok := strings.CutSuffix(pattern, "/*"); ok && strings.HasPrefix(name, below+"/") {
			return true
		}
		if pattern == "..." || pattern == name {
			return true
		}
	}
	return false
}

// child returns the first element of dir below parent.
func child(parent, dir string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(dir, parent+"/"), "/")
	return first
}
