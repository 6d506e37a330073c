package cli_test

import (
	"context"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/backstay/backstay/test/servers"
)

// s3Commands returns the commands s3server, which starts a store (its address is $S3, its keys are in the environment), and s3attack, which
// deletes all objects whose key has a prefix, as somebody can who has the credentials.
func s3Commands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	var s servers.S3Server
	return map[string]func(*testscript.TestScript, bool, []string){
		"s3server": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) > 0 {
				ts.Fatalf("usage: s3server")
			}
			s = servers.StartS3(t)
			ts.Setenv("S3", "s3:http://"+s.Address)
			ts.Setenv("AWS_ACCESS_KEY_ID", s.AccessKey)
			ts.Setenv("AWS_SECRET_ACCESS_KEY", s.SecretKey)
			ts.Setenv("AWS_DEFAULT_REGION", s.Region)
		},
		"s3attack": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 2 {
				ts.Fatalf("usage: s3attack BUCKET PREFIX")
			}
			ts.Check(attack(t.Context(), s, args[0], args[1]))
		},
	}
}

func attack(ctx context.Context, s servers.S3Server, bucket, prefix string) error {
	c, err := minio.New(s.Address, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")})
	if err != nil {
		return err
	}
	for object := range c.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return object.Err
		}
		if err := c.RemoveObject(ctx, bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
			return err
		}
	}
	return nil
}
