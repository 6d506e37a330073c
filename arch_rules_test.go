package backstay_test

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// edge is one line of a table: who, what, and why.
type edge struct{ from, but, to, why string }

// rules are the checks, each of which returns its complaints.
var rules = []struct {
	name  string
	check func([]*file) []string
}{
	{"imports go along the edges", checkEdges},
	{"adapters do not import one another", checkSiblings},
	{"the engine's packages import only those before them", checkOrder},
	{"modules of others are imported where the table says", checkModules},
	{"packages of the standard library are imported where the table says", checkPackages},
	{"functions are called where the table says", checkCalls},
	{"each package has one package comment", checkComments},
	{"no file is too long", checkFiles},
	{"no function is too long", checkFunctions},
	{"there is no init function", checkInit},
}

func checkEdges(tree []*file) (complaints []string) {
	for f, imported := range ours(tree) {
		for _, e := range edges {
			if matches(e.from, f.dir) && !matches(e.but, f.dir) && matches(e.to, imported) && imported != f.dir {
				complaints = append(complaints, fmt.Sprintf("%s imports %s: %s", f.path, imported, e.why))
			}
		}
	}
	return complaints
}

func checkSiblings(tree []*file) (complaints []string) {
	for f, imported := range ours(tree) {
		for _, parent := range parents {
			all := parent + "/*"
			if matches(all, f.dir) && matches(all, imported) && child(parent, f.dir) != child(parent, imported) {
				complaints = append(complaints, fmt.Sprintf("%s imports %s: an adapter imports only its parent and leaves", f.path, imported))
			}
		}
	}
	return complaints
}

func checkOrder(tree []*file) (complaints []string) {
	for f, imported := range ours(tree) {
		from, to := child("engine", f.dir), child("engine", imported)
		if from == to || !matches("engine/*", f.dir) || !matches("engine/*", imported) || matches("engine/internal/...", imported) {
			continue
		}
		for _, name := range []string{from, to} {
			if rank(name) < 0 {
				complaints = append(complaints, fmt.Sprintf("%s: engine/%s has no place in the order of the engine", f.path, name))
			}
		}
		if rank(from) <= rank(to) {
			complaints = append(complaints, fmt.Sprintf("%s imports engine/%s, which does not come before it", f.path, to))
		}
	}
	return complaints
}

// rank is the place of an engine package in the order; verbs share the last one.
func rank(name string) int {
	if slices.Contains(verbs, name) {
		return len(order)
	}
	return slices.Index(order, name)
}

func checkModules(tree []*file) (complaints []string) {
	for f, imported := range imports(tree) {
		host, _, _ := strings.Cut(imported, "/")
		if !strings.Contains(host, ".") || matches(module+"/...", imported) || matches(tests, f.dir) {
			continue
		}
		i := slices.IndexFunc(modules, func(e edge) bool { return matches(e.to, imported) })
		if i < 0 {
			complaints = append(complaints, fmt.Sprintf("%s imports %s, which is not in the table of modules", f.path, imported))
		} else if !matches(modules[i].from, f.dir) {
			complaints = append(complaints, fmt.Sprintf("%s imports %s, which is for %s only: %s", f.path, imported, modules[i].from, modules[i].why))
		}
	}
	return complaints
}

func checkPackages(tree []*file) (complaints []string) {
	for f, imported := range imports(tree) {
		for _, e := range packages {
			if matches(e.to, imported) && !matches(e.from, f.dir) {
				complaints = append(complaints, fmt.Sprintf("%s imports %s: %s", f.path, imported, e.why))
			}
		}
	}
	return complaints
}

func checkCalls(tree []*file) (complaints []string) {
	for _, f := range tree {
		for _, e := range calls {
			if f.isTest() || matches(e.from, f.dir) {
				continue
			}
			for _, name := range f.mentions() {
				if matches(e.to, name) {
					complaints = append(complaints, fmt.Sprintf("%s uses %s: %s", f.path, name, e.why))
				}
			}
		}
	}
	return complaints
}

func checkComments(tree []*file) (complaints []string) {
	found := map[string][]string{}
	for _, f := range tree {
		if f.isTest() {
			continue
		}
		found[f.dir] = append(found[f.dir], nil...)
		if f.syntax.Doc != nil {
			found[f.dir] = append(found[f.dir], path.Base(f.path))
		}
	}
	for dir, files := range found {
		if len(files) != 1 {
			complaints = append(complaints, fmt.Sprintf("package %s has %d package comments, in %q", dir, len(files), files))
		}
	}
	return complaints
}

func checkFiles(tree []*file) (complaints []string) {
	for _, f := range tree {
		if n := f.lines(f.syntax.FileStart, f.syntax.FileEnd); n > maxFile && longFiles[f.path] == "" {
			complaints = append(complaints, fmt.Sprintf("%s has %d lines, more than %d", f.path, n, maxFile))
		}
	}
	return complaints
}

func checkFunctions(tree []*file) (complaints []string) {
	for f, fn := range functions(tree) {
		if n := f.lines(fn.Pos(), fn.End()); n > maxFunction {
			complaints = append(complaints, fmt.Sprintf("%s: function %s has %d lines, more than %d", f.path, fn.Name.Name, n, maxFunction))
		}
	}
	return complaints
}

func checkInit(tree []*file) (complaints []string) {
	for f, fn := range functions(tree) {
		if fn.Name.Name == "init" && fn.Recv == nil {
			complaints = append(complaints, fmt.Sprintf("%s has an init function: what happens at start is written in main", f.path))
		}
	}
	return complaints
}

// functions yields the functions of the tree, with their files.
func functions(tree []*file) func(yield func(*file, *ast.FuncDecl) bool) {
	return func(yield func(*file, *ast.FuncDecl) bool) {
		for _, f := range tree {
			for _, decl := range f.syntax.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && !yield(f, fn) {
					return
				}
			}
		}
	}
}
