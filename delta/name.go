package delta

import (
	"path/filepath"
	"strings"
)

// Extension is the end of a delta file's name. A task is served under the name of
// its file without the extension.
const Extension = ".ken"

// ValidTask reports whether name can be the name of a task: 1 to 128 letters,
// digits, dots, underscores and hyphens, of which the first is a letter or digit.
// As a file name, such a name cannot lead out of its folder.
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

// TaskName returns the name of the task whose delta file is at path. It returns
// false if a store does not serve a file with this name.
func TaskName(path string) (string, bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), Extension)
	return name, ok && ValidTask(name)
}
