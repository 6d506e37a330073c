package authtest

import (
	"testing"

	"github.com/descope/virtualwebauthn"
)

// Both coordinates of a key are 32 bytes in what the device shows, however many keys are made.
func TestCoordinatesAreWhole(t *testing.T) {
	want := len(NewCredential(virtualwebauthn.KeyTypeEC2).Key.AttestationData())
	for i := range 1000 {
		if got := len(NewCredential(virtualwebauthn.KeyTypeEC2).Key.AttestationData()); got != want {
			t.Fatalf("key %d is shown in %d bytes, others in %d", i, got, want)
		}
	}
}
