package cli

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestTheLogIsForWhoeverReadsIt(t *testing.T) {
	for _, c := range []struct {
		format string
		json   bool
	}{{"", true}, {"json", true}, {"text", false}} {
		var out bytes.Buffer
		log, err := logging{level: "info", format: c.format}.open(&cobra.Command{}, &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("too little")
		log.Info("request", "request", "r1", "run", "x\ny")
		var line map[string]any
		if is := json.Unmarshal(out.Bytes(), &line) == nil; is != c.json {
			t.Errorf("--log-format %q: %s", c.format, out.String())
		}
		if c.json && (line["request"] != "r1" || line["run"] != "x\ny") || !strings.Contains(out.String(), "r1") || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("--log-format %q: %s", c.format, out.String())
		}
	}
}

func TestOnATerminalTheLogIsText(t *testing.T) {
	old := time.Local
	time.Local = time.FixedZone("here", 3*3600)
	t.Cleanup(func() { time.Local = old })
	person, terminal := openTerminal(t)
	log, err := logging{level: "info"}.open(&cobra.Command{}, terminal)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("hello", "run", "r1")
	text := make([]byte, 1000)
	read, err := person.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^time="` + time.Now().In(time.Local).Format("2006-01-02 15:") + `\d\d:\d\d" level=INFO msg=hello run=r1\r\n$`)
	if !want.Match(text[:read]) {
		t.Errorf("the terminal shows %q, want %v", text[:read], want)
	}
}

func TestALogThatThereIsNotIsAUsageError(t *testing.T) {
	for _, l := range []logging{{level: "loud"}, {level: "info", format: "xml"}} {
		if _, err := l.open(&cobra.Command{Use: "serve"}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "there is no log") {
			t.Errorf("open of %+v = %v", l, err)
		}
	}
}
