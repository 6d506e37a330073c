package rclone_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/test/servers"
)

func TestAnyFolderIsALocation(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		for _, folder := range []string{"", "data", "keys/data", `it's a "folder" \ #1?%41`} {
			v := settings.Values{}
			for name, value := range kind.values {
				v[name] = value
			}
			v[map[bool]string{true: "prefix", false: "path"}[kind.Kind == "b2"]] = folder
			names := []string{"config", "data/00/a", "keys/a", "data/data/00/a"}
			b := openDouble(t, kind.Provider, v, kind)
			for _, name := range names {
				if err := b.Save(t.Context(), name, storage.Bytes([]byte(folder+name))); err != nil {
					t.Fatalf("%s at %q: %v", kind.Kind, folder, err)
				}
			}
			b = openDouble(t, kind.Provider, v, kind) // another program, that remembers nothing
			for _, name := range names {
				if got, err := storage.LoadAll(t.Context(), b, name); err != nil || string(got) != folder+name {
					t.Errorf("%s at %q: LoadAll(%q) = %q, %v", kind.Kind, folder, name, got, err)
				}
			}
			if _, err := b.Stat(t.Context(), "data/config"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s at %q: Stat of what was never saved = %v, want ErrNotFound", kind.Kind, folder, err)
			}
			for _, name := range names { // the next folder may hold this one
				if err := b.Remove(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestARemovedFileInB2DoesNotComeBackAsItsOlderVersion(t *testing.T) {
	d := servers.NewB2(t)
	b := begun(t, rclone.B2, b2At(d), d)
	if err := b.Save(t.Context(), "keys/a", storage.Bytes([]byte("one"))); err != nil {
		t.Fatal(err)
	}
	d.Upload("the repository/ä/keys/a", []byte("two"))
	d.Upload("the repository/ä/keys/a", []byte("three"))
	if err := b.Remove(t.Context(), "keys/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), "keys/a"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat after Remove = %v, want ErrNotFound", err)
	}
	if n := d.Versions(); n != 0 {
		t.Errorf("the bucket holds %d versions after Remove, want none", n)
	}
}

func TestTokensOfB2ThatRunOutAreFetchedAnew(t *testing.T) {
	t.Parallel()
	d := servers.NewB2(t)
	b := begun(t, rclone.B2, b2At(d), d)
	for range 2 {
		d.Expire()
		err := b.Save(t.Context(), "config", storage.Bytes([]byte("x")))
		if errors.Is(err, storage.ErrPermanent) {
			t.Errorf("Save with a token that ran out = %v, want an error that passes", err)
		}
		for range 3 { // as retry does: one for the account, one for the upload
			if err != nil {
				err = b.Save(t.Context(), "config", storage.Bytes([]byte("x")))
			}
		}
		if err != nil {
			t.Errorf("Save with a new token: %v", err)
		}
		if err := b.Remove(t.Context(), "config"); err != nil {
			t.Error(err)
		}
	}
}

func TestARepositoryIsBegunAndOpenedInEachCloud(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		if _, err := repo.Init(t.Context(), openDouble(t, kind.Provider, kind.values, kind), "password", repo.Options{}, quickly); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		if _, err := repo.Open(t.Context(), openDouble(t, kind.Provider, kind.values, kind), "password", repo.Options{}); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
	}
}

func TestAMissingBucketIsAnErrorAndNotEmpty(t *testing.T) {
	d := servers.NewB2(t)
	v := b2At(d)
	v["bucket"] = "mistyped"
	b := openDouble(t, rclone.B2, v, d)
	if err := listed(t, b, "keys"); err == nil {
		t.Error("List in a bucket that isn't there = no error")
	}
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err == nil || errors.Is(err, storage.ErrExists) {
		t.Errorf("Save in a bucket that isn't there = %v", err)
	}
}

func TestBadCredentialsArePermanentAndStaySecret(t *testing.T) {
	t.Parallel()
	for _, kind := range imitations(t) {
		v := settings.Values{}
		for name, value := range kind.values {
			v[name] = strings.NewReplacer("refreshSecret-0", "wrongSecret-0", "K001secretSecret", "K001wrongSecret").Replace(value)
		}
		b := openDouble(t, kind.Provider, v, kind)
		_, statErr := b.Stat(t.Context(), "config")
		for what, err := range map[string]error{
			"Stat": statErr, "Save": b.Save(t.Context(), "config", storage.Bytes([]byte("x"))), "List": listed(t, b, "keys"),
		} {
			if !errors.Is(err, storage.ErrPermanent) {
				t.Errorf("%s: %s with bad credentials = %v, want ErrPermanent", kind.Kind, what, err)
			}
			if strings.Contains(fmt.Sprint(err), "Secret") {
				t.Errorf("%s: the error of %s shows a secret: %v", kind.Kind, what, err)
			}
		}
	}
}

func TestAccessThatIsTakenBackIsPermanent(t *testing.T) {
	d := servers.NewDropbox(t)
	b := begun(t, rclone.Dropbox, oauthAt(d.OAuth, d.Double), d)
	d.Revoke()
	if _, err := b.Stat(t.Context(), "config"); !errors.Is(err, storage.ErrPermanent) || strings.Contains(err.Error(), "Secret") {
		t.Errorf("Stat = %v, want ErrPermanent without a secret", err)
	}
}

func TestATokenIsRefreshedOnceAndTheOldOneServesTheNextProgram(t *testing.T) {
	d := servers.NewOneDrive(t) // hands out new refresh tokens, which aren't kept
	for program := 1; program <= 2; program++ {
		b := begun(t, rclone.OneDrive, onedriveAt(d), d)
		if err := b.Save(t.Context(), fmt.Sprint("keys/", program), storage.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if n := d.Refreshed(); n != program {
			t.Errorf("%d programs fetched %d access tokens", program, n)
		}
	}
}

func TestAnApplicationOfATenantOpensOneDrive(t *testing.T) {
	d := servers.NewOneDrive(t)
	v := onedriveAt(d)
	delete(v, "token")
	v["tenant"] = "contoso"
	begun(t, rclone.OneDrive, v, d)
	v["token"] = d.Token(false)
	if _, err := rclone.OneDrive.Open(v, env()); err == nil {
		t.Error("a tenant and a token = no error")
	}
}

func TestLocationsOfClouds(t *testing.T) {
	for _, tt := range []struct {
		p    storage.Provider
		rest string
		want settings.Values // nil: an error
	}{
		{rclone.B2, "bucket", settings.Values{"bucket": "bucket", "prefix": ""}},
		{rclone.B2, "bucket:", settings.Values{"bucket": "bucket", "prefix": ""}},
		{rclone.B2, "bucket:path/to/repo", settings.Values{"bucket": "bucket", "prefix": "path/to/repo"}},
		{rclone.B2, "bucket:/path//to/../repo/", settings.Values{"bucket": "bucket", "prefix": "path/repo"}},
		{rclone.B2, "bucket:with:colon", settings.Values{"bucket": "bucket", "prefix": "with:colon"}},
		{rclone.B2, "bucket:../..", settings.Values{"bucket": "bucket", "prefix": ""}},
		{rclone.B2, "", nil},
		{rclone.B2, ":path", nil},
		{rclone.B2, "bucket/path", nil},
		{rclone.B2, "secret@bucket:path", nil},
		{rclone.Drive, "", settings.Values{"path": ""}},
		{rclone.Drive, "/", settings.Values{"path": ""}},
		{rclone.Dropbox, "backups/host one", settings.Values{"path": "backups/host one"}},
		{rclone.Dropbox, "/backups/", settings.Values{"path": "backups"}},
		{rclone.OneDrive, "a//b/./c/../d", settings.Values{"path": "a/b/d"}},
		{rclone.OneDrive, "../../etc", settings.Values{"path": "etc"}},
		{rclone.Drive, "100%/ä:b@c", settings.Values{"path": "100%/ä:b@c"}},
	} {
		got, err := tt.p.Parse(tt.rest)
		if (err == nil) != (tt.want != nil) || !cmp.Equal(map[string]string(got), map[string]string(tt.want)) {
			t.Errorf("%s: Parse(%q) = %q, %v, want %q", tt.p.Kind, tt.rest, map[string]string(got), err, map[string]string(tt.want))
		}
		if err != nil && tt.rest != "" && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error of Parse(%q) shows what was given: %v", tt.p.Kind, tt.rest, err)
		}
	}
}

func TestATokenThatIsNoneIsRefusedUnread(t *testing.T) {
	for _, p := range []storage.Provider{rclone.Drive, rclone.Dropbox, rclone.OneDrive} {
		for _, token := range []string{"", "sl.B0secret", "{}", `{"access_token":`, `["secret"]`} {
			if _, err := p.Open(settings.Values{"token": token, "drive-id": "b!1"}, env()); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: Open with token %q = %v, want an error that doesn't show it", p.Kind, token, err)
			}
		}
	}
}
