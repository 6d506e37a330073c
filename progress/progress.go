// Package progress carries what happened so far from those who work to those who show it.
package progress

// Kind says what an Event tells.
type Kind int

// The kinds. Total comes when it is known, which may be never; Started and Finished frame one item; Advanced counts bytes
// of an item in work; Failed is a loss that does not end the run; Notice is something a person should read.
const (
	Total Kind = iota
	Started
	Advanced
	Finished
	Failed
	Notice
)

// Event is one thing that happened.
type Event struct {
	Kind  Kind
	Item  string // path of the entry, or name of the file in the repository
	State string // Finished in a backup: "new", "changed", "unmodified"; else ""
	Files int64  // Total: number of items; else 0
	Bytes int64  // Total: all bytes; Advanced: bytes since the last event of the item; Finished: bytes of the item
	Err   error  // Failed
	Text  string // Notice: a sentence
}

// Func takes events. It is called from many goroutines at once and returns soon. A nil Func is nobody listening: call
// Send, which allows for it.
type Func func(Event)

// Send passes e on.
func (f Func) Send(e Event) {
	if f != nil {
		f(e)
	}
}
