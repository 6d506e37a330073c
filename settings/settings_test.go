package settings

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var fields = []Field{
	{Name: "host", Title: "Host", Required: true},
	{Name: "port", Title: "Port", Kind: Number, Default: "22"},
	{Name: "password", Title: "Password", Kind: Secret},
	{Name: "key", Title: "Private key", Kind: Pages},
	{Name: "check", Title: "Check", Kind: Switch, Default: "true"},
	{Name: "class", Title: "Class", Kind: Choice, Choices: []string{"hot", "cold"}},
}

func TestDefaultsAreFilledIn(t *testing.T) {
	got, err := Check(fields, Values{"host": "h", "class": "cold", "password": "", "key": "a\nb\n"})
	want := Values{"host": "h", "port": "22", "check": "true", "class": "cold", "key": "a\nb\n"}
	if diff := cmp.Diff(map[string]string(want), map[string]string(got)); diff != "" || err != nil {
		t.Errorf("Check = %v (-want +got)\n%s", err, diff)
	}
	if got.Int("port") != 22 || !got.Bool("check") || got.Bool("host") || got.Int("none") != 0 {
		t.Errorf("Int(port) = %d, Bool(check) = %t", got.Int("port"), got.Bool("check"))
	}
}

func TestAValueThatCannotBeRightIsNamedAndNotShown(t *testing.T) {
	for field, v := range map[string]Values{
		"host":     {},
		"port":     {"host": "h", "port": "hidden"},
		"password": {"host": "h", "password": "hidden\nline"},
		"check":    {"host": "h", "check": "hidden"},
		"class":    {"host": "h", "class": "hidden"},
	} {
		_, err := Check(fields, v)
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Field.Name != field {
			t.Errorf("Check with a wrong %s = %v", field, err)
		} else if strings.Contains(err.Error(), "hidden") {
			t.Errorf("Check = %v, which shows the value", err)
		}
	}
	if _, err := Check(fields, Values{"host": "h", "port": "-1"}); err == nil {
		t.Error("Check lets a port below 0 pass")
	}
}

func TestANameThatNoFieldHasIsRefused(t *testing.T) {
	_, err := Check(fields, Values{"host": "h", "hots": "hidden"})
	if err == nil || !strings.Contains(err.Error(), `"hots"`) || !strings.Contains(err.Error(), "host, port") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("Check = %v, want the wrong name and the known ones", err)
	}
}

func TestValuesDoNotPrint(t *testing.T) {
	v := Values{"password": "hidden"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(format, v); text != "settings(hidden)" {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
