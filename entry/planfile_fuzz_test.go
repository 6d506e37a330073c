package entry_test

import (
	"bytes"
	"testing"

	"github.com/backstay/backstay/entry"
)

// What a plan file holds is whatever somebody put there: it is read without a panic, and what is accepted is written and read
// again as the same.
func FuzzReadPlan(f *testing.F) {
	var b bytes.Buffer
	if _, err := entry.WritePlan(&b, planned(someChanges[:2])); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("{\"path\":\"a\",\"type\":\"file\",\"action\":\"create\",\"size\":1}\n{\"totals\":{}}\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		var changes []entry.Change
		for c, err := range entry.ReadPlan(bytes.NewReader(p)) {
			if err != nil {
				break
			}
			changes = append(changes, c)
		}
		var again bytes.Buffer
		if _, err := entry.WritePlan(&again, planned(changes)); err != nil {
			t.Fatalf("plan of %v can't be written: %v", changes, err)
		}
		i := 0
		for c, err := range entry.ReadPlan(&again) {
			if err != nil || c != changes[i] {
				t.Fatalf("change %d was %v and reads as %v, %v", i, changes[i], c, err)
			}
			i++
		}
	})
}
