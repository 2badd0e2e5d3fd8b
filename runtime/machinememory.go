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
// that a container puts it in, and of all groups above them. If none is known it
// returns 4 GiB.
func machineMemory() int64 { return availableMemory(os.DirFS("/"), systemMemory()) }

const unknownMemory = 4 << 30

// availableMemory is machineMemory for the files below root. system is the machine's
// memory as the operating system says, for containers that hide /proc/meminfo; 0: it is
// not known.
func availableMemory(root fs.FS, system int64) int64 {
	memory := system
	lowerTo := func(n int64) {
		if n > 0 && (memory == 0 || n < memory) {
			memory = n
		}
	}
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		lowerTo(memTotal(text))
	}
	mounts := groupMounts(root)
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for lines := bufio.NewScanner(bytes.NewReader(groups)); lines.Scan(); {
		// HIERARCHY:CONTROLLERS:PATH
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) < 3 {
			continue
		}
		version, files := 2, []string{"memory.max", "memory.high"}
		if parts[0] != "0" {
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
			version, files = 1, []string{"memory.limit_in_bytes"}
		}
		for _, dir := range mounts[version] {
			// In a container the path may be the host's; then the root of the mount
			// is the group. The limits of all groups above hold, too.
			for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
				for _, file := range files {
					if text, err := fs.ReadFile(root, path.Join(dir, group, file)); err == nil {
						lowerTo(parseBytes(strings.TrimSpace(string(text))))
					}
				}
				if version == 1 {
					// With hierarchy, the kernel says what the groups above allow,
					// also those that a container cannot see.
					if text, err := fs.ReadFile(root, path.Join(dir, group, "memory.stat")); err == nil {
						lowerTo(hierarchicalLimit(text))
					}
				}
				if group == "/" {
					break
				}
			}
		}
	}
	if memory == 0 {
		return unknownMemory
	}
	return memory
}

// groupMounts returns the folders, relative to the root, where control groups with the
// memory controller are mounted, by version. The usual places are always among them.
func groupMounts(root fs.FS) map[int][]string {
	mounts := map[int][]string{1: {"sys/fs/cgroup/memory"}, 2: {"sys/fs/cgroup", "sys/fs/cgroup/unified"}}
	text, _ := fs.ReadFile(root, "proc/self/mountinfo")
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		// ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS [FIELDS...] - TYPE SOURCE SUPEROPTIONS
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		version := 0
		switch {
		case right[0] == "cgroup2":
			version = 2
		case right[0] == "cgroup" && strings.Contains(","+right[2]+",", ",memory,"):
			version = 1
		default:
			continue
		}
		if dir := strings.TrimPrefix(path.Clean(left[4]), "/"); fs.ValidPath(dir) {
			mounts[version] = append(mounts[version], dir)
		}
	}
	return mounts
}

// memTotal returns the machine's memory by /proc/meminfo, or 0.
func memTotal(meminfo []byte) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(meminfo)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				return parseBytes(fields[0]) << 10
			}
		}
	}
	return 0
}

// hierarchicalLimit returns the limit of a group and all above it by memory.stat of
// version 1, or 0.
func hierarchicalLimit(stat []byte) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(stat)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "hierarchical_memory_limit "); ok {
			return parseBytes(strings.TrimSpace(rest))
		}
	}
	return 0
}

// parseBytes returns 0 if text is not a number, such as "max", or one that means that a
// group has no limit: -1, or the largest number of pages.
func parseBytes(text string) int64 {
	const noLimit = 1 << 60 // no machine has so much
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n >= noLimit {
		return 0
	}
	return n
}
