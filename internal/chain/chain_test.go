package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	signer = NewSigner(bytes.Repeat([]byte{1}, 32))
	other  = NewSigner(bytes.Repeat([]byte{2}, 32))
	keys   = NewKeys(signer.Public())
	start  = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
)

// The values were computed by another program, from the words in chain.go.
func TestALinkIsTheOneItWasForever(t *testing.T) {
	first := Link(Hash{}, 1, []byte(`{"action":"plan.started"}`))
	second := Link(first, 2, nil)
	for _, c := range []struct{ got, want string }{
		{first.String(), "39b454f4512945ed52bc7ecb87fab48d66ec3c5238c34d7374d5ad9c9a43e1cc"},
		{second.String(), "8a647cfa98d383008f8706735a52f6965913093d88b04c3804f87f864850817b"},
		{fmt.Sprintf("%x", signer.Sign(2, second, start).message()), "6261636b7374617920636861696e206865616420310a8a647cfa98d383008f8706735a52f6965913093d88b04c3804f87f864850817b0000000000000002000000006b0970c0000000000000000033343735306639386264353966636663"},
		{fmt.Sprintf("%x", signer.Sign(2, second, start).Signature), "60145e4987a17f9e57794184eb5830ff66e55da97cdf2eae3dc0316da07aaf707e27e0e119ab0b7a4c4d9fdd991419ab4746f3fcf73513e07776dddf760da20a"},
		{signer.Sign(2, second, start).KeyID, "34750f98bd59fcfc"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

func TestALinkDependsOnEachThingInIt(t *testing.T) {
	seen := map[Hash]string{}
	for _, prev := range []Hash{{}, {1}, {31: 1}} {
		for _, seq := range []uint64{0, 1, 256, 1 << 40} {
			for _, record := range []string{"", "\x00", "a", "ab", "\x00\x00\x00\x00\x00\x00\x00\x01a"} {
				h := Link(prev, seq, []byte(record))
				what := fmt.Sprintf("%s %d %q", prev, seq, record)
				if was, ok := seen[h]; ok {
					t.Errorf("%s has the hash of %s", what, was)
				}
				seen[h] = what
			}
		}
	}
}

func TestAHeadIsBoundToItsSignature(t *testing.T) {
	h := signer.Sign(7, Hash{7}, start.Add(time.Millisecond))
	if err := keys.Check(h); err != nil || !h.Time.Equal(start) {
		t.Fatalf("Check = %v, of a head at %v", err, h.Time)
	}
	for what, change := range map[string]func(h *Head){
		"number":           func(h *Head) { h.Seq++ },
		"hash":             func(h *Head) { h.Hash[31] ^= 1 },
		"time":             func(h *Head) { h.Time = h.Time.Add(time.Second) },
		"nanosecond":       func(h *Head) { h.Time = h.Time.Add(1) },
		"century":          func(h *Head) { h.Time = h.Time.Add(1 << 62).Add(1 << 62).Add(1 << 62).Add(1 << 62) },
		"key":              func(h *Head) { h.KeyID = other.id },
		"signature":        func(h *Head) { h.Signature = append([]byte{h.Signature[0] ^ 1}, h.Signature[1:]...) },
		"signature's end":  func(h *Head) { h.Signature = h.Signature[:63] },
		"signature itself": func(h *Head) { h.Signature = nil },
		"signer":           func(h *Head) { *h = other.Sign(h.Seq, h.Hash, h.Time) },
		"signer and name":  func(h *Head) { *h = other.Sign(h.Seq, h.Hash, h.Time); h.KeyID = signer.id },
	} {
		changed := h
		if change(&changed); keys.Check(changed) == nil {
			t.Errorf("a head with another %s passes", what)
		}
	}
	if err := NewKeys(other.Public(), signer.Public()).Check(h); err != nil {
		t.Errorf("Check with several keys = %v", err)
	}
}

func TestAHeadGoesThroughJSON(t *testing.T) {
	h := signer.Sign(7, Hash{7}, start)
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var back Head
	if err := json.Unmarshal(text, &back); err != nil || keys.Check(back) != nil {
		t.Errorf("Unmarshal = %v", err)
	}
	if diff := cmp.Diff(h, back); diff != "" {
		t.Errorf("after JSON (-want +got):\n%s", diff)
	}
	for _, wrong := range []string{`"07"`, `"zz"`, `7`, `"` + (Hash{}).String() + `00"`} {
		if err := json.Unmarshal([]byte(wrong), &back.Hash); err == nil {
			t.Errorf("Unmarshal(%s) = nil error", wrong)
		}
	}
}
