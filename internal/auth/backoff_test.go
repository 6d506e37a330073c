package auth_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/auth"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func ago(count int, d time.Duration) auth.Failures {
	return auth.Failures{Count: count, Last: noon.Add(-d)}
}

// Each line is a rule of when somebody may try a password.
func TestWhenATryIsAllowed(t *testing.T) {
	const min, hour = time.Minute, time.Hour
	for _, c := range []struct {
		rule  string
		tries auth.Tries
		wait  time.Duration
	}{
		{"the first try is free", auth.Tries{}, 0},
		{"four wrong ones in a row cost nothing", auth.Tries{Pair: ago(4, 0)}, 0},
		{"after the fifth one waits a minute", auth.Tries{Pair: ago(5, 0)}, min},
		{"which passes", auth.Tries{Pair: ago(5, min)}, 0},
		{"after the sixth two", auth.Tries{Pair: ago(6, 0)}, 2 * min},
		{"after the seventh four", auth.Tries{Pair: ago(7, min)}, 3 * min},
		{"after the tenth 32", auth.Tries{Pair: ago(10, 0)}, 32 * min},
		{"but never more than an hour", auth.Tries{Pair: ago(11, 0)}, hour},
		{"not after thousands either", auth.Tries{Pair: ago(1<<40, 0)}, hour},
		{"and after a day all is forgotten", auth.Tries{Pair: ago(1000, 24*hour)}, 0},

		{"an account bears 9 wrong tries of strangers", auth.Tries{Account: ago(9, 0)}, 0},
		{"after the tenth the next stranger waits six minutes", auth.Tries{Account: ago(10, 0)}, 6 * min},
		{"each six minutes give one back", auth.Tries{Account: ago(10, 6*min)}, 0},
		{"so ten are back after an hour", auth.Tries{Account: ago(19, hour)}, 0},

		{"a familiar place has tries of its own, 4 wrong ones", auth.Tries{Familiar: true, Account: ago(4, 0)}, 0},
		{"after the fifth the next waits twelve minutes", auth.Tries{Familiar: true, Account: ago(5, 0)}, 12 * min},
		{"each twelve minutes give one back", auth.Tries{Familiar: true, Account: ago(5, 12*min)}, 0},

		{"an address has 29 wrong tries at all accounts", auth.Tries{Address: ago(29, 0)}, 0},
		{"after the thirtieth the next waits a minute", auth.Tries{Address: ago(30, 0)}, min},
		{"each minute gives one back", auth.Tries{Address: ago(30, min)}, 0},

		{"the longest wait counts", auth.Tries{Pair: ago(6, 0), Account: ago(10, 0), Address: ago(30, 0)}, 6 * min},
		{"nobody waits for a clock that was wrong", auth.Tries{Pair: ago(99, -1000*hour), Account: ago(99, -1000*hour), Address: ago(99, -1000*hour)}, 0},
		{"but for that of a server beside this one", auth.Tries{Pair: ago(5, -time.Second)}, min + time.Second},
	} {
		counted, next, ok := c.tries.Take(noon)
		if want := noon.Add(c.wait); ok != (c.wait == 0) || !next.Equal(want) {
			t.Errorf("%s: %v from %v, want from %v", c.rule, ok, next, want)
		}
		if !ok && counted != c.tries {
			t.Errorf("%s: a try that isn't allowed was counted", c.rule)
		}
		if _, _, ok := c.tries.Take(next); !ok {
			t.Errorf("%s: at the time that was promised it isn't allowed", c.rule)
		}
	}
}

func TestSuccessEndsTheWaitingButFillsNoBudget(t *testing.T) {
	tries := auth.Tries{Pair: ago(4, 0), Account: ago(6, 0), Address: ago(20, 0)}
	counted, _, _ := tries.Take(noon)
	if counted.Pair.Count != 5 || counted.Account.Count != 7 || counted.Address.Count != 21 {
		t.Fatalf("a try is counted as %+v, want one more of each", counted)
	}
	after := counted.Succeed()
	if after.Pair != (auth.Failures{}) || after.Account.Count != 6 || after.Address.Count != 20 {
		t.Errorf("after success %+v, want no failures of the pair, and the others as before the try", after)
	}
}

// shelf is the database of a server that follows the rule: failures by key.
type shelf map[string]auth.Failures

func (s shelf) try(account, address string, familiar, right bool, now time.Time) bool {
	class := account + " strangers"
	if familiar {
		class = account + " familiar"
	}
	t := auth.Tries{Familiar: familiar, Pair: s[account+" "+address], Account: s[class], Address: s[address]}
	t, _, ok := t.Take(now)
	if ok && right {
		t = t.Succeed()
	}
	s[account+" "+address], s[class], s[address] = t.Pair, t.Account, t.Address
	return ok
}

// S13: 100,000 guesses at one account, from many addresses, some of them familiar; its owner signs in every few minutes.
func TestOfAHundredThousandGuessesThirtyAnHourAreTried(t *testing.T) {
	for _, addresses := range []int{1, 3, 100, 50_000} {
		for _, signsIn := range []bool{false, true} {
			const guesses, span = 100_000, 5 * time.Hour
			random := rand.New(rand.NewPCG(1, 2))
			s := shelf{}
			var tried []time.Time
			for i := range guesses {
				now := noon.Add(time.Duration(i) * span / guesses)
				n := random.IntN(addresses)
				if s.try("ada", netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String(), n%7 == 1, false, now) {
					tried = append(tried, now)
				}
				if signsIn && i%1000 == 0 {
					s.try("ada", "192.0.2.1", true, true, now)
				}
			}
			most := 0
			for i, j := 0, 0; j < len(tried); j++ {
				for tried[j].Sub(tried[i]) >= time.Hour {
					i++
				}
				most = max(most, j-i+1)
			}
			t.Logf("S13: from %d addresses, owner signs in: %v: %d of %d guesses were tried in %v, at most %d in any hour", addresses, signsIn, len(tried), guesses, span, most)
			if most > 30 || most == 0 {
				t.Errorf("from %d addresses %d guesses were tried in an hour, want at most 30", addresses, most)
			}
		}
	}
}

func TestTheOwnerIsNotLockedOutByOthers(t *testing.T) {
	for name, addresses := range map[string]int{"one address": 1, "a thousand addresses": 1000} {
		s := shelf{}
		for i := range 10_000 {
			now := noon.Add(time.Duration(i) * time.Second)
			s.try("ada", netip.AddrFrom4([4]byte{10, 0, byte(i % addresses >> 8), byte(i % addresses)}).String(), false, false, now)
			if i%600 == 300 && !s.try("ada", "192.0.2.1", true, true, now) {
				t.Errorf("guesses from %s lock the owner out at home, after %d seconds", name, i)
			}
			if addresses == 1 && i%600 == 300 && !s.try("ada", "198.51.100.1", false, true, now) {
				t.Errorf("guesses from %s lock the owner out on a journey, after %d seconds", name, i)
			}
		}
	}
}

func TestAHundredCodesAtOnceAreFiveTries(t *testing.T) {
	var f auth.Failures
	allowed := 0
	for range 100 {
		counted, _, ok := auth.TakeSecondFactor(f, noon)
		if f = counted; ok {
			allowed++
		}
	}
	if allowed != 5 {
		t.Errorf("%d of 100 codes at once were tried, want 5", allowed)
	}
	year := 0
	for now := noon; now.Before(noon.AddDate(1, 0, 0)); now = now.Add(time.Minute) {
		counted, _, ok := auth.TakeSecondFactor(f, now)
		if f = counted; ok {
			year++
		}
	}
	t.Logf("S13: somebody who has the password tries %d codes in a year: %.2f %% to be right once", year, float64(year)*3/1e6*100)
	if year > 400 {
		t.Errorf("%d codes in a year were tried, want at most 400", year)
	}
}

func TestACustomersNetworkIsOneAddress(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":           "192.0.2.7",
		"::ffff:192.0.2.7":    "192.0.2.7",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
		"fe80::1%eth0":        "fe80::/64",
	} {
		if got := auth.AddressKey(netip.MustParseAddr(address)); got != want {
			t.Errorf("AddressKey(%s) = %s, want %s", address, got, want)
		}
	}
}
