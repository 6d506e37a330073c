// Package crash holds tests that kill the real backstay binary at random moments, and tests in which it and the real restic
// work on one repository at the same time.
//
// A lab has the binary, a repository with some snapshots, and the trees they were made of. Each kill happens in a room: a copy
// of the repository that is spoilt by it. Afterwards the same command must succeed with nothing done by hand, each earlier
// snapshot must restore to its tree, checks must find nothing, and a prune must leave no garbage.
package crash
