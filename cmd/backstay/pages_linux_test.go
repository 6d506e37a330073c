package main

import (
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// Only what holds nothing but the file may be taken away: to take away a page that was written would undo the writing.
func TestOnlyUnwrittenPartsOfTheProgramAreForgotten(t *testing.T) {
	const smaps = `00400000-01ff0000 r-xp 00000000 fe:00 123                                /usr/bin/my backstay
Size:              28608 kB
Rss:               20000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
01ff0000-02ff0000 r--p 01bf0000 fe:00 123                                /usr/bin/my backstay
Anonymous:             4 kB
AnonHugePages:         0 kB
02ff0000-03000000 rw-p 02bf0000 fe:00 123                                /usr/bin/my backstay
Anonymous:             0 kB
03000000-03010000 r--p 02bf0000 fe:00 124                                /usr/lib/other
Anonymous:             0 kB
04000000-04010000 r--p 02bf0000 fe:00 123                                /usr/bin/my backstay
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0 
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0x1bf0000}, {0x4000000, 0x10000}}
	if got := unwritten(strings.NewReader(smaps), "/usr/bin/my backstay"); !reflect.DeepEqual(got, want) {
		t.Errorf("unwritten() = %x, want %x", got, want)
	}
}

func TestTheStartIsForgotten(t *testing.T) {
	before := filePages(t)
	forgetStart()
	if after := filePages(t); after > before/2 {
		t.Errorf("pages of files take %d kB, and took %d kB before: less than half was forgotten", after, before)
	}
}

// filePages returns the kB of this process's memory that are pages of files.
func filePages(t *testing.T) (kB int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); f[0] == "RssFile:" {
			if kB, err = strconv.Atoi(f[1]); err != nil {
				t.Fatal(err)
			}
			return kB
		}
	}
	t.Fatal("/proc/self/status doesn't tell RssFile")
	return 0
}
