package webhook

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/notify/notifytest"
)

// snippet is the receiver's code as the documentation shows it.
func snippet(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatal("the page shows no Python")
	}
	return string(found[1])
}

func TestTheDocumentedReceiverVerifiesMessages(t *testing.T) {
	if _, err := exec.LookPath("/usr/bin/python3"); err != nil {
		t.Skip("python3 is missing: apt-get install python3")
	}
	r := notifytest.NewReceiver(t, notifytest.Takes, "", "hooks.example")
	c, err := open(values(r), r.Env)
	if err == nil {
		err = c.Send(t.Context(), notifytest.Message("m1"))
	}
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]string{}
	for name := range r.Requests()[0].Header {
		header[strings.ToLower(name)] = r.Requests()[0].Header.Get(name)
	}
	body := string(r.Requests()[0].Body)
	stale := map[string]string{"webhook-id": header["webhook-id"], "webhook-signature": header["webhook-signature"], "webhook-timestamp": "1700000000"}
	for _, c := range []struct {
		name   string
		header map[string]string
		body   string
		secret string
		want   string
	}{
		{"as sent", header, body, newSecret, "True"}, {"with the old secret", header, body, oldOne, "True"}, {"changed", header, body + " ", newSecret, "False"},
		{"of another", header, body, "whsec_" + strings.Repeat("eHh4", 8), "False"}, {"with another time", stale, body, newSecret, "False"},
	} {
		input, err := json.Marshal([]any{c.header, c.body, c.secret})
		if err != nil {
			t.Fatal(err)
		}
		python := exec.Command("/usr/bin/python3", "-c", snippet(t)+"\nimport json, sys\nh, b, s = json.load(sys.stdin)\nprint(verified(h, b.encode(), s))\n")
		python.Stdin = strings.NewReader(string(input))
		out, err := python.CombinedOutput()
		if strings.TrimSpace(string(out)) != c.want || err != nil {
			t.Errorf("a message %s: verified = %s, %v, want %s", c.name, out, err, c.want)
		}
	}
}
