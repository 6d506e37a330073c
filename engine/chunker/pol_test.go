package chunker

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// multiply returns a·b, of which the degrees sum up to at most 63.
func multiply(a, b Pol) Pol {
	var product Pol
	for i := range 64 {
		if b>>i&1 == 1 {
			product ^= a << i
		}
	}
	return product
}

func TestOnlyIrreduciblePolynomialsOfDegree53AreValid(t *testing.T) {
	for _, pol := range []Pol{vectorPol, otherPol, 1<<53 | 1<<6 | 1<<2 | 1<<1 | 1} { // the last is the least known
		if !pol.Valid() {
			t.Errorf("Valid(%s) = false", pol)
		}
	}
	for _, pol := range []Pol{0, 1, 2, 3, 7, 1 << 53, 1<<53 | 1, vectorPol | 1<<54, vectorPol &^ (1 << 53), 1<<52 | 1<<3 | 1, 1 << 63} {
		if pol.Valid() {
			t.Errorf("Valid(%s) = true", pol)
		}
	}
}

func TestProductsAreNotValid(t *testing.T) {
	for degreeA := 1; degreeA <= 26; degreeA++ {
		for range 20 {
			var random [16]byte
			if _, err := rand.Read(random[:]); err != nil {
				t.Fatal(err)
			}
			a := Pol(1)<<degreeA | Pol(random[0]) | Pol(random[1])<<8
			a &= 1<<(degreeA+1) - 1
			b := Pol(1) << (53 - degreeA)
			for i, r := range random[2:5] {
				b ^= Pol(r) << (8 * i) & (1<<(53-degreeA) - 1)
			}
			if product := multiply(a|1, b|1); product.degree() != 53 || product.Valid() {
				t.Errorf("Valid(%s = %s·%s) = true, or its degree is %d", product, a|1, b|1, product.degree())
			}
		}
	}
}

func TestARandomPolynomialIsValid(t *testing.T) {
	seen := map[Pol]bool{}
	for range 50 {
		pol, err := RandomPol(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !pol.Valid() || seen[pol] {
			t.Errorf("RandomPol = %s: valid %v, seen before %v", pol, pol.Valid(), seen[pol])
		}
		seen[pol] = true
	}
}

func TestABrokenRandomSourceGivesNoPolynomial(t *testing.T) {
	broken := errors.New("broken")
	if pol, err := RandomPol(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("RandomPol = %s, %v, want %v", pol, err, broken)
	}
	zeros := io.LimitReader(zeroReader{}, 1<<20)
	if pol, err := RandomPol(zeros); err == nil {
		t.Errorf("RandomPol of zeros = %s, want an error", pol)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAPolynomialIsHexInJSON(t *testing.T) {
	type config struct {
		Polynomial Pol `json:"chunker_polynomial"`
	}
	const text = `{"chunker_polynomial":"3da3358b4dc173"}`
	if got, err := json.Marshal(config{vectorPol}); err != nil || string(got) != text {
		t.Errorf("Marshal = %s, %v, want %s", got, err, text)
	}
	var got config
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Polynomial != vectorPol {
		t.Errorf("Unmarshal = %s, %v, want %s", got.Polynomial, err, vectorPol)
	}
	for _, bad := range []string{"", "0x3d", "-1", "xyz", "3da3358b4dc1733da3358b4dc173", " 3d"} {
		pol := vectorPol
		if err := pol.UnmarshalText([]byte(bad)); err == nil || pol != vectorPol {
			t.Errorf("UnmarshalText(%q) = %s, %v, want an error and no change", bad, pol, err)
		}
	}
}

func TestArithmeticOfPolynomials(t *testing.T) {
	a, b := Pol(0x1a2b3c4d), Pol(0x3000_0b0d)
	if got := multiply(a, b).mod(b); got != 0 {
		t.Errorf("a·b mod b = %s, want 0", got)
	}
	if got, want := (multiply(a, b) ^ 5).mod(b), Pol(5); got != want {
		t.Errorf("(a·b + 5) mod b = %s, want %s", got, want)
	}
	if got, want := a.square(vectorPol), multiply(a, a).mod(vectorPol); got != want {
		t.Errorf("a·a mod p = %s, want %s", got, want)
	}
	if !bytes.Equal([]byte(Pol(0).String()), []byte("0")) || Pol(0).degree() != -1 {
		t.Errorf("zero = %s of degree %d", Pol(0), Pol(0).degree())
	}
}
