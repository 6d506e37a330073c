//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// question is a list, or a thing, that is asked for.
type question struct {
	path   string // of an operation below /api/v1
	page   bool   // it is a page instead
	narrow bool   // by somebody with a role in one source
	must   float64
}

// What a list may take, in milliseconds: of snapshots as R17 demands, of everything else what pages that are made of lists will need.
const (
	mustSnapshots = 300
	mustPage      = 50
)

// questions are every list of the API, and those of runs and snapshots in all the ways that pages ask for them.
func (s *site) questions(ctx context.Context) (all []question, err error) {
	lists, err := s.lists(ctx)
	if err != nil {
		return nil, err
	}
	for _, path := range lists {
		all = append(all, question{path: path, must: mustPage}, question{path: path, must: mustPage, narrow: true})
	}
	r := s.rows
	deep, err := s.page(ctx, "/snapshots?limit=1000", 20)
	if err != nil {
		return nil, err
	}
	for _, path := range []string{"", "?limit=1000", "?sort=time", "?sort=-bytes", "?sort=host", "?sort=-health_at", "?source=" + r.sources[3], "?source=" + r.sources[3] + "&sort=-time", "?repository=" + r.repositories[3], "?plan=" + r.plans[3],
		"?run=" + r.runs[3], "?host=server-0003", "?health=damaged", "?protected=true", "?project=" + r.projects[3], "?project=" + r.projects[3] + "&sort=-bytes", "?project=" + r.projects[3] + "&health=damaged", deep} {
		all = append(all, question{path: "/snapshots" + path, must: mustSnapshots}, question{path: "/snapshots" + path, must: mustSnapshots, narrow: true})
	}
	for _, path := range []string{"/runs?state=failed", "/runs?kind=verification", "/runs?plan=" + r.plans[3], "/runs?sources=" + r.sources[3], "/runs?repositories=" + r.repositories[3], "/runs?project=" + r.projects[3], "/runs?sort=-started_at", "/runs?limit=1000",
		"/sources?search=0777", "/sources?sort=name&limit=1000", "/plans?search=plan-0777", "/plans?sort=next_at", "/plans?limit=1000", "/sources/" + r.sources[3], "/plans/" + r.plans[3], "/runs/" + r.runs[3], "/runs/" + r.runs[3] + "/log",
		"/search?text=report&project=" + r.projects[3], "/snapshots/" + s.real.snapshot + "/entries?path=/", "/audit-events?object_id=" + r.sources[3]} {
		all = append(all, question{path: path, must: mustPage})
	}
	return all, nil
}

// page returns the query of a page after so many others.
func (s *site) page(ctx context.Context, path string, n int) (query string, err error) {
	next := ""
	for range n {
		var list struct{ Next string }
		if err := s.ask(ctx, "GET", path+"&cursor="+next, nil, &list); err != nil {
			return "", err
		}
		if list.Next == "" {
			break
		}
		next = list.Next
	}
	return "?cursor=" + next, nil
}

// lists are the paths of all operations that list something and need to be told nothing.
func (s *site) lists(ctx context.Context) (paths []string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:"+port(s.server.address)+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.owner.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var api struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Required bool }
		}
	}
	text, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(text, &api)
	}
	for path, methods := range api.Paths {
		get, ok := methods["get"]
		short, mine := strings.CutPrefix(path, "/api/v1")
		needs := slices.ContainsFunc(get.Parameters, func(p struct{ Required bool }) bool { return p.Required })
		if ok && mine && !needs && !strings.Contains(path, "{") && !strings.HasSuffix(path, "/export") && !strings.HasSuffix(path, "/callback") {
			paths = append(paths, short)
		}
	}
	slices.Sort(paths)
	return paths, err
}

// measureLists asks each question some times, one after the other.
func (s *site) measureLists(ctx context.Context) error {
	questions, err := s.questions(ctx)
	if err != nil {
		return err
	}
	return s.measure("lists", questions)
}

// measurePages asks for each page some times. What only a browser does with it is not part of it.
func (s *site) measurePages(context.Context) error {
	r := s.rows
	var all []question
	for _, path := range []string{"/", "/sources", "/sources?search=0777", "/sources/" + r.sources[3], "/modules", "/plans", "/plans/new?project=" + r.projects[3], "/plans/" + r.plans[3], "/activity", "/activity?state=failed", "/activity/" + r.runs[3], "/alerts",
		"/storage", "/repositories/" + r.repositories[3], "/snapshots", "/snapshots?health=damaged", "/snapshots?source=" + r.sources[3], "/snapshots/" + s.real.snapshot, "/snapshots/" + s.real.snapshot + "/files", "/restore", "/restore?source=" + r.sources[3], "/restores", "/search?text=report",
		"/settings", "/settings/profile", "/settings/security", "/settings/sessions", "/settings/tokens", "/settings/members", "/settings/channels", "/settings/rules", "/settings/deliveries", "/settings/users", "/settings/groups", "/settings/roles", "/settings/grants", "/settings/projects",
		"/settings/sign-in", "/settings/audit", "/settings/sinks", "/settings/server", "/help"} {
		all = append(all, question{path: path, page: true, must: mustPage}, question{path: path, page: true, must: mustPage, narrow: true})
	}
	return s.measure("pages", all)
}

// measure asks each question some times, one after the other.
func (s *site) measure(stage string, questions []question) (err error) {
	wires := map[bool]*wire{false: {address: s.server.address, cookie: s.tokens.owner}, true: {address: s.server.address, cookie: s.tokens.narrow}}
	defer wires[false].close()
	defer wires[true].close()
	for _, q := range questions {
		var took []time.Duration
		var status int
		var used time.Duration
		for i := range s.Rounds + 2 {
			if i == 2 {
				used = processorTime(s.server.cmd.Process.Pid)
			}
			wires[q.narrow].page = q.page
			begun := time.Now()
			if status, err = wires[q.narrow].ask("GET", q.path, ""); err != nil {
				return fmt.Errorf("%s: %w", q.path, err)
			}
			if i >= 2 {
				took = append(took, time.Since(begun))
			}
		}
		used = (processorTime(s.server.cmd.Process.Pid) - used) / time.Duration(s.Rounds)
		if status == http.StatusForbidden && q.narrow || status == http.StatusNotFound && q.narrow {
			continue // it is none of their business
		}
		if status != http.StatusOK {
			return fmt.Errorf("%s = %d", q.path, status)
		}
		who := map[bool]string{true: ", narrow"}[q.narrow]
		name, _ := url.PathUnescape(q.path) // it is for people
		s.record(row{Stage: stage, What: s.named(name) + who, Figure: fmt.Sprintf("p95 (median %.1f, processor %.1f)", ms(median(took)), ms(used)), Value: ms(percentile(took, 95)), Unit: "ms", Most: q.must})
	}
	return nil
}

// named is a question without the ids in it.
func (s *site) named(path string) string {
	for word, all := range map[string][]string{"SOURCE": s.rows.sources[3:4], "REPOSITORY": s.rows.repositories[3:4], "PLAN": s.rows.plans[3:4], "RUN": s.rows.runs[3:4], "PROJECT": s.rows.projects[3:4], "SNAPSHOT": {s.real.snapshot}} {
		for _, id := range all {
			path = strings.ReplaceAll(path, id, word)
		}
	}
	if before, _, ok := strings.Cut(path, "cursor="); ok {
		return before + "cursor=..."
	}
	return path
}
