package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns the two ends of a terminal: what a person has before them, and what the program has.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("SKIPPED: no terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// typing answers each prompt with the next line, as soon as it is there.
type typing struct {
	shown  bytes.Buffer
	person *os.File
	lines  []string
}

func (y *typing) Write(p []byte) (int, error) {
	if bytes.HasSuffix(p, []byte(": ")) && len(y.lines) > 0 {
		if _, err := y.person.WriteString(y.lines[0] + "\n"); err != nil {
			return 0, err
		}
		y.lines = y.lines[1:]
	}
	return y.shown.Write(p)
}

func TestAPasswordIsTypedUnseen(t *testing.T) {
	for _, c := range []struct {
		repeat bool
		lines  []string
		want   string
		ok     bool
		shown  string
	}{
		{false, []string{"secret word"}, "secret word", true, "Password: \n"},
		{true, []string{"secret word", "secret word"}, "secret word", true, "Password: \nThe same again: \n"},
		{true, []string{"secret word", "secret wort"}, "secret word", false, "Password: \nThe same again: \n"},
	} {
		person, terminal := openTerminal(t)
		out := &typing{person: person, lines: c.lines}
		p := &program{sys: System{Stdin: terminal, Stderr: out}}
		got, err := p.askPassword(t.Context(), "Password", c.repeat)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("askPassword with %q typed = %q, %v, want %q, no error %v", c.lines, got, err, c.want, c.ok)
		}
		if out.shown.String() != c.shown {
			t.Errorf("askPassword with %q typed showed %q, want %q", c.lines, out.shown.String(), c.shown)
		}
	}
}

func TestATerminalIsSetBackWhenThePromptIsInterrupted(t *testing.T) {
	_, terminal := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	p := &program{sys: System{Stdin: terminal, Stderr: interrupter{terminal, func() { cancel(errInterrupted) }}}}
	if got, err := p.askPassword(ctx, "Password", false); !errors.Is(err, errInterrupted) {
		t.Errorf("askPassword = %q, %v, want errInterrupted", got, err)
	}
	after, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if after.Lflag != before.Lflag {
		t.Errorf("the terminal's flags are %#x, were %#x before", after.Lflag, before.Lflag)
	}
}

// interrupter interrupts once the prompt is out and echo is off.
type interrupter struct {
	terminal  *os.File
	interrupt func()
}

func (i interrupter) Write(p []byte) (int, error) {
	if bytes.HasSuffix(p, []byte(": ")) {
		go func() {
			for {
				flags, err := unix.IoctlGetTermios(int(i.terminal.Fd()), unix.TCGETS)
				if err != nil || flags.Lflag&unix.ECHO == 0 {
					break
				}
			}
			i.interrupt()
		}()
	}
	return len(p), nil
}

func TestALineOfInputIsTakenAndNotAByteMore(t *testing.T) {
	for input, want := range map[string][2]string{
		"secret word\nrest": {"secret word", "rest"}, "dos\r\nrest": {"dos", "rest"}, "no end": {"no end", ""}, "": {"", ""}, "\nx": {"", "x"},
	} {
		r := strings.NewReader(input)
		got, err := readLine(r)
		if rest := input[len(input)-r.Len():]; got != want[0] || rest != want[1] || err != nil {
			t.Errorf("readLine of %q = %q, %v, and leaves %q, want %q and %q", input, got, err, rest, want[0], want[1])
		}
	}
}

func TestEachRepositoryHasTheSourceOfItsPasswordAfterIt(t *testing.T) {
	var p program
	root := p.newRoot()
	args := []string{"--password-file", "all", "-r", "a", "--password-file", "fa", "-r", "b", "-r", "c", "--password-command", "cc"}
	if err := root.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	want := []target{{location: "a", password: passwordSource{file: "fa"}}, {location: "b"}, {location: "c", password: passwordSource{command: "cc"}}}
	got, err := p.targets()
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("targets after %q = %v, %v, want %v", args, got, err, want)
	}
	if got := p.flags.targets.fallback; got != (passwordSource{file: "all"}) {
		t.Errorf("fallback after %q = %v, want the file all", args, got)
	}
}
