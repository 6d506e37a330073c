package repo

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/pack"
)

func TestAFileThatDoesNotDecompressToWhatWentInIsRefused(t *testing.T) {
	first := strings.Repeat(`{"packs":[]}`, 50_000)
	for name, later := range map[string]string{
		"shorter": first[:len(first)-1], "longer": first + " ", "other": strings.Replace(first, "p", "q", 1), "empty": "",
	} {
		calls := 0
		_, err := new(fileEncoder).compress(func(w io.Writer) error {
			calls++
			content := first
			if calls == 3 { // the first counts, the second compresses
				content = later
			}
			_, err := io.WriteString(w, content)
			return err
		})
		if !errors.Is(err, pack.ErrSealMismatch) {
			t.Errorf("%s: compress = %v, want ErrSealMismatch", name, err)
		}
	}
}

func TestAFileThatCannotBeWrittenIsAnError(t *testing.T) {
	broken := errors.New("broken")
	for last := 1; last <= 3; last++ {
		calls := 0
		_, err := new(fileEncoder).compress(func(w io.Writer) error {
			if calls++; calls == last {
				return broken
			}
			_, err := io.WriteString(w, "{}")
			return err
		})
		if err == nil {
			t.Errorf("call %d fails: compress = nil error", last)
		}
	}
}
