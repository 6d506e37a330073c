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

func azureAt(s *servers.Azurite, folder string) settings.Values {
	return settings.Values{"container": s.Container, "prefix": folder, "account": s.Account, "account-key": s.Key, "endpoint": s.Endpoint}
}

func TestAzureKeepsThePromises(t *testing.T) {
	t.Parallel()
	s, n := servers.StartAzurite(t, "", ""), new(atomic.Int64)
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		return open(t, rclone.Azure, azureAt(s, fmt.Sprintf("the repository/ä/%d", n.Add(1))), env())
	}, rclone.Azure.Lacks...)
}
