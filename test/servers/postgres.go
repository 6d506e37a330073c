package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the URL of a fresh PostgreSQL database, which is dropped when the test ends. All tests of a binary share one
// cluster, with a superuser who needs no password; it ends with the binary, however that ends.
func Postgres(t testing.TB) (url string) {
	t.Helper()
	initdb := postgresProgram(t, "initdb")
	server := postgresProgram(t, "postgres")
	cluster.once.Do(func() { cluster.address, cluster.err = startPostgres(initdb, server) })
	if cluster.err != nil {
		t.Fatalf("start PostgreSQL: %v", cluster.err)
	}
	cluster.mu.Lock()
	cluster.databases++
	name := fmt.Sprintf("test%d", cluster.databases)
	cluster.mu.Unlock()
	if err := onPostgres(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := onPostgres(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return postgresURL(name)
}

// cluster is the one of this binary.
var cluster struct {
	once    sync.Once
	address string
	input   io.Closer // never closed by us: it ends with the process
	err     error

	mu        sync.Mutex // guards databases
	databases int
}

func postgresURL(database string) string {
	return "postgres://postgres@" + cluster.address + "/" + database + "?sslmode=disable"
}

func onPostgres(ctx context.Context, statement string) (err error) {
	conn, err := pgx.Connect(ctx, postgresURL("postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// postgresProgram looks where Debian keeps the programs of each version, which are in nobody's PATH. The last one found is the newest.
func postgresProgram(t testing.TB, name string) string {
	t.Helper()
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	return program(t, name, "postgresql postgresql-contrib")
}

// startPostgres makes a cluster in a folder for temporary files and runs it. A shell stands by: when its input ends, since this
// process did, it stops the server and removes the folder.
func startPostgres(initdb, server string) (address string, err error) {
	dir, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		return "", err
	}
	who, err := ordinaryUser(dir)
	if err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	first := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	first.Dir, first.SysProcAttr = dir, who
	if out, err := first.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address = l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := l.Close(); err != nil {
		return "", err
	}
	const standBy = `"$1" -D "$2/data" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c full_page_writes=off \
		-c max_connections=200 </dev/null & read -r _; kill -INT $!; wait $!; rm -rf "$2/data" "$2/log"; rmdir "$2"`
	run := exec.Command("/bin/sh", "-c", standBy, "sh", server, dir, port)
	run.Dir, run.SysProcAttr, run.Stdout, run.Stderr = "/", who, log, log
	if cluster.input, err = run.StdinPipe(); err != nil {
		return "", err
	}
	if err := run.Start(); err != nil {
		return "", err
	}
	return address, waitForPostgres(address, log.Name())
}

// ordinaryUser lets PostgreSQL, which refuses to be root, be somebody else, who gets the folder.
func ordinaryUser(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal goes to the test, not to the server
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}

// waitForPostgres waits until the server takes connections.
func waitForPostgres(address, log string) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		conn, err := pgx.Connect(ctx, "postgres://postgres@"+address+"/postgres?sslmode=disable")
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			out, _ := os.ReadFile(log)
			return fmt.Errorf("%w\n%s", err, out)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
