package runtime

import "syscall"

// systemMemory returns the machine's memory in bytes by sysinfo(2), or 0.
func systemMemory() int64 {
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) != nil {
		return 0
	}
	return int64(uint64(info.Totalram) * uint64(max(info.Unit, 1)))
}
