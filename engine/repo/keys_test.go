package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
)

// layKey puts a file among the keys, under its true name.
func layKey(t testing.TB, b storage.Backend, content []byte) string {
	t.Helper()
	name := Keys.Name(crypto.Hash(content))
	replace(t, b, name, content)
	return name
}

func TestFilesThatAreNoKeysAreToldAndPassedOver(t *testing.T) {
	_, b := initialized(t, Options{}, InitOptions{})
	good := names(t, b, Keys)[0]
	text, err := storage.LoadAll(t.Context(), b, good)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(f map[string]any)) []byte {
		var f map[string]any
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		change(f)
		p, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	want := []string{
		layKey(t, b, nil),
		layKey(t, b, []byte("garbage")),
		layKey(t, b, []byte(`{"time":"2026-01-01T00:00:00Z","tree":null}`)),
		layKey(t, b, make([]byte, 1<<20)),
		layKey(t, b, changed(func(f map[string]any) { f["kdf"] = "argon2" })),
		layKey(t, b, changed(func(f map[string]any) { f["N"] = 1 << 30 })),
		layKey(t, b, changed(func(f map[string]any) { f["p"] = 1 << 20 })),
		layKey(t, b, changed(func(f map[string]any) { f["N"] = 3 })),
		layKey(t, b, changed(func(f map[string]any) { f["r"] = 0 })),
		layKey(t, b, changed(func(f map[string]any) { f["salt"] = "c2hvcnQ=" })),
	}
	wrongName := Keys.Name(crypto.Hash([]byte("another name")))
	replace(t, b, wrongName, text)
	want = append(want, wrongName)
	replace(t, b, "keys/.DS_Store", []byte("x"))

	var told []string
	tell := func(e progress.Event) {
		if e.Kind != progress.Notice || e.Text == "" {
			t.Errorf("told is %v, want a notice", e)
		}
		told = append(told, e.Item)
	}
	if err := b.Remove(t.Context(), good); err != nil { // so that each of the others is tried
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b, "p", Options{Progress: tell}); !errors.Is(err, ErrDamaged) || errors.Is(err, ErrWrongPassword) {
		t.Errorf("Open with no key that is whole = %v, want ErrDamaged", err)
	}
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("told was %v, want %v", told, want)
	}
	replace(t, b, good, text)
	r, err := Open(t.Context(), b, "p", Options{})
	if err != nil {
		t.Fatal(err)
	}
	usable := 0
	for k, err := range r.ListKeys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if k.Current != (Keys.Name(k.ID) == good) {
			t.Errorf("ListKeys yields %v, want %s to be the current one", k, good)
		}
		if k.Err == nil {
			usable++
		}
	}
	if usable < 1 || usable > 7 { // the cost is not looked at before it is paid
		t.Errorf("ListKeys yields %d without error", usable)
	}
}

func TestTheKeyOfAnotherRepositoryIsPassedOver(t *testing.T) {
	_, b := initialized(t, Options{}, InitOptions{})
	_, other := initialized(t, Options{}, InitOptions{})
	for _, name := range names(t, other, Keys) {
		p, err := storage.LoadAll(t.Context(), other, name)
		if err != nil {
			t.Fatal(err)
		}
		replace(t, b, name, p)
	}
	if n := len(names(t, b, Keys)); n != 2 {
		t.Fatalf("there are %d keys, want 2", n)
	}
	if _, err := Open(t.Context(), b, "p", Options{}); err != nil {
		t.Errorf("Open = %v, want the key of this repository to be found", err)
	}
}

func TestAWrongPasswordIsToldAsSuch(t *testing.T) {
	_, b := initialized(t, Options{}, InitOptions{})
	for _, password := range []string{"", "P", "p ", "p\n", strings.Repeat("x", 1024)} {
		if _, err := Open(t.Context(), b, password, Options{}); !errors.Is(err, ErrWrongPassword) || errors.Is(err, ErrDamaged) {
			t.Errorf("Open with %q = %v, want ErrWrongPassword", password, err)
		}
	}
}

func TestEachOfManyKeysOpens(t *testing.T) {
	r, b := initialized(t, Options{}, InitOptions{})
	passwords := []string{"p"}
	for i := range 24 {
		passwords = append(passwords, fmt.Sprintf("pässword %d ", i))
		weakKey(t, r, passwords[i+1], fmt.Sprint(i))
	}
	again, err := Open(t.Context(), b, passwords[24], Options{})
	if err != nil || again.Config() != r.Config() {
		t.Fatalf("Open with the last of 25 passwords = %v", err)
	}
	n := 0
	for k, err := range again.ListKeys(t.Context()) {
		if err != nil || k.Err != nil {
			t.Fatal(err, k.Err)
		}
		if k.Current != (k.Username == "23") {
			t.Errorf("ListKeys says that %v is current: %v", k.Username, k.Current)
		}
		n++
	}
	if n != 25 {
		t.Errorf("ListKeys yields %d keys, want 25", n)
	}
}

func TestAChangedPasswordReplacesTheOldOne(t *testing.T) {
	r, b := initialized(t, Options{}, InitOptions{})
	ctx := locked(t, r, Exclusive)
	old := r.CurrentKey()
	if err := r.RemoveKey(ctx, old); err == nil {
		t.Error("RemoveKey of the key in use = nil error")
	}
	id, err := r.ChangePassword(ctx, "new")
	if err != nil || r.CurrentKey() != id || id == old {
		t.Fatalf("ChangePassword = %s, %v, and the current key is %s", id, err, r.CurrentKey())
	}
	if got := names(t, b, Keys); !slices.Equal(got, []string{Keys.Name(id)}) {
		t.Errorf("the keys are %v, want %s only", got, id)
	}
	if _, err := Open(t.Context(), b, "p", Options{}); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("Open with the old password = %v, want ErrWrongPassword", err)
	}
	if again, err := Open(t.Context(), b, "new", Options{}); err != nil || again.Config() != r.Config() {
		t.Errorf("Open with the new password = %v", err)
	}
}

func TestAPasswordIsNotChangedUnlessTheNewKeyIsThere(t *testing.T) {
	r, inner := initialized(t, Options{}, InitOptions{})
	old := r.CurrentKey()
	for _, fault := range []storagetest.Fault{storagetest.Refuse, storagetest.LostAnswer, storagetest.TornWrite} {
		ctx, unlock := lock(t, r, Exclusive)
		r.backend = storagetest.NewFaulty(inner, storagetest.Faults{At: []storagetest.At{{N: 1, Op: storagetest.Save, Fault: fault}}})
		if _, err := r.ChangePassword(ctx, "new"); err == nil || r.CurrentKey() != old {
			t.Errorf("ChangePassword with %s = %v, the current key is %s", fault, err, r.CurrentKey())
		}
		r.backend = inner
		unlock()
	}
	if _, err := Open(t.Context(), inner, "p", Options{}); err != nil {
		t.Errorf("Open with the old password: %v", err)
	}
}

func TestAKeyThatVanishesWhileItIsLookedForIsPassedOver(t *testing.T) {
	r, inner := initialized(t, Options{}, InitOptions{})
	weakKey(t, r, "q", "u")
	first := names(t, inner, Keys)[0]
	password := map[bool]string{true: "q", false: "p"}[first == Keys.Name(r.CurrentKey())]
	b := storagetest.NewFaulty(inner, storagetest.Faults{At: []storagetest.At{{N: 1, Op: storagetest.Load, Fault: storagetest.Vanish}}})
	if _, err := Open(t.Context(), b, password, Options{}); err != nil {
		t.Errorf("Open = %v, want the other key to be used", err)
	}
	if n := len(names(t, inner, Keys)); n != 1 {
		t.Errorf("there are %d keys left, want 1", n)
	}
}
