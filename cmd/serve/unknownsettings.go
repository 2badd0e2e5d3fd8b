package main

import (
	"fmt"
	"strings"

	"kenserve/internal/printable"
	"kenserve/internal/settings"
)

// reportUnknown tells the user about settings that no table has, one line a file, with
// warn. If strict is true it returns them as an error instead.
func reportUnknown(command string, strict bool, warn func(line string), files ...settings.Unknown) error {
	var lines []string
	for _, f := range files {
		if line := f.String(); line != "" {
			lines = append(lines, line)
		}
	}
	if strict && len(lines) > 0 {
		return fmt.Errorf("%s: %s; remove them if they change nothing, or leave out --strict", command, strings.Join(lines, "; "))
	}
	for _, line := range lines {
		warn(line)
	}
	return nil
}

// warn returns a function that writes warnings of a command.
func (s streams) warn(command string) func(line string) {
	return func(line string) { fmt.Fprintf(s.err, "%s: warning: %s\n", command, printable.Line(line)) }
}
