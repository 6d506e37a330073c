package auth

import (
	"net/netip"
	"time"
)

// Failures are tries that were wrong: how many, and when the last one was.
type Failures struct {
	Count int
	Last  time.Time
}

// backoff makes somebody wait longer after each failure in a row. Success, which the caller stores as no Failures, ends it.
type backoff struct {
	Free      int           // this many may fail without any waiting
	Wait, Max time.Duration // after those: the first wait, which doubles up to the longest
	Forget    time.Duration // failures are forgotten this long after the last one; 0: never
}

// budget allows a number of failures, and gives one back after each period. Success doesn't fill it up, else an attacker could fill it
// by an account of their own, or with the help of a person who signs in.
type budget struct {
	Burst int
	Every time.Duration
}

// The limits. In any hour an account has at most 30 tries: 10 from the places that its owner is known from and 20 from all others
// together. So whoever guesses uses up the tries of strangers, and the owner at home or at work notices nothing; from a new place
// the owner gets in as long as fewer than some ten addresses guess at once. Passkeys and OIDC need no limit, and always get in.
var (
	perPair     = backoff{Free: 5, Wait: time.Minute, Max: time.Hour, Forget: 24 * time.Hour} // an account from an address
	perFamiliar = budget{Burst: 5, Every: 12 * time.Minute}                                   // an account from all familiar addresses
	perStranger = budget{Burst: 10, Every: 6 * time.Minute}                                   // an account from all others
	perAddress  = budget{Burst: 30, Every: time.Minute}                                       // an address at all accounts: an office has one
	perMailbox  = budget{Burst: 3, Every: 20 * time.Minute}                                   // letters to a person who may not have asked for them
	perAsker    = budget{Burst: 10, Every: 2 * time.Minute}                                   // letters from an address to whomever
	// A code is guessed by somebody who has the password already. Seldom enough that a million codes are beyond a lifetime.
	secondFactor = backoff{Free: 5, Wait: time.Minute, Max: 24 * time.Hour}
)

// Tries are the failures that count for a try to sign in by password. An account that isn't there is counted by the name that was
// typed, like any other, so that nothing tells them apart. Since anybody can fill the database with such names, the caller deletes
// what is older than a day, which counts for nothing any more.
type Tries struct {
	Familiar bool     // the owner signed in from this address, or this browser, within the last months
	Pair     Failures // of the account from this address
	Account  Failures // of the account from all familiar addresses if this is one; else from all others
	Address  Failures // of this address at all accounts
}

// Take reports whether a try is allowed now. If it is, it returns what to store, which counts the try as failed already: the caller
// stores that in the transaction it read them in, before it looks at the password, so that a hundred tries at once are a hundred
// tries. If not, next is the time from which one is.
func (t Tries) Take(now time.Time) (counted Tries, next time.Time, ok bool) {
	account := perStranger
	if t.Familiar {
		account = perFamiliar
	}
	next = latest(perPair.next(t.Pair, now), account.next(t.Account, now), perAddress.next(t.Address, now))
	if next.After(now) {
		return t, next, false
	}
	t.Pair, t.Account, t.Address = perPair.fail(t.Pair, now), account.fail(t.Account, now), perAddress.fail(t.Address, now)
	return t, now, true
}

// Succeed returns what to store after the password was right, of what is stored then: the waiting of the person is over, the budgets
// of the account and the address stay as they are, less this try.
func (t Tries) Succeed() Tries {
	t.Pair = Failures{}
	t.Account.Count = max(t.Account.Count-1, 0)
	t.Address.Count = max(t.Address.Count-1, 0)
	return t
}

// TakeSecondFactor does for codes of an authenticator app what Tries.Take does for passwords: a try is counted as failed before
// the code is looked at. Success is stored as no Failures. It knows no addresses, since nobody gets here without the password.
func TakeSecondFactor(f Failures, now time.Time) (counted Failures, next time.Time, ok bool) {
	if next = secondFactor.next(f, now); next.After(now) {
		return f, next, false
	}
	return secondFactor.fail(f, now), now, true
}

// Letters are the mails that were asked for by people who forgot their passwords, or by others in their names.
type Letters struct {
	Mailbox Failures // to one address of mail, whether it is anybody's or not
	Asker   Failures // from one address of the network
}

// Take does for letters what Tries.Take does for passwords.
func (l Letters) Take(now time.Time) (counted Letters, next time.Time, ok bool) {
	if next = latest(perMailbox.next(l.Mailbox, now), perAsker.next(l.Asker, now)); next.After(now) {
		return l, next, false
	}
	return Letters{perMailbox.fail(l.Mailbox, now), perAsker.fail(l.Asker, now)}, now, true
}

// AddressKey is what failures of an address are counted by: of IPv6 the /64 network, since any customer has one.
func AddressKey(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return a.String()
}

// next is the time from which a try is allowed.
func (b backoff) next(f Failures, now time.Time) time.Time {
	if f = b.aged(f, now); f.Count < b.Free || fromTheFuture(f, now) {
		return now
	}
	wait := b.Wait
	for i := b.Free; i < f.Count && wait < b.Max; i++ {
		wait = min(wait*2, b.Max)
	}
	return latest(now, f.Last.Add(wait))
}

func (b backoff) fail(f Failures, now time.Time) Failures {
	return Failures{Count: b.aged(f, now).Count + 1, Last: now}
}

func (b backoff) aged(f Failures, now time.Time) Failures {
	if b.Forget > 0 && now.Sub(f.Last) >= b.Forget {
		return Failures{}
	}
	return f
}

func (b budget) next(f Failures, now time.Time) time.Time {
	if f = b.aged(f, now); f.Count < b.Burst || fromTheFuture(f, now) {
		return now
	}
	return f.Last.Add(time.Duration(f.Count-b.Burst+1) * b.Every)
}

func (b budget) fail(f Failures, now time.Time) Failures {
	if f = b.aged(f, now); f.Count == 0 || fromTheFuture(f, now) {
		f.Last = now
	}
	f.Count++
	return f
}

// aged gives back what time has given back. Last then is when the period began that isn't over yet.
func (b budget) aged(f Failures, now time.Time) Failures {
	back := max(int(now.Sub(f.Last)/b.Every), 0)
	if back >= f.Count {
		return Failures{}
	}
	return Failures{Count: f.Count - back, Last: f.Last.Add(time.Duration(back) * b.Every)}
}

// fromTheFuture tells failures from before the clock was set back: who failed then has another try, instead of waiting for years.
// The clocks of several servers differ by less.
func fromTheFuture(f Failures, now time.Time) bool { return f.Last.Sub(now) > time.Minute }

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
