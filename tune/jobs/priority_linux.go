package jobs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// lowest is the nice value with the lowest priority.
const lowest = 19

// lowerPriority gives all threads of this process the lowest priority, and offers it first
// if the system runs out of memory. Threads inherit the priority of those that make them.
// Errors are ignored: a job at full priority is slower for others, not wrong.
func lowerPriority() {
	threads, _ := filepath.Glob("/proc/self/task/*")
	for range 2 { // a thread may have made another one meanwhile
		for _, path := range threads {
			if id, err := strconv.Atoi(filepath.Base(path)); err == nil {
				_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, lowest)
			}
		}
		threads, _ = filepath.Glob("/proc/self/task/*")
	}
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
}

// isolate keeps the signals of the server's terminal from the process of a job.
func isolate(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
