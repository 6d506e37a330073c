// Package serve holds tests that run the real backstay serve and end it: by a kill, or as a service manager does.
//
// A process is one server on a port of its own. Several can share a database. What is asked of it goes over HTTP, as people and programs
// do it, and what it left is looked at in the repository itself.
package serve
