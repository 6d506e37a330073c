// Package cli holds tests of the binary as a user runs it: on input that is bad in every way we could think of, and on the
// commands that the guides show.
//
// A room is a folder with a repository, a source, and all that a user has: a home, a folder for temporary files, a password in a
// file. An outcome is how one call of the binary ended and what it said. The invariant of each test: whatever goes wrong, the exit code
// tells the kind of failure, the message says what, on which, why and what to do next, and nothing is left half done: no lock,
// no temporary file, a sound repository.
package cli
