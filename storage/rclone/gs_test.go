package rclone_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
)

func gsAt(s *servers.GCS, folder string) settings.Values {
	return settings.Values{"bucket": s.Bucket, "prefix": folder, "access-token": "a token/of mine", "endpoint": s.Endpoint}
}

func TestGSKeepsThePromises(t *testing.T) {
	t.Parallel()
	s, n := servers.StartGCS(t, "", ""), new(atomic.Int64)
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		return open(t, rclone.GS, gsAt(s, fmt.Sprintf("the repository/ä/%d", n.Add(1))), env())
	}, rclone.GS.Lacks...)
}
