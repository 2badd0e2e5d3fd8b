package main

import (
	"fmt"

	"kenserve/internal/printable"
	"kenserve/internal/settings"
)

// reportUnknown tells the user about settings that no table has, one line a file, with
// warn. If strict is true it returns them as an error instead.
func reportUnknown(command string, strict bool, warn func(line string), files ...settings.Unknown) error {
	for _, f := range files {
		switch line := f.String(); {
		case line == "":
		case strict:
			return fmt.Errorf("%s: %s; remove them if they change nothing, or leave out --strict", command, line)
		default:
			warn(line)
		}
	}
	return nil
}

// warn returns a function that writes warnings of a command.
func (s streams) warn(command string) func(line string) {
	return func(line string) { fmt.Fprintf(s.err, "%s: warning: %s\n", command, printable.Line(line)) }
}
