package rclone_test

import (
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
)

func smbAt(s *servers.SMB, folder string) settings.Values {
	return settings.Values{"host": s.Host, "port": s.Port, "share": s.Share, "user": s.User, "password": s.Password, "path": folder}
}

func TestSMBKeepsThePromises(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		s := servers.StartSMB(t)
		servers.Folder(t, s.Dir, "the repository/ä")
		return open(t, rclone.SMB, smbAt(s, "the repository/ä"), env())
	}, rclone.SMB.Lacks...)
}
