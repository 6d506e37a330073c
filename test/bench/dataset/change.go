package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
)

// writeOne makes one file at path.
func writeOne(f file, path string) error {
	return f.write(path, bufio.NewWriter(nil))
}

// edit puts a line in the middle of a file, as a person's editor does.
func edit(path string, r *rand.Rand) error {
	return insert(path, 1, 2, file{size: 40, kind: random, seed: r.Uint64()})
}

// insert puts what f stands for at num/den of the file and moves the rest, from its end, block by block: no second copy
// is made of a large file.
func insert(path string, num, den int64, f file) error {
	return change(path, num, den, f, func(file *os.File, at int64, p []byte) error {
		size, err := file.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		block := make([]byte, 1<<20)
		for end := size; end > at; {
			n := min(end-at, int64(len(block)))
			end -= n
			if _, err := file.ReadAt(block[:n], end); err != nil {
				return err
			}
			if _, err := file.WriteAt(block[:n], end+int64(len(p))); err != nil {
				return err
			}
		}
		_, err = file.WriteAt(p, at)
		return err
	})
}

// overwrite puts what f stands for at num/den of the file in place of what is there.
func overwrite(path string, num, den int64, f file) error {
	return change(path, num, den, f, func(file *os.File, at int64, p []byte) error {
		_, err := file.WriteAt(p, at)
		return err
	})
}

func change(path string, num, den int64, f file, put func(file *os.File, at int64, p []byte) error) error {
	var content bytes.Buffer
	if err := f.fill(&content); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	st, err := file.Stat()
	if err == nil {
		err = put(file, st.Size()/den*num, content.Bytes())
	}
	return errors.Join(err, file.Close())
}
