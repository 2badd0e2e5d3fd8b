package main

import (
	"fmt"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// release is the version under development. A build of a tagged revision has its own.
const release = "0.1.0-dev"

// version returns the program's version, followed by the revision it was built from if that
// is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	if v := info.Main.Version; v != "" && v != "(devel)" && !isPseudoVersion(v) {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return release + "+" + s.Value[:12]
		}
	}
	return release
}

// isPseudoVersion reports whether the go command made the version up for an untagged
// revision.
func isPseudoVersion(v string) bool { return len(v) > 7 && v[:7] == "v0.0.0-" }

type versionCmd struct{}

func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "kenserve", version())
	return err
}

// versionFlag is --version. It acts before the other flags are read, as --help does.
type versionFlag bool

func (versionFlag) BeforeReset(app *kong.Kong) error {
	if err := (versionCmd{}).Run(streams{out: app.Stdout}); err != nil {
		return err
	}
	app.Exit(0)
	return nil
}
