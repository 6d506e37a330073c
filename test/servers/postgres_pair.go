package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresPair is a PostgreSQL server and its standby, which has each commit before its client is told of it. They end with the test.
type PostgresPair struct {
	URL     string // of a database on whichever of them takes writes
	t       testing.TB
	dir     string
	who     *syscall.SysProcAttr
	ports   [2]string
	primary int // which of them
	running [2]*exec.Cmd
	copies  int
}

// StartPostgresPair starts both.
func StartPostgresPair(t testing.TB) *PostgresPair {
	t.Helper()
	dir, err := os.MkdirTemp("", "postgres-pair-")
	if err != nil {
		t.Fatal(err)
	}
	who, err := ordinaryUser(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &PostgresPair{t: t, dir: dir, who: &syscall.SysProcAttr{Credential: who.Credential, Setpgid: true, Pdeathsig: syscall.SIGKILL}}
	t.Cleanup(func() {
		for i := range p.running {
			p.kill(i)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for i := range p.ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, p.ports[i], _ = net.SplitHostPort(l.Addr().String()) // of a listener it is well formed
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	p.do("initdb", "-D", p.data(0), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	p.run(0)
	p.ask(0, "CREATE DATABASE backstay")
	p.URL = fmt.Sprintf("postgres://postgres@127.0.0.1:%s,127.0.0.1:%s/backstay?sslmode=disable&target_session_attrs=read-write", p.ports[0], p.ports[1])
	p.follow()
	return p
}

func (p *PostgresPair) data(i int) string {
	return filepath.Join(p.dir, fmt.Sprintf("data%d-%d", i, p.copies))
}

func (p *PostgresPair) do(name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(postgresProgram(p.t, name), args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, &syscall.SysProcAttr{Credential: p.who.Credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// run starts one of them on its data.
func (p *PostgresPair) run(i int) {
	p.t.Helper()
	log, err := os.Create(filepath.Join(p.dir, fmt.Sprintf("log%d-%d", i, p.copies)))
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(postgresProgram(p.t, "postgres"), "-D", p.data(i), "-p", p.ports[i], "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=100", "-c", "wal_level=replica", "-c", "hot_standby=on")
	cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = "/", p.who, log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.running[i] = cmd
	if err := waitForPostgres("127.0.0.1:"+p.ports[i], log.Name()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *PostgresPair) kill(i int) {
	if p.running[i] == nil {
		return
	}
	_ = p.running[i].Process.Kill() // it may be over
	_ = p.running[i].Wait()
	p.running[i] = nil
}

// ask sends a statement to one of them.
func (p *PostgresPair) ask(i int, statement string, into ...any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, "postgres://postgres@127.0.0.1:"+p.ports[i]+"/postgres?sslmode=disable")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if len(into) > 0 {
		err = conn.QueryRow(ctx, statement).Scan(into...)
	} else {
		_, err = conn.Exec(ctx, statement)
	}
	if err != nil {
		p.t.Fatalf("%s: %v", statement, err)
	}
}

// follow makes the other one a standby of the primary, and from then on commits wait for it.
func (p *PostgresPair) follow() {
	p.t.Helper()
	other := 1 - p.primary
	p.copies++
	p.do("pg_basebackup", "-h", "127.0.0.1", "-p", p.ports[p.primary], "-U", "postgres", "-D", p.data(other), "-R", "-X", "stream", "-c", "fast", "--no-sync")
	p.run(other)
	p.ask(p.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	p.ask(p.primary, "SELECT pg_reload_conf()")
	for range 300 {
		var n int
		if p.ask(p.primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", &n); n > 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatal("the standby does not follow")
}

// Fail kills the one that takes writes, and makes the standby the one that does.
func (p *PostgresPair) Fail() {
	p.t.Helper()
	p.kill(p.primary)
	p.primary = 1 - p.primary
	p.ask(p.primary, "SELECT pg_promote(true, 30)")
	p.ask(p.primary, "ALTER SYSTEM RESET synchronous_standby_names")
	p.ask(p.primary, "SELECT pg_reload_conf()")
}

// Rejoin makes a new standby of the one that was killed.
func (p *PostgresPair) Rejoin() { p.follow() }
