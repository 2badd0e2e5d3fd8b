package bench

import (
	"os"
	"strconv"
	"strings"
)

// residentBytes returns the resident memory of the process, or 0 if the system does not
// tell it as Linux does.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	return parseResident(string(text))
}

// parseResident finds VmRSS, in kB, in the text of /proc/self/status.
func parseResident(status string) int64 {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
