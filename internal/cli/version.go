package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (p *program) newVersion() *cobra.Command {
	return withCodes(&cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    `Print the version of this program, with the commit it was built from, and what it was built with.`,
		Example: `  backstay version`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if p.flags.json {
				return p.printJSON(struct {
					MessageType string `json:"message_type"`
					Version     string `json:"version"`
					GoVersion   string `json:"go_version"`
					GoOS        string `json:"go_os"`
					GoArch      string `json:"go_arch"`
				}{"version", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH})
			}
			return p.printf("%s", versionLine())
		},
	}, 0, 2)
}

func versionLine() string {
	return fmt.Sprintf("backstay %s, built with %s for %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// version returns what the build says of itself: a tag; or the place of a commit after one, with "+dirty" if files were changed since.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
