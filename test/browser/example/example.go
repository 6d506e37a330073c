// Package example fills a server by its API with one or more of everything: real backups of files that it makes, one that fails and one that goes
// on and on, restores, people, rights and messages. Tests of all pages walk through it, and documents show pictures of it.
package example

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// Site is a server that its owner fills.
type Site struct {
	Folder string                                          // for what is backed up and for the storages
	Ask    func(method, path string, body, into any) error // asks the API; what is refused is an error
	Name   func(plain string) string                       // what a thing is called; nil: as here
	Files  []string                                        // names of more files that are backed up
	Busy   bool                                            // one backup is at work, and does not end

	IDs map[string][]string // of what was made, by the path of its list
	err error
}

type (
	body = map[string]any
	text = map[string]string
)

// Fill makes everything. The first error ends it.
func (s *Site) Fill() error {
	s.IDs = map[string][]string{}
	if s.Name == nil {
		s.Name = func(plain string) string { return plain }
	}
	for _, step := range []func(){s.files, s.office, s.website, s.messages, s.settle, s.again, s.settle, s.restores, s.people, s.endless} {
		if step(); s.err != nil {
			return s.err
		}
	}
	return nil
}

// made makes something, and returns its id.
func (s *Site) made(list string, b body) string {
	if name, ok := b["name"].(string); ok {
		b["name"] = s.Name(name)
	}
	var it struct{ ID string }
	s.do("POST", list, b, &it)
	s.IDs[list] = append(s.IDs[list], it.ID)
	return it.ID
}

func (s *Site) do(method, path string, b, into any) {
	if s.err != nil {
		return
	}
	if err := s.Ask(method, path, b, into); err != nil {
		s.err = fmt.Errorf("%s %s: %w", method, path, err)
	}
}

// in is a folder of the example.
func (s *Site) in(path ...string) string {
	return filepath.Join(append([]string{s.Folder}, path...)...)
}

func (s *Site) write(path, content string) {
	path = s.in(path)
	s.err = cmp.Or(s.err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600))
}

// files are what is backed up.
func (s *Site) files() {
	for _, month := range []string{"January", "February", "March"} {
		for i := range 9 {
			s.write(fmt.Sprintf("office/Contracts/2026 %s/Contract %02d.txt", month, i+1), strings.Repeat(month+" as agreed. ", 400*(i+1)))
		}
	}
	s.write("office/Accounts/Ledger.csv", strings.Repeat("2026-11-20,Harbour dues,1200.00\n", 5000))
	s.write("office/Accounts/Notes.txt", "Ask for the invoice of the crane.\n")
	s.write("office/Staff/Rota.txt", strings.Repeat("Mon Ada, Tue Ben, Wed Cleo\n", 50))
	s.write("website/index.html", "<h1>Harbour</h1>")
	s.write("website/style.css", "h1 { color: navy }")
	for _, name := range s.Files {
		s.write("office/"+name, "What "+name+" is about.\n")
	}
}

// office is a project whose backups are as they should be.
func (s *Site) office() {
	p := s.made("/projects", body{"name": "Harbour office", "help": "What the office on pier 4 works with."})
	disk := s.made("/storages", body{"project": p, "name": "Disk in the cellar", "location": s.in("cellar"), "limit": 50 << 30})
	away := s.made("/storages", body{"project": p, "name": "Disk at the lighthouse", "location": s.in("lighthouse")})
	near := s.made("/repositories", body{"project": p, "name": "Office", "storage": disk, "path": "office", "verify_days": 30})
	far := s.made("/repositories", body{"project": p, "name": "Office, second copy", "storage": away, "path": "office", "verify_days": 90})
	documents := s.made("/sources", body{"project": p, "name": "Documents", "kind": "files", "settings": text{"paths": s.in("office")}})
	s.made("/sources", body{"project": p, "name": "Old archive", "kind": "files", "settings": text{"paths": s.in("office", "Accounts")}})
	s.made("/modules", body{"project": p, "name": "Accounts", "source": documents, "paths": []string{s.in("office", "Accounts")}})
	s.made("/plans", body{"project": p, "name": "Documents, each night", "active": true, "sources": []string{documents}, "repositories": []string{near, far}, "type": "incremental", "verify": "full", "retries": 2,
		"schedule": body{"every": "day", "at": "02:30", "zone": "Europe/Berlin", "catch_up": true}, "retention": text{"last": "3", "daily": "14", "weekly": "8", "monthly": "12"}})
}

// website is a project where something went wrong.
func (s *Site) website() {
	p := s.made("/projects", body{"name": "Website"})
	disk := s.made("/storages", body{"project": p, "name": "Web disk", "location": s.in("web")})
	repository := s.made("/repositories", body{"project": p, "name": "Web", "storage": disk})
	pages := s.made("/sources", body{"project": p, "name": "Pages", "kind": "files", "settings": text{"paths": s.in("website")}})
	shop := s.made("/sources", body{"project": p, "name": "Shop", "kind": "files", "settings": text{"paths": s.in("shop")}}) // which is not there
	s.made("/plans", body{"project": p, "name": "Pages, each hour", "active": true, "sources": []string{pages}, "repositories": []string{repository}, "type": "incremental", "verify": "structure",
		"schedule": body{"every": "hour", "at": "00:10"}, "retention": text{"hourly": "24", "daily": "7"}})
	s.made("/plans", body{"project": p, "name": "Shop, by hand", "sources": []string{shop}, "repositories": []string{repository}, "type": "full", "verify": "none"})
}

// messages go to an address where nobody listens, so some are given up.
func (s *Site) messages() {
	p := s.IDs["/projects"][0]
	hook := text{"url": "http://127.0.0.1:1/hook", "secret": "whsec_" + strings.Repeat("QUJD", 8)}
	channel := s.made("/channels", body{"project": p, "name": "Pager of the harbour", "kind": "webhook", "settings": hook})
	own := s.made("/channels", body{"name": "Mail room", "kind": "webhook", "settings": hook, "hourly_limit": 20})
	s.made("/notification-rules", body{"project": p, "channel": channel, "events": []string{"run.failed", "alert.*"}, "reminder_hours": 24})
	s.made("/notification-rules", body{"channel": own, "events": []string{"*"}, "min_severity": "warning", "digest": body{"every": "daily", "at": "07:00", "zone": "Europe/Berlin"}})
	var me struct{ ID string }
	s.do("GET", "/profile", nil, &me)
	s.made("/notification-rules", body{"channel": own, "user": me.ID, "events": []string{"run.failed"}})
	s.made("/audit-sinks", body{"name": "Log server", "kind": "syslog", "settings": text{"transport": "udp", "address": "127.0.0.1:9"}})
	s.start(0, 1, 2)
}

// again backs up a second time, when some files have changed.
func (s *Site) again() {
	s.write("office/Accounts/Notes.txt", "The invoice of the crane came.\n")
	s.write("office/Contracts/2026 April/Contract 01.txt", "April as agreed.")
	s.start(0)
	for _, r := range s.IDs["/repositories"][:2] {
		s.do("POST", "/repositories/"+r+"/verify", body{"level": "full"}, nil)
	}
}

// start starts plans.
func (s *Site) start(plans ...int) {
	for _, i := range plans {
		s.do("POST", "/plans/"+s.IDs["/plans"][i]+"/start", nil, nil)
	}
}

// settle waits until nothing is at work.
func (s *Site) settle() {
	for range 1200 {
		var runs struct{ Items []backstay.Run }
		s.do("GET", "/runs?limit=100", nil, &runs)
		if s.err != nil || !slices.ContainsFunc(runs.Items, func(r backstay.Run) bool { return !r.State.Ended() }) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.err = cmp.Or(s.err, fmt.Errorf("the runs do not end"))
}

// snapshots are those of the first source, the newest first.
func (s *Site) snapshots() (all []string) {
	var list struct{ Items []backstay.Snapshot }
	s.do("GET", "/snapshots?limit=100&source="+s.IDs["/sources"][0], nil, &list)
	slices.SortFunc(list.Items, func(a, b backstay.Snapshot) int { return b.Time.Compare(a.Time) })
	for _, x := range list.Items {
		all = append(all, x.ID)
	}
	return all
}

// restores are one that is done and one that waits for decisions.
func (s *Site) restores() {
	snapshots := s.snapshots()
	if s.err != nil || len(snapshots) < 2 {
		s.err = cmp.Or(s.err, fmt.Errorf("there are %d snapshots", len(snapshots)))
		return
	}
	s.IDs["/snapshots"] = snapshots
	s.do("POST", "/snapshots/"+snapshots[len(snapshots)-1]+"/protect", nil, nil)
	done := s.made("/restores", body{"snapshot": snapshots[0], "target": "folder", "folder": s.in("restored"), "paths": []string{s.in("office", "Accounts")}})
	s.settle()
	s.do("POST", "/restores/"+done+"/apply", nil, nil)
	s.settle()
	s.write("office/Accounts/Notes.txt", "Paid.\n")
	s.err = cmp.Or(s.err, os.Remove(s.in("office", "Accounts", "Ledger.csv")))
	s.made("/restores", body{"snapshot": snapshots[0], "target": "original", "conflicts": "ask"})
	s.settle()
}

// people have rights, and what belongs to them.
func (s *Site) people() {
	p := s.IDs["/projects"]
	ben := s.made("/users", body{"name": "Ben Operator", "email": "ben@example.org", "zone": "Europe/Berlin"})
	cleo := s.made("/users", body{"name": "Cleo Auditor", "email": "cleo@example.org", "phone": "+49 30 123456"})
	crew := s.made("/groups", body{"name": "Night crew", "help": "Who is on call.", "members": []string{ben, cleo}})
	role := s.made("/roles", body{"name": "Reader of reports", "help": "For those who only read.", "permissions": []string{"report.read", "source.read"}})
	s.made("/grants", body{"subject_kind": "user", "subject": ben, "role": "operator", "scope": "/project/" + p[0], "effect": "allow"})
	s.made("/grants", body{"subject_kind": "group", "subject": crew, "role": role, "scope": "/", "effect": "allow"})
	s.made("/grants", body{"subject_kind": "user", "subject": cleo, "role": "restorer", "scope": "/project/" + p[1], "effect": "deny"})
	s.made("/tokens", body{"name": "Monitoring", "permissions": []string{"source.read"}, "expires_at": time.Now().AddDate(1, 0, 0)})
	s.made("/identity-providers", body{"name": "Harbour sign-in", "issuer": "https://127.0.0.1:1", "client_id": "backstay", "client_secret": "not a real one"})
	s.do("PATCH", "/settings", body{"backup_repository": s.IDs["/repositories"][0]}, nil)
	s.do("POST", "/settings/backups", nil, nil)
	s.settle()
}

// endless starts a backup that sends so little at a time that it is still at work when everything is over.
func (s *Site) endless() {
	if !s.Busy {
		return
	}
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(i * i >> (i % 7)) // which compresses badly
	}
	s.write("tower/Film.bin", string(content))
	p := s.IDs["/projects"][0]
	tower := s.made("/sources", body{"project": p, "name": "Tower", "kind": "files", "settings": text{"paths": s.in("tower")}})
	s.made("/plans", body{"project": p, "name": "Tower, by hand", "sources": []string{tower}, "repositories": s.IDs["/repositories"][:1], "type": "incremental", "verify": "none", "upload": "1"})
	s.start(len(s.IDs["/plans"]) - 1)
}
