// Reference writes the pages of docs/reference from the commands of the command line: what --help shows, to be read in a browser.
//
// A page is one Markdown file: of a command, of a topic, or README.md, the list of both. The invariant: the pages follow from
// the commands alone, so that they can be compared with those in the tree.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/backstay/backstay/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: reference FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// write makes the pages in a folder the only ones there.
func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	for name, text := range pages(cli.Commands()) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
