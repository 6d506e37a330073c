// Package conformance holds tests in which the real restic and the engine of Backstay work on the same repositories, and each
// reads, checks and changes what the other wrote.
//
// A site is a repository in a folder that both have open. Restic is the program found by package resticbin; our side runs in
// this process. Tests are named by what they prove, and repeat it for a number of seeds, more of them where BACKSTAY_SOAK is 1.
// The invariant: nothing here says what the format is; the two sides agree, or the test fails.
package conformance
