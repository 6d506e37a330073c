package chunker

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strconv"
)

// Pol is a polynomial over GF(2): bit i is the coefficient of x to the i. Each repository has one of its own, drawn at
// random, so that the lengths of chunks don't tell what known content is in it.
type Pol uint64

// degree is that of every repository's polynomial. It is a prime, and leaves room to shift a digest by a byte.
const degree = 53

// RandomPol draws a Valid polynomial from rand, which must be cryptographically random.
func RandomPol(rand io.Reader) (Pol, error) {
	// One in 27 of those with a constant term is irreducible: not to meet one in 1000 happens once in 10 to the 16.
	for range 1000 {
		var random [8]byte
		if _, err := io.ReadFull(rand, random[:]); err != nil {
			return 0, fmt.Errorf("read random polynomial: %w", err)
		}
		pol := Pol(binary.LittleEndian.Uint64(random[:]))&(1<<degree-1) | 1<<degree | 1
		if pol.Valid() {
			return pol, nil
		}
	}
	return 0, fmt.Errorf("draw random polynomial: none in 1000 is irreducible, the random source is broken")
}

// Valid reports whether the polynomial can be used for cutting: it is irreducible and of degree 53.
func (p Pol) Valid() bool {
	if p.degree() != degree {
		return false
	}
	// Rabin's test. A factor of degree n divides x^(2^m) - x exactly if n divides m. As 53 is a prime, it suffices that
	// p divides that for m=53, and has no factor in common with that for m=1, which is x(x+1).
	const x = Pol(2)
	power := x
	for range degree {
		power = power.square(p)
	}
	hasFactorX := p&1 == 0
	hasFactorX1 := bits.OnesCount64(uint64(p))%2 == 0
	return power == x && !hasFactorX && !hasFactorX1
}

// String returns the polynomial as hex digits without leading zeros.
func (p Pol) String() string { return strconv.FormatUint(uint64(p), 16) }

// MarshalText returns what String does.
func (p Pol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads hex digits. It takes polynomials that are not Valid, too: for reading a repository they don't matter.
func (p *Pol) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return fmt.Errorf("read chunker polynomial: %w", err)
	}
	*p = Pol(n)
	return nil
}

// degree returns the highest exponent in p, or -1 for zero.
func (p Pol) degree() int { return bits.Len64(uint64(p)) - 1 }

// mod returns the remainder of p divided by a divisor other than zero.
func (p Pol) mod(divisor Pol) Pol {
	for shift := p.degree() - divisor.degree(); shift >= 0; shift = p.degree() - divisor.degree() {
		p ^= divisor << shift
	}
	return p
}

// square returns p·p modulo a divisor of degree 1 to 63, where p is of a lower degree.
func (p Pol) square(divisor Pol) Pol {
	var sum Pol
	for i := p.degree(); i >= 0; i-- {
		sum = (sum << 1).mod(divisor) // Horner's rule
		if p>>i&1 == 1 {
			sum ^= p
		}
	}
	return sum
}
