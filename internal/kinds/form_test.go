package kinds_test

import (
	"testing"

	"github.com/backstay/backstay/internal/kinds"
)

func TestTheFormOfEachKindSaysItsFields(t *testing.T) {
	for _, p := range kinds.Storages() {
		names := kinds.WithinLocation(p)
		t.Logf("%s: %v", p.Form, names)
		if len(names) == 0 {
			t.Errorf("the form %q of %s says no field", p.Form, p.Kind)
		}
	}
}
