//go:build linux

package cli

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// opening are the commands that open a repository, with arguments that would be right.
var opening = [][]string{
	{"backup", "src"}, {"restore", "latest", "--target", "out"}, {"snapshots"}, {"ls", "latest"}, {"find", "a"}, {"history", "/src/a"},
	{"dump", "latest", "/src/a"}, {"diff", "latest", "latest"}, {"forget", "--keep-last", "1"}, {"prune"}, {"tag", "--add", "x", "latest"},
	{"stats"}, {"key", "list"}, {"unlock"}, {"list", "packs"}, {"cat", "config"}, {"check"}, {"repair", "index"}, {"migrate"},
}

func TestAWrongPasswordEndsEachCommandWith12AndChangesNothing(t *testing.T) {
	r := enter(t)
	before := r.files(t, "repo")
	r.write(t, "wrong", []byte("another secret"))
	for _, args := range opening {
		t.Run(args[0], func(t *testing.T) {
			o := r.run(t, append(args, "--password-file", "wrong")...)
			o.want(t, 12, `repository "repo"`, "wrong password", "backstay help passwords")
			if strings.Contains(o.stdout+o.stderr, "another secret") {
				t.Errorf("%v\nwhich tells the password", o)
			}
		})
	}
	if after := r.files(t, "repo", "out"); !slices.Equal(before, after) {
		t.Errorf("the repository had %q, now there is %q", before, after)
	}
}

func TestWhereNoRepositoryIsEachCommandEndsWith10AndMakesNone(t *testing.T) {
	r := enter(t)
	if err := os.Mkdir(r.at("empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range opening {
		t.Run(args[0], func(t *testing.T) {
			r.run(t, append(args, "-r", "nowhere")...).want(t, 10, `repository "nowhere"`, "there is no repository", "backstay init")
			r.run(t, append(args, "-r", "empty")...).want(t, 10, `repository "empty"`, "there is no repository")
		})
	}
	if made := r.files(t, "nowhere", "empty", "out"); len(made) > 0 {
		t.Errorf("made %q", made)
	}
	if _, err := os.Stat(r.at("nowhere")); err == nil {
		t.Error("made the folder of a repository that is not there")
	}
}

func TestWhatMakesNoSenseIsRefusedAndChangesNothing(t *testing.T) {
	r := enter(t)
	r.run(t, "backup", "src").want(t, 0)
	if err := os.Symlink("repo/data", r.at("link")); err != nil {
		t.Fatal(err)
	}
	before := r.files(t, ".")
	for name, c := range map[string]struct {
		code int
		says []string
		args []string
	}{
		"a repository in its own source":  {2, []string{`"repo/data"`, `part of the repository "repo"`}, []string{"backup", "repo/data"}},
		"the repository as source":        {2, []string{`"repo"`, `part of the repository "repo"`}, []string{"backup", "repo"}},
		"a target in the repository":      {2, []string{`"repo/data/x"`, `lies in the repository "repo"`}, []string{"restore", "latest", "--target", "repo/data/x"}},
		"such a target behind a link":     {2, []string{`"link/x"`, `lies in the repository "repo"`}, []string{"restore", "latest", "--target", "link/x"}},
		"the repository as target":        {2, []string{`"repo"`, "lies in the repository"}, []string{"restore", "latest", "--target", "repo"}},
		"a target that is a file":         {1, []string{`"src/a"`, "not a directory"}, []string{"restore", "latest", "--target", "src/a"}},
		"no target":                       {2, []string{"--target FOLDER"}, []string{"restore", "latest"}},
		"a repository that is a file":     {1, []string{`repository "src/a"`, "not a directory"}, []string{"snapshots", "-r", "src/a"}},
		"a repository below a file":       {1, []string{`repository "src/a/b"`, "not a directory"}, []string{"init", "-r", "src/a/b"}},
		"a repository that exists":        {1, []string{`repository "repo"`, "there is a repository already"}, []string{"init"}},
		"a storage that nobody knows":     {2, []string{`"gopher"`, "unknown kind of storage"}, []string{"snapshots", "-r", "gopher:x"}},
		"no source":                       {2, []string{"nothing to back up is named"}, []string{"backup"}},
		"a source that is not there":      {1, []string{"none of the paths", `"missing"`}, []string{"backup", "missing"}},
		"a list that is not there":        {1, []string{"read list", "missing", "no such file"}, []string{"backup", "--files-from", "missing"}},
		"a password file not there":       {1, []string{"password file", "missing", "no such file"}, []string{"snapshots", "--password-file", "missing"}},
		"an empty password":               {2, []string{`repository "repo"`, "is empty"}, []string{"snapshots", "--password-file", "/dev/null"}},
		"a snapshot that is not there":    {1, []string{`"deadbeef"`, "not found"}, []string{"restore", "deadbeef", "--target", "out"}},
		"a folder not in the snapshot":    {1, []string{`"nothing"`, "not found"}, []string{"restore", "latest:nothing", "--target", "out"}},
		"a file not in the snapshot":      {1, []string{`"/nothing"`, "not found"}, []string{"dump", "latest", "/nothing"}},
		"a broken pattern":                {2, []string{`"["`, "pattern"}, []string{"restore", "latest", "--target", "out", "--include", "["}},
		"an unknown flag":                 {2, []string{"backup", "--frob"}, []string{"backup", "--frob", "src"}},
		"an unknown command":              {2, []string{`"snapshotz"`, "snapshots"}, []string{"snapshotz"}},
		"forget of everything":            {2, []string{"by rules", "by ids"}, []string{"forget"}},
		"a time that is none":             {2, []string{`"soon"`, "2026-"}, []string{"backup", "--time", "soon", "src"}},
		"a type of backup that is none":   {2, []string{`"half"`, "full, incremental or differential"}, []string{"backup", "--type", "half", "src"}},
		"a name with a newline not there": {1, []string{`src/x\ny`}, []string{"backup", "src/x\ny"}},
	} {
		t.Run(name, func(t *testing.T) { r.run(t, c.args...).want(t, c.code, c.says...) })
	}
	if after := r.files(t, "."); !slices.Equal(before, after) {
		t.Errorf("there was %q, now there is %q", before, after)
	}
	r.wantSound(t, "repo")
}

func TestARepositoryInTheSourceIsLeftOutOfTheBackup(t *testing.T) {
	r := enter(t)
	r.run(t, "backup", ".").want(t, 0, `the repository "repo" lies in "."`, "left out")
	o := r.run(t, "ls", "latest")
	o.want(t, 0)
	if !strings.Contains(o.stdout, "/src/a\n") || strings.Contains(o.stdout, "/repo/") {
		t.Errorf("%v\nwant src/a in it and nothing of the repository", o)
	}
	r.wantSound(t, "repo")
}

func TestAPasswordCommandThatFailsIsNamedWithoutItsArguments(t *testing.T) {
	r := enter(t)
	o := r.run(t, "snapshots", "--password-command", "false another-secret")
	o.want(t, 1, `password command "false"`, "exit status 1")
	if strings.Contains(o.stderr, "another-secret") {
		t.Errorf("%v\nwhich tells an argument of the command", o)
	}
}

func TestWithJSONTheLastLineOfAnErrorIsForPrograms(t *testing.T) {
	r := enter(t)
	o := r.run(t, "snapshots", "-r", "nowhere", "--json")
	const want = `{"message_type":"exit_error","code":10,"error":"BST-2002","message":"repository \"nowhere\": open repository: there is no repository","hint":"`
	if o.code != 10 || !strings.HasPrefix(o.stderr, want) || o.stdout != "" {
		t.Errorf("%v\nwant it to begin with %s", o, want)
	}
}
