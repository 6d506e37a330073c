package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/s3"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
)

var _ storage.Retainer = (*s3.Backend)(nil)

// attacker is somebody with all rights of the bucket's owner and another client.
func attacker(t testing.TB, s servers.S3Server) *minio.Client {
	t.Helper()
	c, err := minio.New(s.Address, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// locked returns a backend with object lock, and what its keys begin with.
func locked(t testing.TB, s servers.S3Server, mode string) (b *s3.Backend, prefix string) {
	t.Helper()
	prefix = rand.Text()
	b = open(t, location(s.Address, prefix), with(owner(s), "object-lock", mode, "object-lock-days", "2"))
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("config"))); err != nil { // which makes the bucket
		t.Fatal(err)
	}
	return b, prefix + "/"
}

// named returns a file as the engine names it.
func named(folder string, content []byte) string {
	hash := fmt.Sprintf("%x", sha256.Sum256(content))
	if folder == "data" {
		folder += "/" + hash[:2]
	}
	return folder + "/" + hash
}

// keep saves a file under the name that its content has.
func keep(t testing.TB, b *s3.Backend, folder string, content []byte) (name string) {
	t.Helper()
	name = named(folder, content)
	if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	return name
}

// versions returns what a bucket has of a key, the newest first.
func versions(t testing.TB, c *minio.Client, key string) (all []minio.ObjectInfo) {
	t.Helper()
	for version := range c.ListObjectsIter(t.Context(), "bucket", minio.ListObjectsOptions{Prefix: key, Recursive: true, WithVersions: true}) {
		if version.Err != nil {
			t.Fatal(version.Err)
		}
		if version.Key == key {
			all = append(all, version)
		}
	}
	return all
}

func hidden(t testing.TB, b *s3.Backend, dir string) (names []string) {
	t.Helper()
	for info, err := range b.Hidden(t.Context(), dir) {
		if err != nil {
			t.Fatalf("Hidden(%q): %v", dir, err)
		}
		names = append(names, info.Name)
	}
	return names
}

func TestObjectLockKeepsThePromises(t *testing.T) {
	s := servers.StartS3(t)
	plain := storage.Lack{Promise: "a removed name can be saved again", Why: "it is kept"}
	lacks := []storage.Lack{plain}
	for _, promise := range []string{"a removed file is gone", "removing a file twice is no error", "files may be removed while they are listed"} {
		lacks = append(lacks, storage.Lack{Promise: promise, Why: "it is kept"})
	}
	n := 0
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		n++
		return open(t, location(s.Address, fmt.Sprint(n)), with(owner(s), "object-lock", "compliance", "object-lock-days", "1"))
	}, lacks...)
}

func TestNoVersionIsDeletedEarlyWithFullRights(t *testing.T) {
	s := servers.StartS3(t)
	c := attacker(t, s)
	b, prefix := locked(t, s, "compliance")
	soon, governance := time.Now().Add(2*time.Second), minio.Governance
	compliance := minio.Compliance
	attacks := map[string]func(ctx context.Context, v minio.ObjectInfo) error{
		"delete of the name": func(ctx context.Context, v minio.ObjectInfo) error {
			return c.RemoveObject(ctx, "bucket", v.Key, minio.RemoveObjectOptions{})
		},
		"delete of the version": func(ctx context.Context, v minio.ObjectInfo) error {
			return c.RemoveObject(ctx, "bucket", v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID})
		},
		"delete of the version that bypasses governance": func(ctx context.Context, v minio.ObjectInfo) error {
			return c.RemoveObject(ctx, "bucket", v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID, GovernanceBypass: true})
		},
		"delete of many versions": func(ctx context.Context, v minio.ObjectInfo) error {
			objects := make(chan minio.ObjectInfo, 1)
			objects <- v
			close(objects)
			for failed := range c.RemoveObjects(ctx, "bucket", objects, minio.RemoveObjectsOptions{GovernanceBypass: true}) {
				return failed.Err
			}
			return nil
		},
		"other content": func(ctx context.Context, v minio.ObjectInfo) error {
			_, err := c.PutObject(ctx, "bucket", v.Key, strings.NewReader("garbage"), 7, minio.PutObjectOptions{})
			return err
		},
		"other content, and delete of the version": func(ctx context.Context, v minio.ObjectInfo) error {
			_, err := c.PutObject(ctx, "bucket", v.Key, strings.NewReader("garbage"), 7, minio.PutObjectOptions{})
			return errors.Join(err, c.RemoveObject(ctx, "bucket", v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID, GovernanceBypass: true}))
		},
		"delete of the name, and of the version": func(ctx context.Context, v minio.ObjectInfo) error {
			err := c.RemoveObject(ctx, "bucket", v.Key, minio.RemoveObjectOptions{})
			return errors.Join(err, c.RemoveObject(ctx, "bucket", v.Key, minio.RemoveObjectOptions{VersionID: v.VersionID, GovernanceBypass: true}))
		},
		"a shorter time": func(ctx context.Context, v minio.ObjectInfo) error {
			return c.PutObjectRetention(ctx, "bucket", v.Key, minio.PutObjectRetentionOptions{VersionID: v.VersionID,
				Mode: &compliance, RetainUntilDate: &soon, GovernanceBypass: true})
		},
		"a weaker mode": func(ctx context.Context, v minio.ObjectInfo) error {
			return c.PutObjectRetention(ctx, "bucket", v.Key, minio.PutObjectRetentionOptions{VersionID: v.VersionID,
				Mode: &governance, RetainUntilDate: &soon, GovernanceBypass: true})
		},
		"no retention": func(ctx context.Context, v minio.ObjectInfo) error {
			return c.PutObjectRetention(ctx, "bucket", v.Key, minio.PutObjectRetentionOptions{VersionID: v.VersionID, GovernanceBypass: true})
		},
		"no versioning": func(ctx context.Context, v minio.ObjectInfo) error {
			return errors.Join(c.SuspendVersioning(ctx, "bucket"), c.RemoveObject(ctx, "bucket", v.Key, minio.RemoveObjectOptions{}))
		},
		"delete of the bucket": func(ctx context.Context, _ minio.ObjectInfo) error {
			return c.RemoveBucketWithOptions(ctx, "bucket", minio.RemoveBucketOptions{ForceDelete: true})
		},
	}
	for attack, try := range attacks {
		content := []byte("content before: " + attack)
		name := keep(t, b, "data", content)
		before := versions(t, c, prefix+name)[0]
		err := try(t.Context(), before)
		t.Logf("%s: the server says %v", attack, err)
		var got bytes.Buffer
		body, err := c.GetObject(t.Context(), "bucket", before.Key, minio.GetObjectOptions{VersionID: before.VersionID})
		if err == nil {
			_, err = got.ReadFrom(body)
		}
		if err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("after %s the version holds %q, %v, want %q", attack, got.Bytes(), err, content)
		}
		for _, name := range hidden(t, b, "data") {
			if err := b.Unhide(t.Context(), name); err != nil {
				t.Errorf("Unhide after %s: %v", attack, err)
			}
		}
		if got, err := storage.LoadAll(t.Context(), b, name); err != nil || !bytes.Equal(got, content) {
			t.Errorf("after %s and Unhide the file is %q, %v, want %q", attack, got, err, content)
		}
		if until, err := b.Retained(t.Context(), name); err != nil || time.Until(until) < 47*time.Hour {
			t.Errorf("after %s and Unhide the file is kept until %v, %v, want two days", attack, until, err)
		}
	}
}

func TestWhatHidesAFileIsSeenAndUndone(t *testing.T) {
	s := servers.StartS3(t)
	c := attacker(t, s)
	put := func(t *testing.T, key, content string, opts minio.PutObjectOptions) {
		if _, err := c.PutObject(t.Context(), "bucket", key, strings.NewReader(content), int64(len(content)), opts); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, key string) {
		if err := c.RemoveObject(t.Context(), "bucket", key, minio.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	kept := minio.PutObjectOptions{Mode: minio.Compliance, RetainUntilDate: time.Now().Add(time.Hour)}
	content := []byte("content")
	for _, mode := range []string{"governance", "compliance"} {
		for what, attack := range map[string]func(t *testing.T, key string){
			"a delete marker": remove,
			"two delete markers": func(t *testing.T, key string) {
				remove(t, key)
				put(t, key, "x", minio.PutObjectOptions{})
				remove(t, key)
			},
			"other content":                  func(t *testing.T, key string) { put(t, key, "garbage that is longer", minio.PutObjectOptions{}) },
			"other content of the same size": func(t *testing.T, key string) { put(t, key, "garbage", minio.PutObjectOptions{}) },
			"other content that is kept":     func(t *testing.T, key string) { put(t, key, "garbage", kept) },
			"other content that is kept, and a delete marker": func(t *testing.T, key string) {
				put(t, key, "garbage", kept)
				remove(t, key)
			},
		} {
			for _, folder := range []string{"data", "index", "keys", "snapshots", "other"} {
				t.Run(mode+"/"+what+"/"+folder, func(t *testing.T) {
					b, prefix := locked(t, s, mode)
					name := named(folder, content)
					if folder == "other" {
						name = "other/file"
					}
					if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
						t.Fatal(err)
					}
					if names := hidden(t, b, folder); len(names) != 0 {
						t.Fatalf("Hidden before any attack = %v", names)
					}
					attack(t, prefix+name)
					if names := hidden(t, b, folder); len(names) != 1 || names[0] != name {
						t.Errorf("Hidden = %v, want %q", names, name)
					}
					if err := b.Unhide(t.Context(), name); err != nil {
						t.Errorf("Unhide: %v", err)
					}
					if got, err := storage.LoadAll(t.Context(), b, name); err != nil || !bytes.Equal(got, content) {
						t.Errorf("after Unhide the file is %q, %v, want %q", got, err, content)
					}
					if until, err := b.Retained(t.Context(), name); err != nil || time.Until(until) < 47*time.Hour {
						t.Errorf("after Unhide the file is kept until %v, %v, want two days", until, err)
					}
					if names := hidden(t, b, folder); len(names) != 0 {
						t.Errorf("Hidden after Unhide = %v, want none", names)
					}
				})
			}
		}
	}
}

func TestAFileIsRemovedAfterItsTimeOnlyAndWithoutADeleteMarker(t *testing.T) {
	s := servers.StartS3(t)
	c := attacker(t, s)
	b, prefix := locked(t, s, "compliance")
	until := time.Now().Add(3 * time.Second).Truncate(time.Second)
	if _, err := c.PutObject(t.Context(), "bucket", prefix+"data/x", strings.NewReader("x"), 1,
		minio.PutObjectOptions{Mode: minio.Compliance, RetainUntilDate: until}); err != nil {
		t.Fatal(err)
	}
	err := b.Remove(t.Context(), "data/x")
	if !errors.Is(err, storage.ErrRetained) || !errors.Is(err, storage.ErrPermanent) || time.Now().After(until) {
		t.Errorf("Remove before the time = %v, want ErrRetained and ErrPermanent", err)
	}
	if got, err := b.Retained(t.Context(), "data/x"); !got.Equal(until) || err != nil {
		t.Errorf("Retained = %v, %v, want %v", got, err, until)
	}
	time.Sleep(time.Until(until) + 1100*time.Millisecond)
	if err := b.Remove(t.Context(), "data/x"); err != nil {
		t.Errorf("Remove after the time = %v", err)
	}
	if left := versions(t, c, prefix+"data/x"); len(left) != 0 {
		t.Errorf("Remove leaves %d versions and delete markers", len(left))
	}
	if err := b.Remove(t.Context(), "data/x"); err != nil {
		t.Errorf("Remove once more = %v", err)
	}
}

func TestLocksAreNotKept(t *testing.T) {
	s := servers.StartS3(t)
	c := attacker(t, s)
	b, prefix := locked(t, s, "compliance")
	name := keep(t, b, "locks", []byte("lock"))
	if until, err := b.Retained(t.Context(), name); !until.IsZero() || err != nil {
		t.Errorf("Retained of a lock = %v, %v, want the zero time", until, err)
	}
	if err := b.Remove(t.Context(), name); err != nil {
		t.Errorf("Remove of a lock = %v", err)
	}
	if left := versions(t, c, prefix+name); len(left) != 0 {
		t.Errorf("Remove leaves %d versions and delete markers", len(left))
	}
}

func TestRetainProlongsAndNeverShortens(t *testing.T) {
	s := servers.StartS3(t)
	for _, mode := range []string{"governance", "compliance"} {
		b, _ := locked(t, s, mode)
		name := keep(t, b, "data", []byte(mode))
		first, err := b.Retained(t.Context(), name)
		if err != nil || time.Until(first) < 47*time.Hour || time.Until(first) > 49*time.Hour || b.Period() != 48*time.Hour {
			t.Errorf("Retained = %v, %v, Period = %v, want two days", first, err, b.Period())
		}
		if err := b.Retain(t.Context(), name, first.Add(-time.Hour)); err != nil {
			t.Errorf("Retain for less = %v", err)
		}
		if got, err := b.Retained(t.Context(), name); !got.Equal(first) || err != nil {
			t.Errorf("after Retain for less: %v, %v, want %v", got, err, first)
		}
		longer := first.Add(24*time.Hour + time.Millisecond)
		if err := b.Retain(t.Context(), name, longer); err != nil {
			t.Errorf("Retain for more = %v", err)
		}
		if got, err := b.Retained(t.Context(), name); got.Before(longer) || got.Sub(longer) > time.Second || err != nil {
			t.Errorf("after Retain for more: %v, %v, want %v", got, err, longer)
		}
		if err := b.Retain(t.Context(), "data/none", longer); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Retain of what isn't there = %v, want ErrNotFound", err)
		}
	}
}

func TestAFileWithAnotherContentThanItsNameIsNotBroughtBack(t *testing.T) {
	s := servers.StartS3(t)
	b, prefix := locked(t, s, "compliance")
	name := named("data", []byte("content"))
	if err := b.Save(t.Context(), name, storage.Bytes([]byte("garbage"))); err != nil {
		t.Fatal(err)
	}
	if err := attacker(t, s).RemoveObject(t.Context(), "bucket", prefix+name, minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Unhide(t.Context(), name); !errors.Is(err, storage.ErrMismatch) {
		t.Errorf("Unhide = %v, want ErrMismatch", err)
	}
	if _, err := b.Stat(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat after that = %v, want ErrNotFound", err)
	}
	if err := b.Unhide(t.Context(), "data/never"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Unhide of what never was = %v, want ErrNotFound", err)
	}
}

func TestABucketWithoutObjectLockIsRefusedWhereItIsSet(t *testing.T) {
	s := servers.StartS3(t)
	ready(t, s.Address, owner(s)) // makes the bucket
	b := open(t, location(s.Address, "repo"), with(owner(s), "object-lock", "governance", "object-lock-days", "1"))
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Save = %v, want ErrPermanent", err)
	}
}
