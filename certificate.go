package backstay

import "time"

// Certificate is what a process of the server shows to those who reach it by TLS.
type Certificate struct {
	ID       string    `bun:",pk"` // the machine and port
	Subject  string    // whom it is made out to
	NotAfter time.Time // when it ends
	SeenAt   time.Time // when the process was last there
}
