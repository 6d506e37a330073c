package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
)

// root is the top of the module.
const root = "../.."

// sentinels returns the exported error values that a folder and those below it declare, as "repo.ErrLocked".
func sentinels(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasSuffix(d.Name(), "test")):
			return filepath.SkipDir // help for tests
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			all = append(all, exported(f.Name.Name, decl)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func exported(pkg string, decl ast.Decl) (all []string) {
	group, ok := decl.(*ast.GenDecl)
	if !ok || group.Tok != token.VAR {
		return nil
	}
	for _, spec := range group.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			if strings.HasPrefix(name.Name, "Err") {
				all = append(all, pkg+"."+name.Name)
			}
		}
	}
	return all
}

// ruled returns what the rules name of other packages.
func ruled(t *testing.T) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "rules.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok {
				found[pkg.Name+"."+sel.Sel.Name] = true
			}
		}
		return true
	})
	return found
}

func TestEachSentinelOfTheLibrariesHasARule(t *testing.T) {
	rules := ruled(t)
	for _, dir := range []string{"engine", "storage", "source", "entry", "retention", "settings", "progress", "internal/runner", "internal/guard", "internal/secret"} {
		for _, name := range sentinels(t, dir) {
			if !rules[name] {
				t.Errorf("%s has no rule: which error is it for a person?", name)
			}
		}
	}
	if n := len(sentinels(t, "engine")); n < 20 {
		t.Errorf("only %d sentinels were found in the engine", n)
	}
}

func TestEachKindOfErrorHasARule(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "error.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rules, found := ruled(t), 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || fmt.Sprint(spec.Type) != "Kind" {
			return true
		}
		found++
		if name := spec.Names[0].Name; !rules["backstay."+name] && name != "Failed" { // which says nothing of the reason
			t.Errorf("backstay.%s has no rule", name)
		}
		return true
	})
	if found < 11 {
		t.Errorf("only %d kinds were found", found)
	}
}

func TestEachRuleIsReachedAndNamesAnEntry(t *testing.T) {
	for _, r := range rules() {
		if Named(r.name).Name != r.name {
			t.Errorf("a rule names the entry %q, which is not there", r.name)
		}
		if r.as != nil {
			continue
		}
		err := fmt.Errorf("do it: %w", errors.Join(r.is...))
		if got := Find(err); got.Name != r.name {
			t.Errorf("Find(%v) = %s, want %s", r.is, got.Name, r.name)
		}
	}
}

// byName are the entries that no error tells of by itself: who knows puts the name on it with Mark, or shows the entry without any error.
const byName = `storage-kind-unknown source-missing source-unreadable staging-full clock-jump
	sign-in-failed account-locked token-refused changed-meanwhile
	invitation-expired last-owner lease-lost worker-gone schedule-missed already-running plan-paused hook-failed
	run-timeout verification-failed backup-overdue run-unusual storage-limit notification-not-delivered channel-refused
	database-newer database-unreachable audit-broken recovery-kit-outdated`

func TestEachEntryHasARuleOrIsOneOfThoseByName(t *testing.T) {
	ruled := map[string]bool{Unexpected: true}
	for _, r := range rules() {
		ruled[r.name] = true
	}
	names := strings.Fields(byName)
	for _, e := range entries {
		if listed := slices.Contains(names, e.Name); listed == ruled[e.Name] {
			t.Errorf("%s has a rule: %t, and is listed as one without: %t", e.Name, ruled[e.Name], listed)
		}
	}
}

func TestEachMarkNamesAnEntry(t *testing.T) {
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 0 {
				checkMark(t, name, call)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkMark looks at a call of doctor.Mark or doctor.Named.
func checkMark(t *testing.T, file string, call *ast.CallExpr) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || fmt.Sprint(sel.X) != "doctor" || sel.Sel.Name != "Mark" && sel.Sel.Name != "Named" {
		return
	}
	text, ok := call.Args[len(call.Args)-1].(*ast.BasicLit)
	if ok && Named(strings.Trim(text.Value, `"`)).Name != strings.Trim(text.Value, `"`) {
		t.Errorf("%s: %s names no entry", path.Base(file), text.Value)
	}
}

// explained are errors as they come, and what they are for a person.
func explained(t *testing.T) map[string][]error {
	lost := &entry.Error{Path: "/a", Err: fs.ErrPermission}
	damage := &repo.DamageError{Type: repo.Snapshots, Err: errors.New("x")}
	return map[string][]error{
		"locked":              {&repo.LockedError{}, backstay.Errorf(backstay.Locked, "x")},
		"lock-lost":           {errors.Join(context.Canceled, repo.ErrLockLost)},
		"snapshot-unreadable": {&snapshot.FileError{Err: damage}},
		"not-found":           {&snapshot.FileError{Err: storage.ErrNotFound}, backstay.Errorf(backstay.NotFound, "path %w", storage.ErrNotFound)},
		"damaged":             {damage, &tree.ProblemError{Kind: tree.Malformed, Err: errors.New("x")}, backstay.Errorf(backstay.Damaged, "x")},
		"data-missing":        {&pruner.RefusedError{Err: pruner.ErrMissing}},
		"prune-refused":       {&pruner.RefusedError{Err: errors.New("x")}},
		"wrong-password":      {backstay.Errorf(backstay.WrongPassword, "x"), backstay.Errorf(backstay.Failed, "x: %w", repo.ErrWrongPassword)},
		"no-repository":       {backstay.Errorf(backstay.NoRepository, "x")},
		"conflict":            {backstay.Errorf(backstay.Conflict, "x")},
		"partial":             {backstay.Errorf(backstay.Partial, "x")},
		"dropped":             {backstay.Errorf(backstay.Dropped, "x")},
		"invalid-request":     {backstay.Errorf(backstay.Invalid, "x")},
		"cancelled":           {backstay.Errorf(backstay.Cancelled, "x"), fmt.Errorf("x: %w", context.Canceled)},
		Unexpected:            {backstay.Errorf(backstay.Failed, "x")},
		"invalid-setting":     {&settings.Error{Why: "it is missing"}},
		"storage-busy":        {&storage.BusyError{Err: errors.New("503")}},
		"storage-full":        {storage.Mark(&fs.PathError{Op: "write", Path: "p", Err: syscall.ENOSPC}, storage.ErrFull)},
		"login-refused":       {storage.Mark(errors.New("401"), storage.ErrLogin)},
		"storage-denied":      {storage.Mark(fs.ErrPermission, storage.ErrPermanent)},
		"storage-refused":     {storage.Mark(errors.New("405"), storage.ErrPermanent), storage.CheckName("../x")},
		"retained":            {storage.Mark(fmt.Errorf("%w until", storage.ErrRetained), storage.ErrPermanent)},
		"entry-lost":          {lost, fmt.Errorf("x: %w", lost)},
		"disk-full":           {&entry.Error{Path: "/a", Err: syscall.ENOSPC}, &fs.PathError{Err: syscall.EDQUOT}},
		"disk-error":          {&fs.PathError{Err: syscall.EIO}},
		"permission-denied":   {&fs.PathError{Err: syscall.EACCES}},
		"path-missing":        {&fs.PathError{Err: syscall.ENOENT}, opened(t)},
		"not-a-folder":        {&fs.PathError{Err: syscall.ENOTDIR}},
		"name-unknown":        {&net.DNSError{Name: "x", IsTimeout: true}, resolved(t)},
		"connection-refused":  {dialed(t), backstay.Errorf(backstay.Conflict, "channel %q: %w", "x", dialed(t))},
		"network-unreachable": {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}},
		"timeout":             {context.DeadlineExceeded, os.ErrDeadlineExceeded, timedOut(t)},
		"connection-lost":     {&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}},
		"certificate-refused": {untrusted(t), storage.Mark(untrusted(t), storage.ErrUntrusted), x509.HostnameError{Certificate: &x509.Certificate{}}},
		"not-tls":             {plain(t), tls.RecordHeaderError{}},
		"address-forbidden":   {guarded(t)},
		"program-missing":     {exec.Command("no-such-program-at-all").Run()},
		"command-failed":      {exec.Command("false").Run()},
	}
}

func TestErrorsAreExplainedAsTheyCome(t *testing.T) {
	for want, errs := range explained(t) {
		for _, err := range errs {
			if got := Find(err); got.Name != want {
				t.Errorf("Find(%T %v) = %s, want %s", err, err, got.Name, want)
			}
		}
	}
}

func opened(t *testing.T) error {
	t.Helper()
	_, err := os.Open(filepath.Join(t.TempDir(), "none"))
	return err
}

// closed returns the address of a port where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func dialed(t *testing.T) error {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", closed(t))
	if err == nil {
		t.Error(c.Close())
	}
	return err
}

func resolved(t *testing.T) error {
	t.Helper()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, closed(t))
	}}
	_, err := r.LookupHost(t.Context(), "backstay.invalid")
	return err
}

// get returns the error of a request to a server of this test.
func get(t *testing.T, client *http.Client, url string) error {
	t.Helper()
	answer, err := client.Get(url)
	if err == nil {
		t.Error(answer.Body.Close())
	}
	return err
}

func timedOut(t *testing.T) error {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(s.Close)
	return get(t, &http.Client{Timeout: 50 * time.Millisecond}, s.URL)
}

func untrusted(t *testing.T) error {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the certificate, too
	s.StartTLS()
	t.Cleanup(s.Close)
	return get(t, &http.Client{}, s.URL)
}

func plain(t *testing.T) error {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return get(t, &http.Client{}, strings.Replace(s.URL, "http:", "https:", 1))
}

func guarded(t *testing.T) error {
	t.Helper()
	_, err := guard.Guard{}.Dial(t.Context(), "tcp", "127.0.0.1:9")
	return err
}

func TestWhatTheEngineSaysOfARealRepositoryIsExplained(t *testing.T) {
	ctx := t.Context()
	if _, err := repo.Open(ctx, mem.New(), "pw", repo.Options{}); Find(err).Name != "no-repository" {
		t.Errorf("Open of nothing = %v, which is %s", err, Find(err).Name)
	}
	b, quick := mem.New(), repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}}
	if _, err := repo.Init(ctx, b, "pw", repo.Options{}, quick); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Init(ctx, b, "pw", repo.Options{}, quick); Find(err).Name != "repository-exists" {
		t.Errorf("Init again = %v, which is %s", err, Find(err).Name)
	}
	if _, err := repo.Open(ctx, b, "other", repo.Options{}); Find(err).Name != "wrong-password" {
		t.Errorf("Open with another password = %v, which is %s", err, Find(err).Name)
	}
}
