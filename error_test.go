package backstay_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/backstay/backstay"
)

func TestAnErrorSaysItsMessageAndWrapsItsCause(t *testing.T) {
	err := backstay.Errorf(backstay.NotFound, "open repository %q: %w", "/backup", fs.ErrNotExist)
	if got, want := err.Error(), `open repository "/backup": file does not exist`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrNotExist) || err.Kind != backstay.NotFound {
		t.Errorf("Errorf = %#v, want kind %q around fs.ErrNotExist", err, backstay.NotFound)
	}
	if plain := backstay.Errorf(backstay.Invalid, "no name"); plain.Unwrap() != nil {
		t.Errorf("Unwrap() of an error without a cause = %v, want nil", plain.Unwrap())
	}
}

func TestAHintLeavesTheErrorItWasGivenTo(t *testing.T) {
	err := backstay.Errorf(backstay.Locked, "repository is locked")
	if hinted := err.WithHint("Wait."); hinted.Hint != "Wait." || hinted.Msg != err.Msg || hinted.Kind != err.Kind || err.Hint != "" {
		t.Errorf("WithHint = %#v of %#v", hinted, err)
	}
}
