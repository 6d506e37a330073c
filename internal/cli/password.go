package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/backstay/backstay"
)

// password returns the password of a repository: from its flags, from the environment, or as somebody types it (asked).
// For a repository that is yet to be made it is typed twice.
func (p *program) password(ctx context.Context, t target, repeat bool) (password string, asked bool, err error) {
	password, found, err := p.storedPassword(ctx, t)
	if !found && err == nil {
		asked = true
		password, err = p.askPassword(ctx, fmt.Sprintf("Password for repository %q", t), repeat)
	}
	if err == nil && password == "" {
		what := "the password of repository %q is empty"
		if asked {
			what = "no password is given for repository %q"
		}
		err = backstay.Errorf(backstay.Invalid, what, t).
			WithHint("Give one with --password-file or BACKSTAY_PASSWORD, see 'backstay help passwords'.")
	}
	return password, asked, err
}

// storedPassword looks where the flags and the environment say; found tells whether they say anything.
func (p *program) storedPassword(ctx context.Context, t target) (password string, found bool, err error) {
	source := t.password
	if source == (passwordSource{}) && t.env == "" {
		source = p.flags.targets.fallback
	}
	for _, prefix := range []string{"BACKSTAY_", "RESTIC_"} {
		if source != (passwordSource{}) {
			break
		}
		name := prefix + t.env + "PASSWORD"
		source = passwordSource{file: p.sys.Getenv(name + "_FILE"), command: p.sys.Getenv(name + "_COMMAND")}
		if password = p.sys.Getenv(name); password != "" && source == (passwordSource{}) {
			return password, true, nil
		}
	}
	switch {
	case source.command != "":
		password, err = p.passwordFromCommand(ctx, source.command)
		return password, true, err
	case source.file != "":
		password, err = readText("password", source.file)
		return password, true, err
	}
	if t.env != "" { // one password serves all that have none of their own
		t.env = ""
		return p.storedPassword(ctx, t)
	}
	return "", false, nil
}

const maxTextFile = 1 << 20 // what is longer is the wrong file

// readText returns what a file holds without the white space, and the byte order mark, around it. restic does the same. What the
// file is for is said in errors.
func readText(what, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read %s file: %w", what, err)
	}
	p, err := io.ReadAll(io.LimitReader(f, maxTextFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("read %s file: %w", what, err)
	}
	if len(p) > maxTextFile {
		return "", fmt.Errorf("read %s file %q: it has more than 1 MiB", what, name)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(p), "\ufeff")), nil
}

// passwordFromCommand returns what a command prints, without the white space around it. No shell has a part in it. Errors name
// only the program, since its arguments may be secret.
func (p *program) passwordFromCommand(ctx context.Context, command string) (string, error) {
	words, err := splitWords(command)
	if err == nil && len(words) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("read password command: %w", err)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.sys.Stdin, &out, p.sys.Stderr
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		} else if interrupted(err) {
			err = errInterrupted
		} else {
			return "", backstay.Errorf(backstay.Failed, "run password command %q: %w", words[0], err).
				WithHint("Try it by hand; how it is started is told by 'backstay help passwords'.")
		}
		return "", fmt.Errorf("run password command %q: %w", words[0], err)
	}
	return strings.TrimSpace(out.String()), nil
}

// interrupted reports whether a command ended by the signal of a person, which a terminal sends to it and to us, in any order.
func interrupted(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && slices.Contains(interrupts(), os.Signal(status.Signal()))
}

// askPassword has somebody type a password, or reads a line where standard input is no terminal.
func (p *program) askPassword(ctx context.Context, prompt string, repeat bool) (string, error) {
	f, ok := p.sys.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return readLine(p.sys.Stdin)
	}
	first, err := p.promptHidden(ctx, f, prompt+": ")
	if err != nil || !repeat {
		return first, err
	}
	second, err := p.promptHidden(ctx, f, "The same again: ")
	if err == nil && first != second {
		err = backstay.Errorf(backstay.Invalid, "the two passwords differ").WithHint("Nothing was changed. Try once more.")
	}
	return first, err
}

// promptHidden reads a line without showing it. When ctx ends the terminal is set back at once; the reading itself can't be
// ended, and is left behind as the program exits.
func (p *program) promptHidden(ctx context.Context, f *os.File, prompt string) (string, error) {
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for password: %w", err)
	}
	if _, err := io.WriteString(p.sys.Stderr, prompt); err != nil {
		return "", fmt.Errorf("ask for password: %w", err)
	}
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		answers <- answer{line, err}
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
	_, err = io.WriteString(p.sys.Stderr, "\n")
	if err := errors.Join(a.err, err); err != nil {
		return "", fmt.Errorf("ask for password: %w", err)
	}
	return string(a.line), nil
}

// readLine reads up to the end of the line and not a byte further: what follows belongs to the command.
func readLine(r io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for len(line) < maxTextFile {
		n, err := r.Read(b[:])
		if n > 0 && b[0] == '\n' {
			break
		}
		line = append(line, b[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read password from standard input: %w", err)
		}
	}
	return strings.TrimSuffix(string(line), "\r"), nil
}
