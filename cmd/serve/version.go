package main

import (
	"fmt"
	"runtime/debug"
)

// release is the version under development; a tagged build brings its own.
const release = "0.1.0-dev"

// version returns the program's version, with the revision it was built from
// where that is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	if v := info.Main.Version; v != "" && v != "(devel)" && !isPseudo(v) {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return release + "+" + s.Value[:12]
		}
	}
	return release
}

// isPseudo tells the versions that the go command makes up for untagged
// revisions.
func isPseudo(v string) bool { return len(v) > 7 && v[:7] == "v0.0.0-" }

type versionCmd struct{}

func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "kenserve", version())
	return err
}
