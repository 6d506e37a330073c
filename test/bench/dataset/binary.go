package dataset

import (
	"encoding/binary"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// random is what no compressor makes smaller: compressed archives, pictures, video.
func random(r *rand.Rand) func(b []byte) []byte {
	return func(b []byte) []byte {
		for range 512 {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
		return b
	}
}

// machineCode resembles a program: instructions of 1 to 7 bytes, few of them frequent, with numbers in them, and now
// and then a table of names. It is used where the machine has too few real programs.
func (l *language) machineCode() kind {
	r := rand.New(rand.NewPCG(0, 4))
	instructions := make([][]byte, 2000)
	for i := range instructions {
		b := make([]byte, 1+r.IntN(7))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		instructions[i] = b
	}
	frequent := newRanks(len(instructions), 5)
	return func(r *rand.Rand) func(b []byte) []byte {
		return func(b []byte) []byte {
			for range 200 {
				b = append(b, instructions[frequent.draw(r)]...)
				if r.IntN(4) == 0 {
					b = binary.LittleEndian.AppendUint16(b, uint16(min(r.IntN(1<<16), r.IntN(1<<16))))
				}
			}
			if r.IntN(8) == 0 {
				for range 40 {
					b = append(append(b, l.identifiers[l.nameRank.draw(r)]...), 0)
				}
			}
			return b
		}
	}
}

// programs returns files of 256 KiB to 64 MiB below /usr/lib that are programs or libraries, in the order of their
// paths, up to budget bytes in all. Having none, or not being allowed to read some, is no error: fewer are returned.
func programs(budget int64) (found []file) {
	const least, most = 256 << 10, 64 << 20
	if budget < least {
		return nil
	}
	walk := func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil || info.Size() < least || info.Size() > min(most, budget) || !isELF(path) {
			return nil
		}
		budget -= info.Size()
		found = append(found, file{size: info.Size(), from: path})
		if budget < least {
			return fs.SkipAll
		}
		return nil
	}
	if err := filepath.WalkDir("/usr/lib", walk); err != nil {
		return nil // not possible: walk returns none
	}
	return found
}

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}
