package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// policies returns those that the guide shows, as policies of a bucket, for a user and a folder.
func policies(t *testing.T, user, folder string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/storage/s3.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```json\n")[1:] {
		policy, _, _ := strings.Cut(part, "```")
		policy = strings.NewReplacer("BUCKET", "bucket", "FOLDER", folder, `"Effect"`, fmt.Sprintf(`"Principal": {"AWS": [%q]}, "Effect"`, user)).Replace(policy)
		all = append(all, policy)
	}
	return all
}

// user may do nothing by itself.
var user = settings.Values{"access-key-id": "AKIAUSER", "secret-access-key": "user-secret"}

// allow gives the user the rights of a policy, in a bucket that is there.
func allow(t *testing.T, s servers.S3Server, policy string) {
	t.Helper()
	if err := attacker(t, s).SetBucketPolicy(t.Context(), "bucket", policy); err != nil {
		t.Fatal(err)
	}
}

func TestNoneOfTheRightsThatTheGuideNamesCanBeMissing(t *testing.T) {
	s := servers.StartS3(t)
	locked(t, s, "compliance") // makes the bucket
	s.AddUser(t, user["access-key-id"], user["secret-access-key"])
	for i, use := range []func(*testing.T, servers.S3Server, string) error{useIt, useItLocked} {
		policy := policies(t, user["access-key-id"], "folder")[i]
		allow(t, s, policy)
		if err := use(t, s, fmt.Sprint("all", i)); err != nil {
			t.Errorf("with all rights of policy %d: %v", i+1, err)
		}
		for _, right := range regexp.MustCompile(`"s3:\w+"`).FindAllString(policy, -1) {
			without := regexp.MustCompile(right+`,\s*|,\s*`+right).ReplaceAllString(policy, "")
			allow(t, s, without)
			if right == `"s3:GetBucketLocation"` {
				continue // this server names the region when it refuses to
			}
			if err := use(t, s, fmt.Sprint(right[4:len(right)-1], i)); err == nil {
				t.Errorf("without the right %s of policy %d all goes well: it needn't be given", right, i+1)
			}
		}
	}
}

// useIt makes each call in a folder.
func useIt(t *testing.T, s servers.S3Server, folder string) error {
	b := open(t, location(s.Address, "folder/"+folder), user)
	errs := []error{b.Save(t.Context(), "data/x", storage.Bytes([]byte("x"))), b.Load(t.Context(), "data/x", make([]byte, 1), 0)}
	for _, err := range b.List(t.Context(), "data") {
		errs = append(errs, err)
	}
	_, err := b.Stat(t.Context(), "data/x")
	return errors.Join(append(errs, err, b.Remove(t.Context(), "data/x"))...)
}

// useItLocked does all that is done with object lock, and has somebody with more rights hide the file in two ways.
func useItLocked(t *testing.T, s servers.S3Server, folder string) error {
	b := open(t, location(s.Address, "folder/"+folder), with(user, "object-lock", "compliance", "object-lock-days", "2"))
	content := []byte("content")
	name, lock := named("data", content), "locks/x"
	errs := []error{b.Save(t.Context(), name, storage.Bytes(content)), b.Save(t.Context(), lock, storage.Bytes(nil)), b.Remove(t.Context(), lock)}
	until, err := b.Retained(t.Context(), name)
	if err == nil && until.IsZero() {
		err = errors.New("it isn't kept")
	}
	errs = append(errs, err, b.Retain(t.Context(), name, time.Now().AddDate(0, 0, 3)))
	for _, err := range b.List(t.Context(), "data") {
		errs = append(errs, err)
	}
	if errors.Join(errs...) != nil {
		return errors.Join(errs...)
	}
	for _, opts := range []minio.PutObjectOptions{{}, {Mode: minio.Compliance, RetainUntilDate: time.Now().Add(time.Hour)}} {
		key := "folder/" + folder + "/" + name
		_, put := attacker(t, s).PutObject(t.Context(), "bucket", key, strings.NewReader("garbage"), 7, opts)
		if err := errors.Join(put, attacker(t, s).RemoveObject(t.Context(), "bucket", key, minio.RemoveObjectOptions{})); err != nil {
			t.Fatal(err)
		}
		for _, err := range b.Hidden(t.Context(), "data") {
			errs = append(errs, err)
		}
		errs = append(errs, b.Unhide(t.Context(), name))
		if got, err := storage.LoadAll(t.Context(), b, name); err != nil || !bytes.Equal(got, content) {
			errs = append(errs, fmt.Errorf("the file is %q, %w", got, err))
		}
	}
	return errors.Join(errs...)
}
