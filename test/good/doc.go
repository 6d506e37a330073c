// Package good tests that a check raises no alarm about a repository with which nothing is wrong.
//
// A rig is a repository to which a seed has done all that may happen to one: backups of many hosts, also broken off or at the same
// time, forgets and prunes, copies, changed tags and keys, an index that was rebuilt, a restic that worked on it. A history is a source that
// changes, and a proof tells whether a snapshot is still what was backed up. The invariant: a check of all data finds nothing, but for
// hints at what a run that was broken off has left; and a snapshot chosen at random is restored as it was.
//
// That the rig would see an alarm is shown by wrong bytes in packs, each of which must raise one.
package good
