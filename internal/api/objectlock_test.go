package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

// pass lets time pass in steps that are no jumps of the clock, and not while runs are at work: they would take it for a storage that
// doesn't answer.
func (c *ahead) pass(t *testing.T, d time.Duration, watcher *servertest.Client) {
	t.Helper()
	const step = 20 * time.Minute
	for ; d > 0; d -= step {
		c.by.Add(int64(min(d, step)))
		time.Sleep(150 * time.Millisecond)
		soon(t, "the end of what was due", func() bool {
			var running struct{ Items []run }
			watcher.Get(t, "/runs?state=running", &running)
			return len(running.Items) == 0
		})
	}
}

// runOut ends the locks of everything in a bucket, as time does, by the right that the owner of the bucket has.
func runOut(t *testing.T, s servers.S3Server) {
	t.Helper()
	c, err := minio.New(s.Address, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s.Region})
	if err != nil {
		t.Fatal(err)
	}
	mode, soon := minio.Governance, time.Now().Add(2*time.Second).UTC()
	for v := range c.ListObjectsIter(t.Context(), "bucket", minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if v.Err != nil {
			t.Fatal(v.Err)
		}
		if err := c.PutObjectRetention(t.Context(), "bucket", v.Key, minio.PutObjectRetentionOptions{VersionID: v.VersionID, Mode: &mode, RetainUntilDate: &soon, GovernanceBypass: true}); err != nil && !strings.Contains(v.Key, "/locks/") {
			t.Fatal(err)
		}
	}
	time.Sleep(3 * time.Second)
}

// TestObjectLockKeepsSnapshotsUntilTheirDate uses a store that really keeps what is locked.
func TestObjectLockKeepsSnapshotsUntilTheirDate(t *testing.T) {
	store, c := servers.StartS3(t), &ahead{}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	w := newShop(t, s)
	var storage, repository struct{ ID string }
	s.Owner.Post(t, "/storages", map[string]any{"name": "locked", "project": w.project, "location": "s3:http://" + store.Address + "/bucket/x", "settings": map[string]string{
		"access-key-id": store.AccessKey, "secret-access-key": store.SecretKey, "region": store.Region, "object-lock": "governance", "object-lock-days": "2"}}, &storage)
	s.Owner.Post(t, "/repositories", map[string]any{"name": "locked", "project": w.project, "storage": storage.ID}, &repository)
	s.Owner.Patch(t, "/plans/"+w.plan, map[string]any{"repositories": []string{repository.ID}, "retention": map[string]string{"last": "1"}, "verify": "none"}, nil)
	snapshots := func(want int) []backstay.Snapshot {
		t.Helper()
		w.settle(t)
		var list struct{ Items []backstay.Snapshot }
		s.Owner.Get(t, "/snapshots?sort=time&repository="+repository.ID, &list)
		if len(list.Items) != want {
			t.Fatalf("there are %d snapshots, want %d", len(list.Items), want)
		}
		return list.Items
	}
	for i := range 2 {
		write(t, w.data, "letters/2025.txt", fmt.Sprintf("Letter %d\n", i))
		if r := w.start(t); r.State != "succeeded" {
			t.Fatalf("backup %d = %+v %+v", i, r, r.Failure)
		}
	}
	all := snapshots(2) // though the plan keeps one
	for _, sn := range all {
		if sn.KeptUntil == nil || sn.KeptUntil.Sub(sn.Time) < 47*time.Hour || sn.KeptUntil.Sub(sn.Time) > 49*time.Hour {
			t.Fatalf("the snapshot of %v is kept until %v, want two days", sn.Time, sn.KeptUntil)
		}
	}
	old, young := all[0], all[1]
	refused := s.Owner.Ask(t, http.MethodDelete, "/snapshots/"+old.ID, nil)
	refused.Refused(t, http.StatusConflict, "conflict")
	if !strings.Contains(string(refused.Body), old.KeptUntil.Format(time.DateOnly)) {
		t.Errorf("the refusal doesn't say until when: %s", refused.Body)
	}
	s.Owner.Post(t, "/snapshots/"+old.ID+"/protect", nil, nil)
	s.Owner.Ask(t, http.MethodDelete, "/snapshots/"+old.ID, nil).Refused(t, http.StatusConflict, "conflict")
	s.Owner.Post(t, "/snapshots/"+old.ID+"/unprotect", nil, nil)
	s.Owner.Post(t, "/repositories/"+repository.ID+"/prune", nil, nil)
	snapshots(2)

	var token struct{ Secret string }
	s.Owner.Post(t, "/tokens", map[string]any{"name": "watcher", "permissions": []string{"source.read"}, "expires_at": c.Now().Add(30 * 24 * time.Hour)}, &token)
	watcher := s.Client(t)
	watcher.Token = token.Secret
	c.pass(t, 26*time.Hour, watcher) // less than half of the period is left
	s.Owner.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
	s.Owner.Post(t, "/clock/confirm", nil, nil) // should the machine have been too slow for the steps
	c.pass(t, 2*time.Hour, watcher)
	soon(t, "longer locks", func() bool {
		all = snapshots(2)
		return all[1].KeptUntil.After(*young.KeptUntil)
	})

	if left := all[1].KeptUntil.Sub(c.Now()); left < 40*time.Hour || !all[0].KeptUntil.Equal(*old.KeptUntil) {
		t.Errorf("what is needed is kept for %v, want two days; what the plan doesn't keep until %v, it was %v", left, all[0].KeptUntil, old.KeptUntil)
	}
	var runs struct{ Items []run }
	if s.Owner.Get(t, "/runs?kind=extension", &runs); len(runs.Items) < 2 {
		t.Errorf("locks were looked after %d times in 26 hours, want each 12", len(runs.Items))
	}
	for _, r := range runs.Items {
		if r.State != "succeeded" {
			t.Errorf("extension = %+v %+v", r, r.Failure)
		}
	}

	runOut(t, store)
	write(t, w.data, "letters/2025.txt", "The last letter\n")
	if r := w.start(t); r.State != "succeeded" {
		t.Fatalf("the last backup = %+v %+v", r, r.Failure)
	}
	last := snapshots(1)[0]
	if last.ID == old.ID || last.ID == young.ID {
		t.Errorf("the one that is left is not the last one: %+v", last)
	}
	var check run
	s.Owner.Post(t, "/repositories/"+repository.ID+"/prune", nil, nil)
	w.settle(t)
	s.Owner.Post(t, "/repositories/"+repository.ID+"/verify", map[string]string{"level": "full"}, &check)
	w.settle(t)
	if s.Owner.Get(t, "/runs/"+check.ID, &check); check.State != "succeeded" {
		t.Errorf("after the prune the repository is %+v %+v", check, check.Failure)
	}
}
