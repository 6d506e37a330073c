//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What R15 demands, in milliseconds and percent.
const (
	mustRead   = 500
	mustWrite  = 1500
	mustGrowth = 5
)

// crowd is the clients of R15. Each has one connection, and one goroutine that mostly sleeps.
type crowd struct {
	*site
	end  chan struct{} // closed when it is over
	done sync.WaitGroup

	mu      sync.Mutex // guards what follows
	reads   []time.Duration
	writes  []time.Duration
	loads   []time.Duration // downloads
	streams int             // that were served
	events  int
	cut     int // slow-loris that the server hung up on
	status  map[int]int
	broken  map[string]int // errors of connections
}

// kinds of clients, by the last two digits of their number: 1 in 100 is a slow-loris, 5 watch runs, 2 download, the others read and write.
func (c *crowd) client(ctx context.Context, i int) {
	r := mrand.New(mrand.NewPCG(uint64(i), 15))
	w := &wire{address: c.server.address, cookie: c.tokens.people[i%len(c.tokens.people)]}
	defer w.close()
	if !c.pause(time.Duration(r.Int64N(int64(c.Think) + 1))) { // not all at once
		return
	}
	switch n := i % 100; {
	case n == 0:
		c.beSlow(r)
	case n <= 5:
		w.cookie = c.tokens.owner
		c.watch(w, i)
	case n <= 7:
		w.cookie = c.tokens.owner
		c.download(w, r)
	default:
		c.work(ctx, w, r, i)
	}
}

// pause waits, and reports whether there is still time.
func (c *crowd) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.end:
		return false
	}
}

func (c *crowd) think(r *mrand.Rand) bool {
	return c.pause(time.Duration(min(r.ExpFloat64(), 5) * float64(c.Think)))
}

// note counts an answer.
func (c *crowd) note(into *[]time.Duration, took time.Duration, status int, err error) {
	select {
	case <-c.end:
		return // it was cut off by the end
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.broken[err.Error()]++
		return
	}
	c.status[status]++
	if status < 300 {
		*into = append(*into, took)
	}
}

// work reads most of the time: lists and things of the project that the person has a role in. One request in ten is a change.
func (c *crowd) work(_ context.Context, w *wire, r *mrand.Rand, i int) {
	mine := func(all []string) string { // of the same project: rows go through the projects in turn
		n := len(all) / projects
		return all[i%len(c.tokens.people)%projects+projects*r.IntN(max(1, n))%len(all)]
	}
	manager := i%len(c.tokens.people)%4 < 2
	for c.think(r) {
		begun := time.Now()
		if r.IntN(10) == 0 && manager {
			status, err := w.ask("PATCH", "/plans/"+mine(c.rows.plans), fmt.Sprintf(`{"priority":%d}`, r.IntN(10)))
			c.note(&c.writes, time.Since(begun), status, err)
			continue
		}
		path := ""
		switch r.IntN(8) {
		case 0:
			path = "/runs?limit=50"
		case 1:
			path = "/snapshots?limit=50&sort=-time"
		case 2:
			path = "/snapshots?source=" + mine(c.rows.sources)
		case 3:
			path = "/plans?limit=50"
		case 4:
			path = "/sources?limit=50"
		case 5:
			path = "/sources/" + mine(c.rows.sources)
		case 6:
			path = "/plans/" + mine(c.rows.plans)
		case 7:
			path = "/profile"
		}
		status, err := w.ask("GET", path, "")
		c.note(&c.reads, time.Since(begun), status, err)
	}
}

func (c *crowd) watch(w *wire, i int) {
	for c.pause(0) {
		status, events, err := w.watch("/runs/"+c.rows.watched[i%len(c.rows.watched)]+"/events", c.end)
		c.mu.Lock()
		c.events += events
		if err != nil {
			c.broken["stream: "+err.Error()]++
		} else if c.status[status]++; status == 200 {
			c.streams++
		}
		c.mu.Unlock()
		if !c.pause(c.Think) {
			return
		}
	}
}

// download reads a file of 1 MiB, or a folder as an archive.
func (c *crowd) download(w *wire, r *mrand.Rand) {
	for c.think(r) {
		if !c.think(r) { // it thinks twice, so that others read more than it does
			return
		}
		begun := time.Now()
		status, err := w.ask("GET", "/snapshots/"+c.real.snapshot+"/content?path="+url.QueryEscape(c.real.file), "")
		c.note(&c.loads, time.Since(begun), status, err)
	}
}

// beSlow sends a byte of a head in a second, for as long as the server lets it.
func (c *crowd) beSlow(r *mrand.Rand) {
	for c.pause(0) {
		conn, err := net.Dial("tcp", c.server.address)
		if err != nil {
			c.note(nil, 0, 0, err)
			return
		}
		_, err = io.WriteString(conn, "GET /api/v1/profile HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
		for err == nil && c.pause(time.Second) {
			_, err = io.WriteString(conn, string(rune('a'+r.IntN(26))))
		}
		_ = conn.Close() // it is over anyway
		if err != nil {
			c.mu.Lock()
			c.cut++
			c.mu.Unlock()
		}
	}
}

// measureClients lets the crowd ask, and looks at the server before, meanwhile and after.
func (s *site) measureClients(ctx context.Context) error {
	if err := allowFiles(uint64(s.Clients)*2 + 200); err != nil {
		return err
	}
	c := &crowd{site: s, end: make(chan struct{}), status: map[int]int{}, broken: map[string]int{}}
	pid := s.server.cmd.Process.Pid
	baseFiles, baseThreads := s.server.descriptors(), s.goroutines(ctx)
	server, own, all, begun := processorTime(pid), ownTime(), machineTime(), time.Now()
	for i := range s.Clients {
		c.done.Go(func() { c.client(ctx, i) })
	}
	memory, err := s.watchMemory(ctx)
	close(c.end)
	c.done.Wait()
	if err != nil {
		return err
	}
	took := time.Since(begun)
	server, own, all = processorTime(pid)-server, ownTime()-own, machineTime()-all
	c.report(took)
	s.record(row{Stage: "clients", What: "R15", Figure: "processor of the server", Value: 100 * server.Seconds() / took.Seconds(), Unit: "% of a core"})
	s.record(row{Stage: "clients", What: "R15", Figure: "processor of the clients", Value: 100 * own.Seconds() / took.Seconds(), Unit: "% of a core"})
	s.record(row{Stage: "clients", What: "R15", Figure: "processor of all else", Value: 100 * max(0, all-server-own).Seconds() / took.Seconds(), Unit: "% of a core"})
	s.recordMemory(memory)
	return s.recordLeft(ctx, baseFiles, baseThreads)
}

func (c *crowd) report(took time.Duration) {
	failed := 0
	for status, n := range c.status {
		if status >= 500 {
			failed += n
		}
	}
	what := fmt.Sprintf("R15, %d clients", c.Clients)
	n := len(c.reads) + len(c.writes) + len(c.loads)
	c.say("answers by status: %v, broken: %v; %d streams with %d events, %d slow-loris cut off", c.status, c.broken, c.streams, c.events, c.cut)
	for _, r := range []row{
		{Figure: "answers", Value: float64(n) / took.Seconds(), Unit: "a second"},
		{Figure: "reads, median", Value: ms(percentile(c.reads, 50)), Unit: "ms"},
		{Figure: "reads, p99", Value: ms(percentile(c.reads, 99)), Unit: "ms", Most: mustRead},
		{Figure: "writes, median", Value: ms(percentile(c.writes, 50)), Unit: "ms"},
		{Figure: "writes, p99", Value: ms(percentile(c.writes, 99)), Unit: "ms", Most: mustWrite},
		{Figure: "downloads of 1 MiB, p99", Value: ms(percentile(c.loads, 99)), Unit: "ms"},
		{Figure: "streams that were not served", Value: float64(max(0, c.Clients/100*5-c.streams)), None: true},
		{Figure: "answers of 500 and more", Value: float64(failed), None: true},
		{Figure: "answers of 429", Value: float64(c.status[429]), None: true},
		{Figure: "broken connections", Value: float64(len(c.broken)), None: true},
	} {
		r.Stage, r.What = "clients", what
		c.record(r)
	}
}

// watchMemory returns the memory of the server, once each second.
func (s *site) watchMemory(ctx context.Context) (all []float64, err error) {
	for begun := time.Now(); time.Since(begun) < s.For; {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		resident, _, err := s.server.memory()
		if err != nil {
			return nil, errors.Join(errors.New("the server is gone"), err)
		}
		all = append(all, resident)
	}
	return all, nil
}

// recordMemory compares the last quarter of the time with the one before: first caches fill.
func (s *site) recordMemory(all []float64) {
	mean := func(some []float64) (m float64) {
		for _, v := range some {
			m += v / float64(len(some))
		}
		return m
	}
	n := len(all) / 4
	if n == 0 {
		return
	}
	third, last := mean(all[2*n:3*n]), mean(all[3*n:])
	s.record(row{Stage: "clients", What: "R15", Figure: "memory in the end", Value: last, Unit: "MiB"})
	s.record(row{Stage: "clients", What: "R15", Figure: "growth of memory from the third quarter to the last", Value: 100 * (last - third) / third, Unit: "%", Most: mustGrowth})
}

// recordLeft waits until the server has let go of all that the clients took, for half a minute at most.
func (s *site) recordLeft(ctx context.Context, baseFiles, baseThreads int) error {
	var files, threads int
	for range 60 {
		if files, threads = s.server.descriptors()-baseFiles, s.goroutines(ctx)-baseThreads; files <= leeway && threads <= leeway {
			break
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	s.record(row{Stage: "clients", What: "R15", Figure: "open files beyond the base", Value: float64(files), Most: leeway})
	s.record(row{Stage: "clients", What: "R15", Figure: "goroutines beyond the base", Value: float64(threads), Most: leeway})
	return nil
}

// goroutines is how many there are in the server, as its metrics say; 0 if they don't.
func (s *site) goroutines(ctx context.Context) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:"+port(s.server.address)+"/metrics", nil)
	if err != nil {
		return 0
	}
	answer, err := s.owner.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	n := 0
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			n, _ = strconv.Atoi(text) // of the metrics it is a number
		}
	}
	return n
}

// leeway is what pools of connections to the database may keep, beyond what they had.
const leeway = 20

// ownTime is the processor time of this process.
func ownTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// allowFiles raises the limit of open files, for this process and the server.
func allowFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur >= n {
		return nil
	}
	limit.Cur = min(n, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
