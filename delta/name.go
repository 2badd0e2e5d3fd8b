package delta

import (
	"path/filepath"
	"strings"
)

// Extension ends the name of a delta file. A task is served under its file's
// name without it.
const Extension = ".ken"

// ValidTask reports whether name can be a task's: 1 to 128 letters, digits,
// dots, underscores and hyphens, the first a letter or digit. Such a name
// cannot lead out of a store.
func ValidTask(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// TaskName returns the task that the delta file at path is served as, and
// whether it can be served at all.
func TaskName(path string) (string, bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), Extension)
	return name, ok && ValidTask(name)
}
