package runtime

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// machineMemory returns the bytes of memory that this process may use: the
// machine's memory, or the lowest limit of the control groups (version 1 or 2)
// that a container puts it in. If neither is known it returns 4 GiB.
func machineMemory() int64 { return availableMemory(os.DirFS("/")) }

const unknownMemory = 4 << 30

func availableMemory(root fs.FS) int64 {
	memory := int64(0)
	lowerTo := func(n int64) {
		if n > 0 && (memory == 0 || n < memory) {
			memory = n
		}
	}
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		if rest, ok := bytes.CutPrefix(text, []byte("MemTotal:")); ok {
			if fields := bytes.Fields(rest); len(fields) > 1 {
				lowerTo(parseBytes(string(fields[0])) << 10)
			}
		}
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for lines := bufio.NewScanner(bytes.NewReader(groups)); lines.Scan(); {
		// HIERARCHY:CONTROLLERS:PATH
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) < 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", "memory.max"
		if parts[0] != "0" {
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		// In a container the path may be the host's; then the root of the mount
		// is the group. The limits of all groups above hold, too.
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			if text, err := fs.ReadFile(root, path.Join(dir, group, file)); err == nil {
				lowerTo(parseBytes(strings.TrimSpace(string(text))))
			}
			if group == "/" {
				break
			}
		}
	}
	if memory == 0 {
		return unknownMemory
	}
	return memory
}

// parseBytes returns 0 if text is not a number, such as "max", which means that
// a group has no limit.
func parseBytes(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

const (
	// processBytes is what a process takes beside the base, activations and
	// tasks: the program itself, requests and connections.
	processBytes = 96 << 20
	// programBytes is the part of processBytes that is mapped from the program's
	// file.
	programBytes = 64 << 20
	// garbageShare is the share, one in garbageShare, of the rest that the garbage
	// collector needs.
	garbageShare = 8
)

// taskBudget returns the part of memory that is left for tasks and activations if
// the base takes so many bytes.
func taskBudget(memory, base int64) int64 {
	left := memory - base - processBytes
	return left - left/garbageShare
}
