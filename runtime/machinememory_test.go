package runtime

import (
	"testing"
	"testing/fstest"
)

func TestAvailableMemory(t *testing.T) {
	const meminfo = "MemTotal:       16384000 kB\nMemFree:        1000 kB\n"
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is known", nil, unknownMemory},
		{"no groups", map[string]string{"proc/meminfo": meminfo}, 16384000 << 10},
		{"version 2, a container's own root", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30},
		{"version 2, no limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 16384000 << 10},
		{"version 2, the limit of a group above", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/kenserve.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                  "3000000000\n",
			"sys/fs/cgroup/system.slice/kenserve.service/memory.max": "max\n"}, 3000000000},
		{"version 2, the path on the host", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/kubepods/pod1/abc\n", "sys/fs/cgroup/memory.max": "2147483648\n"}, 2 << 30},
		{"version 1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "7:cpu,cpuacct:/a\n5:memory:/docker/abc\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "536870912\n"}, 512 << 20},
		{"version 1, no limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:memory:/docker/abc\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16384000 << 10},
		{"a limit above the machine's memory", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "99999999999999\n"}, 16384000 << 10},
		{"version 1, below a limit that the container cannot see", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:memory:/docker/abc\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.stat":           "cache 1\nhierarchical_memory_limit 268435456\n"}, 256 << 20},
		{"version 1, mounted elsewhere", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,memory:/a\n",
			"proc/self/mountinfo":                "30 25 0:26 / /groups/mem rw,relatime - cgroup cgroup rw,cpu,memory\n",
			"groups/mem/a/memory.limit_in_bytes": "1073741824\n"}, 1 << 30},
		{"version 2, the lower of the hard limit and the one that slows down", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "2147483648\n", "sys/fs/cgroup/memory.high": "1073741824\n"}, 1 << 30},
		{"both versions, the limit of version 1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n", "sys/fs/cgroup/unified/memory.max": "max\n"}, 1 << 30},
		{"no limit, written as -1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "-1\n"}, 16384000 << 10},
		{"a limit of all pages of 64 KiB", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854710272\n"}, 16384000 << 10},
		{"malformed files", map[string]string{"proc/meminfo": "MemTotal:", "proc/self/cgroup": "0\n::\nx:memory"}, unknownMemory},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := availableMemory(root, 0); got != test.want {
				t.Errorf("%d bytes, want %d", got, test.want)
			}
		})
	}
}

// Where /proc/meminfo is hidden, the operating system's answer counts.
func TestSystemMemory(t *testing.T) {
	root := fstest.MapFS{}
	if got := availableMemory(root, 3<<30); got != 3<<30 {
		t.Errorf("%d bytes, want those of the system", got)
	}
	root["proc/self/cgroup"] = &fstest.MapFile{Data: []byte("0::/\n")}
	root["sys/fs/cgroup/memory.max"] = &fstest.MapFile{Data: []byte("1073741824\n")}
	if got := availableMemory(root, 3<<30); got != 1<<30 {
		t.Errorf("%d bytes, want those of the control group", got)
	}
}
