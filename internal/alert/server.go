package alert

import (
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/schedule"
)

// Server looks at the server's backups of itself: at its last run that ended, and when the last good one did; the zero time stands for none.
func Server(s schedule.Schedule, last backstay.Run, good, now time.Time) (f Finding, is bool) {
	if last.State == backstay.RunFailed {
		return Finding{Kind: backstay.AlertServerBackup, Severity: backstay.SeverityError, Run: last.ID, Text: "The settings of the server could not be backed up: " + why(last),
			Next: next(last, "Look into the log of the run, then start the backup of the server again.")}, true
	}
	first, err := s.Next(good, string(backstay.RunServer))
	if err != nil || first.IsZero() {
		return f, false
	}
	second, err := s.Next(first, string(backstay.RunServer))
	if err != nil || second.IsZero() || now.Before(second.Add(Grace)) {
		return f, false
	}
	return Finding{Kind: backstay.AlertServerBackup, Severity: backstay.SeverityError, Run: last.ID, Text: "The last good backup of the server's settings is of " + stamp(good) + ".",
		Next: "Look what keeps the runs of the server from being done, and start its backup."}, true
}
