// Package crash holds tests that kill the real backstay binary, at random moments and at named points, and tests in which it and the
// real restic work on one repository at the same time.
//
// A lab has the binary, a repository with some snapshots, and the trees they were made of. Each kill happens in a room: a copy
// of the repository that is spoilt by it. Afterwards the same command must succeed with nothing done by hand, each earlier
// snapshot must restore to its tree, checks must find nothing, and a prune must leave no garbage.
//
// A point is a system call on a file of the repository, of the target of a restore, or of this machine's own state. The program trap
// watches the calls of the binary and kills it at one. It can also do them in a wrong order, and so plant a bug that the tests must
// find.
package crash
