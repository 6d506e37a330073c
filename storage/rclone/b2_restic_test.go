package rclone_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

// restic has a client of B2 of its own, which knows nothing of rclone's: what both do right on the double is no mistake that they share.
func TestResticAndWeShareABucketOfB2(t *testing.T) {
	t.Parallel()
	d := servers.NewB2(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(d.CA), 0o600); err != nil {
		t.Fatal(err)
	}
	r := resticbin.Repo{Bin: resticbin.Newest(t), Dir: "b2:" + d.Bucket + ":by/restic", Password: "password",
		Env: []string{"B2_ACCOUNT_ID=" + d.KeyID, "B2_ACCOUNT_KEY=" + d.Key, "HTTPS_PROXY=" + d.Proxy(t)}}
	restic := func(args ...string) {
		t.Helper()
		if _, err := r.Run(t.Context(), append([]string{"--cacert", ca}, args...)...); err != nil {
			for _, c := range d.Calls() {
				t.Log(c)
			}
			t.Fatal(err)
		}
	}
	at := func(prefix string) storage.Backend {
		v := b2At(d)
		v["prefix"] = prefix
		return openDouble(t, rclone.B2, v, d)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("content "), 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	restic("init")
	restic("backup", file)
	b := at("by/restic")
	if _, err := repo.Open(t.Context(), b, "password", repo.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"data", "keys", "snapshots", "index"} {
		files := 0
		for info, err := range b.List(t.Context(), folder) {
			if err != nil {
				t.Fatal(err)
			}
			if p, err := storage.LoadAll(t.Context(), b, info.Name); err != nil || int64(len(p)) != info.Size {
				t.Errorf("LoadAll(%q) = %d bytes, %v, want %d", info.Name, len(p), err, info.Size)
			}
			files++
		}
		if files == 0 {
			t.Errorf("List(%q) yields nothing of what restic saved", folder)
		}
	}
	if _, err := repo.Init(t.Context(), at("by/us"), "password", repo.Options{}, quickly); err != nil {
		t.Fatal(err)
	}
	r.Dir = "b2:" + d.Bucket + ":by/us"
	restic("backup", file)
	restic("check", "--read-data")
}
