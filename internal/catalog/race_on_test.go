//go:build race

package catalog_test

// raced says that the race detector looks on, which makes SQLite some thirty times slower.
const raced = true
