package api_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// block finds the examples of a document.
var block = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

func TestEveryExampleOfTheDocumentWorks(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("CI") != "" {
			t.Fatal(err)
		} else if err != nil {
			t.Skipf("SKIPPED: on this machine %v", err)
		}
	}
	text, err := os.ReadFile("../../docs/api-examples.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	blocks := block.FindAllStringSubmatch(string(text), -1)
	for _, b := range blocks {
		script.WriteString(b[1])
	}
	if len(blocks) < 8 || strings.Count(string(text), "```") != 2*len(blocks) {
		t.Fatalf("found %d examples: one may not be run", len(blocks))
	}
	s := servertest.Start(t, server.Options{})
	cmd := exec.CommandContext(t.Context(), "bash", "-euxo", "pipefail", "-c", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"SERVER=" + s.URL, "CODE=" + s.ClaimCode(), "PATH=" + os.Getenv("PATH"), "PWD=" + cmd.Dir, "TZ=UTC"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
